//! One event of a room, parsed once and shared.

use std::{borrow::Cow, fmt};

use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId},
};
use ruma_common::MilliSecondsSinceUnixEpoch;
use ruma_events::TimelineEventType;
use ruma_state_res::Event;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Error, Result, RoomVersion,
    canonical::{canonical_event, canonical_string},
    format::check_format,
};

/// Type and state key: what a piece of state is filed under.
pub type StateKey = (String, String);

/// An event as it is stored and federated, immutable. Meant to be shared as `Arc<Pdu>`.
#[derive(Clone)]
pub struct Pdu {
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    /// Version 12's create event bears no `room_id`: its room is named after it.
    room_id_is_derived: bool,
    sender: OwnedUserId,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    /// As written. ruma's type below folds aliases of unstable types together, which would mix up two keys of state.
    kind: Box<str>,
    event_type: TimelineEventType,
    state_key: Option<Box<str>>,
    content: Box<RawValue>,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
    depth: u64,
    redacts: Option<OwnedEventId>,
    unsigned: Option<Box<RawValue>>,
    rejected: bool,
    json: Box<str>,
}

impl Pdu {
    /// Reads an event from elsewhere, checks its format and computes its id.
    ///
    /// Neither signatures nor hashes are verified: that is [`crate::verify`].
    ///
    /// # Errors
    /// As [`check_format`], and [`Error::NotJson`], [`Error::NotCanonical`].
    pub fn parse(json: &str, version: RoomVersion) -> Result<Self> {
        Self::from_object(&canonical_event(json)?, version)
    }

    /// The same from JSON that was read already.
    pub fn from_object(object: &CanonicalJsonObject, version: RoomVersion) -> Result<Self> {
        check_format(object, version)?;
        let event_id = event_id_of(object, version)?;
        Self::read(event_id, canonical_string(object), version, false).map_err(Error::Malformed)
    }

    /// Reads back what [`Pdu::json`] gave. Trusts the store: nothing is hashed or checked again.
    ///
    /// # Errors
    /// [`Error::Stored`] when it is not an event.
    pub fn from_stored(event_id: OwnedEventId, json: String, version: RoomVersion, rejected: bool) -> Result<Self> {
        Self::read(event_id, json, version, rejected).map_err(Error::Stored)
    }

    pub(crate) fn read(
        event_id: OwnedEventId,
        json: String,
        version: RoomVersion,
        rejected: bool,
    ) -> Result<Self, String> {
        let fields: Fields<'_> = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let redacts = redacted_id(&fields, version);
        let room_id_is_derived = fields.room_id.is_none();
        let room_id = match fields.room_id {
            Some(room_id) => room_id,
            None if version.room_id_is_create_event() && fields.kind == "m.room.create" => {
                RoomId::new_v2(event_id.as_str().trim_start_matches('$')).map_err(|error| error.to_string())?
            }
            None => return Err("missing field `room_id`".into()),
        };
        Ok(Self {
            event_id,
            room_id,
            room_id_is_derived,
            sender: fields.sender,
            origin_server_ts: fields.origin_server_ts,
            event_type: TimelineEventType::from(fields.kind.as_ref()),
            kind: fields.kind.into(),
            state_key: fields.state_key.map(Into::into),
            content: fields.content.to_owned(),
            prev_events: fields.prev_events.into_iter().map(|cited| cited.0).collect(),
            auth_events: fields.auth_events.into_iter().map(|cited| cited.0).collect(),
            depth: fields.depth,
            redacts,
            unsigned: fields.unsigned.map(ToOwned::to_owned),
            rejected,
            json: json.into(),
        })
    }

    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// When the sender's server says that it was sent. Its clock may be wrong, or lie.
    pub fn origin_server_ts(&self) -> Timestamp {
        Timestamp(self.origin_server_ts.get().into())
    }

