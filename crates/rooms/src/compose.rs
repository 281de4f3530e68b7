//! Events that local users make: from what a client asked to a draft that cites the room's end, then through the door.

use std::sync::Arc;

use events::{CanonicalJsonObject, Draft, Pdu, Power, content::Membership};
use kernel::{
    id::{EventId, OwnedDeviceId, OwnedEventId, OwnedRoomAliasId, OwnedTransactionId, OwnedUserId, RoomId, UserId},
    limits::PREV_EVENTS_MAX,
};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    Error, Result, Rooms,
    accept::{Transaction, Unit},
};

/// A local user as the rooms see one: the edge reads the profile from `accounts` and hands it over.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user: OwnedUserId,
    /// The name that the house computed; no event of the user carries another.
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
}

/// What a client wants to send.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event_type: String,
    /// JSON of an object.
    pub content: Box<RawValue>,
    pub state_key: Option<String>,
    /// The event to prune, for `m.room.redaction`.
    pub redacts: Option<OwnedEventId>,
}

impl NewEvent {
    pub(crate) fn state(event_type: &str, state_key: &str, content: &Value) -> Result<Self> {
        Ok(Self {
            event_type: event_type.to_owned(),
            content: raw(content)?,
            state_key: Some(state_key.to_owned()),
            redacts: None,
        })
    }
}

pub(crate) fn raw(content: &Value) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(content).map_err(|error| Error::Invalid(error.to_string()))
}

impl Rooms {
    /// Sends an event into a room and returns its id once it is on disk.
    ///
    /// With a transaction, a repetition returns the first one's event, also after a restart. Setting a piece of state to
    /// the content that it has already returns the event that it has.
    ///
    /// # Errors
    /// [`Error::Denied`] by the authorization rules, [`Error::Invalid`] for content that cannot be canonical JSON,
    /// [`Error::TooLarge`], [`Error::BadAlias`]; nothing is stored then.
    pub async fn send(
        &self,
        actor: &Actor,
        room: &RoomId,
        event: NewEvent,
        transaction: Option<(OwnedDeviceId, OwnedTransactionId)>,
    ) -> Result<OwnedEventId> {
        let mut unit = self.change(room).await?;
        let transaction = transaction.map(|(device, id)| (actor.user.clone(), device, id));
        if let Some(key) = &transaction
            && let Some(event) = self.done_before(&unit, key).await?
        {
            return Ok(event);
        }
        self.check(&unit, actor, &event)?;
        if let Some(same) = unchanged(&unit, &event)? {
            return Ok(same);
        }
        let pdu = unit.compose(actor, event, transaction)?;
        let id = pdu.event_id().to_owned();
        unit.commit().await?;
        Ok(id)
    }

    /// Rules of ours and of the spec's client-server API that the authorization rules do not hold.
    fn check(&self, unit: &Unit<'_>, actor: &Actor, event: &NewEvent) -> Result<()> {
        match (event.event_type.as_str(), &event.state_key) {
            ("m.room.create", _) => Err(Error::Invalid("A room is created by createRoom only".to_owned())),
            ("m.room.canonical_alias", Some(_)) => self.check_aliases(unit, &event.content),
            ("m.room.encryption", Some(_)) => check_encryption(unit, &event.content),
            ("m.room.power_levels", Some(_)) => check_power_levels(unit, &event.content),
            ("m.room.redaction", None) => check_redaction(unit, actor, event),
            (_, None) => self.check_annotation(unit, actor, &event.content),
            _ => Ok(()),
        }
    }