    /// The `type`, as written.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn is(&self, kind: &str, state_key: &str) -> bool {
        *self.kind == *kind && self.state_key() == Some(state_key)
    }

    pub fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    pub fn is_state(&self) -> bool {
        self.state_key.is_some()
    }

    /// What the event is filed under in the room's state, if it is state.
    pub fn state_entry(&self) -> Option<StateKey> {
        self.state_key().map(|state_key| (self.kind().to_owned(), state_key.to_owned()))
    }

    /// Always a JSON object.
    pub fn content(&self) -> &RawValue {
        &self.content
    }

    /// # Errors
    /// [`Error::Malformed`] when the content has another shape. To read what others sent, prefer the forgiving readers of
    /// [`crate::content`].
    pub fn content_as<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.content.get()).map_err(|error| Error::Malformed(error.to_string()))
    }

    pub fn prev_events(&self) -> &[OwnedEventId] {
        &self.prev_events
    }

    pub fn auth_events(&self) -> &[OwnedEventId] {
        &self.auth_events
    }

    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The event that a redaction is about, wherever the room's version writes it; none if what stands there is no id.
    pub fn redacts(&self) -> Option<&EventId> {
        self.redacts.as_deref()
    }

    /// As the sender's server sent it, unsigned indeed: not to be believed.
    pub fn unsigned(&self) -> Option<&RawValue> {
        self.unsigned.as_deref()
    }

    /// Whether the event failed the checks on receipt: kept so that its id is known, never shown, never state.
    pub fn rejected(&self) -> bool {
        self.rejected
    }

    #[must_use]
    pub fn with_rejected(mut self, rejected: bool) -> Self {
        self.rejected = rejected;
        self
    }

    /// The canonical JSON, with hashes and signatures: what is stored and sent to other servers.
    pub fn json(&self) -> &str {
        &self.json
    }

    pub fn into_json(self) -> String {
        self.json.into()
    }

    pub(crate) fn event_type(&self) -> &TimelineEventType {
        &self.event_type
    }

    pub(crate) fn object(&self) -> Result<CanonicalJsonObject> {
        canonical_event(&self.json).map_err(|error| Error::Stored(error.to_string()))
    }

    /// What events of rooms of versions 1 and 2 cite beside the id (spec, "Calculating the reference hash").
    pub fn reference_hash(&self, version: RoomVersion) -> Result<String> {
        reference_hash(&self.object()?, version)
    }
}

impl fmt::Debug for Pdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pdu({} {})", self.event_id, self.kind)
    }
}

impl Event for Pdu {
    type Id = OwnedEventId;

    fn event_id(&self) -> &Self::Id {
        &self.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        // The rules of version 12 ask whether the create event *bears* one.
        (!self.room_id_is_derived).then_some(&*self.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.event_type
    }

    fn content(&self) -> &RawValue {
        &self.content
    }

    fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.auth_events.iter())
    }

    fn redacts(&self) -> Option<&Self::Id> {
        self.redacts.as_ref()
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}

/// The id: given in versions 1 and 2, the reference hash since.
pub(crate) fn event_id_of(object: &CanonicalJsonObject, version: RoomVersion) -> Result<OwnedEventId> {
    let id = if version.ids_are_given() {
        object.get("event_id").and_then(CanonicalJsonValue::as_str).unwrap_or_default().to_owned()
    } else {
        format!("${}", reference_hash(object, version)?)
    };
    OwnedEventId::try_from(id).map_err(|error| Error::Malformed(format!("event_id: {error}")))
}

fn reference_hash(object: &CanonicalJsonObject, version: RoomVersion) -> Result<String> {
    ruma_signatures::reference_hash(object, version.rules()).map_err(|error| Error::Malformed(error.to_string()))
}

/// The fields of an event, borrowed where they can be.
#[derive(Deserialize)]
struct Fields<'a> {
    room_id: Option<OwnedRoomId>,
    sender: OwnedUserId,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    state_key: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
    prev_events: Vec<Cited>,
    auth_events: Vec<Cited>,
    depth: u64,
    #[serde(borrow)]
    redacts: Option<&'a RawValue>,
    #[serde(borrow)]
    unsigned: Option<&'a RawValue>,
}

fn redacted_id(fields: &Fields<'_>, version: RoomVersion) -> Option<OwnedEventId> {
    if fields.kind != "m.room.redaction" {
        return None;
    }
    let written = if version.redacts_in_content() {
        #[derive(Deserialize)]
        struct Redaction<'a> {
            #[serde(borrow)]
            redacts: &'a RawValue,
        }
        serde_json::from_str::<Redaction<'_>>(fields.content.get()).ok()?.redacts
    } else {
        fields.redacts?
    };
    serde_json::from_str(written.get()).ok()
}

/// A cited event: its id, or in versions 1 and 2 the pair of its id and hashes.
struct Cited(OwnedEventId);

impl<'de> Deserialize<'de> for Cited {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CitedVisitor)
    }
}

struct CitedVisitor;

impl<'de> Visitor<'de> for CitedVisitor {
    type Value = Cited;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event id or a pair of event id and hashes")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
        EventId::parse(id).map(Cited).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Self::Value, A::Error> {
        let id = pair.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        while pair.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cited(id))
    }
}

#[cfg(test)]
mod tests;