    /// Each alias that a canonical alias event adds must point at this room (spec, "m.room.canonical_alias").
    fn check_aliases(&self, unit: &Unit<'_>, content: &RawValue) -> Result<()> {
        let aliases = |content: &RawValue| -> Result<Vec<OwnedRoomAliasId>> {
            let content: Map<String, Value> =
                serde_json::from_str(content.get()).map_err(|error| Error::Invalid(error.to_string()))?;
            let alias = content.get("alias").into_iter();
            let all = alias.chain(content.get("alt_aliases").and_then(Value::as_array).into_iter().flatten());
            let texts = all.filter(|alias| !alias.is_null() && alias.as_str() != Some(""));
            texts
                .map(|alias| {
                    let alias = alias.as_str().and_then(|alias| alias.try_into().ok());
                    alias.ok_or_else(|| Error::InvalidParam("An alias is not a room alias".to_owned()))
                })
                .collect()
        };
        let before = match unit.state("m.room.canonical_alias", "")? {
            Some(pdu) => aliases(pdu.content()).unwrap_or_default(),
            None => Vec::new(),
        };
        for alias in aliases(content)? {
            if !before.contains(&alias) && self.resolve_alias(&alias)?.as_deref() != Some(unit.room.id.as_ref()) {
                return Err(Error::BadAlias(format!("{alias} does not point at this room")));
            }
        }
        Ok(())
    }

    /// Nobody annotates an event twice with one key (spec, "Annotating events").
    fn check_annotation(&self, unit: &Unit<'_>, actor: &Actor, content: &RawValue) -> Result<()> {
        match crate::relations::annotation(content) {
            Some((target, key)) if self.annotated(&unit.room.id, &target, &actor.user, &key)? => {
                Err(Error::DuplicateAnnotation)
            }
            _ => Ok(()),
        }
    }
}

/// From version 12 on creators stand above all levels and must not be given one.
fn check_power_levels(unit: &Unit<'_>, content: &RawValue) -> Result<()> {
    let creators = unit.power_levels()?.creators;
    let content: Option<Map<String, Value>> = serde_json::from_str(content.get()).ok();
    let users = content.as_ref().and_then(|content| content.get("users")?.as_object());
    if users.is_some_and(|users| creators.iter().any(|creator| users.contains_key(creator.as_str()))) {
        return Err(Error::Invalid("The room's creators have no power level".to_owned()));
    }
    Ok(())
}

/// Encryption, once on, stays on: a client that turned it off would betray those who rely on it.
fn check_encryption(unit: &Unit<'_>, content: &RawValue) -> Result<()> {
    let algorithm = |content: &RawValue| {
        let content: Option<Map<String, Value>> = serde_json::from_str(content.get()).ok();
        content.and_then(|c| c.get("algorithm").and_then(Value::as_str).map(str::to_owned))
    };
    let before = unit.state("m.room.encryption", "")?.and_then(|pdu| algorithm(pdu.content()));
    match (before, algorithm(content)) {
        (Some(_), None) => Err(Error::Denied("Encryption cannot be turned off".to_owned())),
        _ => Ok(()),
    }
}

/// A redaction names an event of this room; one's own, or one has the power. Of a room that other servers are in too, not
/// every event is here: theirs is the judgement then, and ours when it comes.
fn check_redaction(unit: &Unit<'_>, actor: &Actor, event: &NewEvent) -> Result<()> {
    let target = event.redacts.as_ref().ok_or_else(|| Error::Invalid("Which event is to be redacted?".to_owned()))?;
    let Some(target) = unit.inner.event(&unit.room, target)? else {
        return if unit.is_shared() { Ok(()) } else { Err(Error::NoSuchEvent) };
    };
    if target.pdu.kind() == "m.room.create" {
        return Err(Error::Denied("The creation of a room cannot be redacted".to_owned()));
    }
    let powers = unit.power_levels()?;
    if target.pdu.sender() == actor.user || powers.of(&actor.user) >= Power::from(powers.redact) {
        return Ok(());
    }
    Err(Error::Denied("You may redact your own events only".to_owned()))
}

/// The event that holds this piece of state already, with this very content, from this sender.
fn unchanged(unit: &Unit<'_>, event: &NewEvent) -> Result<Option<OwnedEventId>> {
    let Some(state_key) = &event.state_key else { return Ok(None) };
    let Some(now) = unit.state(&event.event_type, state_key)? else { return Ok(None) };
    let value = |json: &RawValue| serde_json::from_str::<Value>(json.get()).ok();
    Ok((value(now.content()) == value(&event.content)).then(|| now.event_id().to_owned()))
}

impl Unit<'_> {
    /// Makes an event that cites the room's end and its auth events, and passes it through the door.
    pub(crate) fn compose(
        &mut self,
        actor: &Actor,
        event: NewEvent,
        transaction: Option<Transaction>,
    ) -> Result<Arc<Pdu>> {
        let pdu = self.seal(actor, event)?;
        self.accept(pdu, transaction)
    }

    /// The event as [`Self::compose`] makes it, signed but not in the room.
    pub(crate) fn seal(&self, actor: &Actor, event: NewEvent) -> Result<Pdu> {
        let mut content = events::canonical_content(event.content.get())?;
        if event.event_type == "m.room.member" && event.state_key.as_deref() == Some(actor.user.as_str()) {
            put_name(&mut content, actor);
        }
        let draft = self.draft(&actor.user, event, content)?;
        Ok(draft.seal_citing(self.room.version, &self.inner.signer.load(), |id| self.reference_hash(id))?)
    }

    /// The membership event that a user of another server may make now, for that server to complete and sign.
    ///
    /// # Errors
    /// [`Error::Denied`] when the authorization rules would refuse it.
    pub(crate) fn offer(&self, user: &UserId, content: Map<String, Value>) -> Result<Pdu> {
        let event = NewEvent::state("m.room.member", user.as_str(), &Value::Object(content))?;
        let content = events::canonical_content(event.content.get())?;
        let draft = self.draft(user, event, content)?;
        let offered = draft.unsigned(self.room.version, |id| self.reference_hash(id))?;
        self.authorise(&offered)?;
        Ok(offered)
    }

    fn draft(&self, sender: &UserId, event: NewEvent, content: CanonicalJsonObject) -> Result<Draft> {
        let auth_events = self.auth_events(sender, &event, &content)?;
        Ok(Draft {
            room_id: Some(self.room.id.clone()),
            sender: sender.to_owned(),
            event_type: event.event_type,
            state_key: event.state_key,
            content,
            redacts: event.redacts,
            prev_events: self.head.extremities.iter().take(PREV_EVENTS_MAX).cloned().collect(),
            auth_events,
            depth: self.head.depth.saturating_add(1),
            origin_server_ts: self.inner.clock.now(),
        })
    }

    fn reference_hash(&self, id: &EventId) -> Option<String> {
        self.event(id).ok()?.reference_hash(self.room.version).ok()
    }

    fn auth_events(
        &self,
        sender: &UserId,
        event: &NewEvent,
        content: &CanonicalJsonObject,
    ) -> Result<Vec<OwnedEventId>> {
        let state_key = event.state_key.as_deref();
        let types = events::auth_types(self.room.version, &event.event_type, sender, state_key, content)?;
        let mut ids = Vec::with_capacity(types.len());
        for (event_type, state_key) in types {
            if let Some(pdu) = self.state(&event_type, &state_key)? {
                ids.push(pdu.event_id().to_owned());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// One's own membership carries the name that the house computed, whatever was asked.
pub(crate) fn put_name(content: &mut CanonicalJsonObject, actor: &Actor) {
    let membership = content.get("membership").and_then(|m| m.as_str());
    let named = [Membership::Join, Membership::Knock].iter().any(|m| membership == Some(m.as_str()));
    content.remove("displayname");
    content.remove("avatar_url");
    if named {
        for (field, value) in [("displayname", &actor.display_name), ("avatar_url", &actor.avatar_url)] {
            if let Some(value) = value {
                content.insert(field.to_owned(), value.clone().into());
            }
        }
    }
}

impl From<events::Error> for Error {
    fn from(error: events::Error) -> Self {
        match error {
            events::Error::Denied(reason) => Self::Denied(reason),
            events::Error::InvalidSignature(_) | events::Error::NotVouched(_) => Self::Denied(error.to_string()),
            events::Error::Template(_) => Self::Unavailable(error.to_string()),
            events::Error::TooLarge(what) => Self::TooLarge(what),
            events::Error::UnsupportedRoomVersion(version) => Self::UnsupportedRoomVersion(version),
            events::Error::SigningKey(_) | events::Error::Resolution(_) | events::Error::Stored(_) => {
                Self::Damaged(error.to_string())
            }
            other => Self::Invalid(other.to_string()),
        }
    }
}
