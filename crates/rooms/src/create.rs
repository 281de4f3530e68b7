//! Creating a room: all its first events in one batch (spec, `POST /createRoom`).

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use events::{Draft, RoomVersion};
use kernel::{
    Timestamp,
    id::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId},
};
use serde_json::{Map, Value, json};

use crate::{
    Actor, Change, Error, Membership, NewEvent, Result, Rooms, TOPIC,
    accept::Unit,
    membership::membership_content,
    room::Room,
    tables::{ALIASES, AliasRow, HeadRow, PUBLISHED, ROOM_ALIASES},
};

/// Who may come in and who may read, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    PrivateChat,
    /// Like `PrivateChat`, and everybody invited has the creator's power.
    TrustedPrivateChat,
    PublicChat,
}

/// Whether the room is in the public room directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    #[default]
    Private,
    Public,
}

/// What a client asked of `createRoom`.
#[derive(Clone, Debug, Default)]
pub struct CreateRoom {
    /// The default version when `None`.
    pub version: Option<String>,
    pub visibility: Visibility,
    pub preset: Option<Preset>,
    pub alias: Option<OwnedRoomAliasId>,
    pub name: Option<String>,
    pub topic: Option<String>,
    pub invite: Vec<Actor>,
    pub is_direct: bool,
    /// Further fields of `m.room.create`.
    pub creation_content: Map<String, Value>,
    pub initial_state: Vec<NewEvent>,
    pub power_level_content_override: Map<String, Value>,
}

impl Rooms {
    /// Creates the room and returns its id once all of it is on disk, and those of other servers are invited: of these, who
    /// cannot be reached is not.
    ///
    /// # Errors
    /// [`Error::Remote`] when somebody of a server is to be invited that this one has no connection to;
    /// [`Error::UnsupportedRoomVersion`], [`Error::AliasTaken`], [`Error::InvalidRoomState`] when the events asked for do
    /// not make a valid room; nothing is stored then.
    pub async fn create(&self, creator: &Actor, request: CreateRoom) -> Result<OwnedRoomId> {
        let version = match &request.version {
            Some(version) => RoomVersion::parse(version)?,
            None => self.inner.settings.default_version,
        };
        self.check_reach(&request.invite)?;
        let unit = self.found(creator, version, &request).await.map_err(as_room_state)?;
        let id = unit.room.id.clone();
        let alias = request.alias.is_some();
        unit.commit().await.map_err(|error| match error {
            Error::Store(store::Error::Conflict) if alias => Error::AliasTaken,
            other => other,
        })?;
        self.invite_all_elsewhere(creator, &id, &request.invite, request.is_direct).await;
        Ok(id)
    }

    /// All of a new room but its commit, and the invites of people of other servers.
    pub(crate) async fn found(&self, creator: &Actor, version: RoomVersion, request: &CreateRoom) -> Result<Unit<'_>> {
        let mut unit = self.lay_foundation(creator, version, request).await?;
        unit.set_membership(creator, &creator.user, membership_content(Membership::Join, None))?;
        let preset = request.preset.unwrap_or(match request.visibility {
            Visibility::Private => Preset::PrivateChat,
            Visibility::Public => Preset::PublicChat,
        });
        unit.set_power_levels(creator, request, preset)?;
        if let Some(alias) = &request.alias {
            self.claim_alias(&mut unit, creator, alias)?;
        }
        unit.apply_preset(creator, preset, &request.initial_state)?;
        for event in &request.initial_state {
            check_initial(event)?;
            unit.compose(creator, event.clone(), None)?;
        }
        unit.name(creator, request)?;
        let local = |invitee: &&Actor| invitee.user.server_name() == self.server_name();
        for invitee in request.invite.iter().filter(local) {
            unit.invite(creator, invitee, None, request.is_direct)?;
        }
        let room = unit.room.id.clone();
        if request.visibility == Visibility::Public {
            let stamp = unit.batch.stamp();
            unit.batch.put(&PUBLISHED, (room.as_ref(),), &());
            unit.batch.announce(TOPIC, stamp, &Change::Published { room });
        }
        Ok(unit)
    }

    /// The create event, which from version 12 on gives the room its id.
    async fn lay_foundation(&self, creator: &Actor, version: RoomVersion, request: &CreateRoom) -> Result<Unit<'_>> {
        let id_from_event = version.room_id_is_create_event();
        let room_id = (!id_from_event).then(|| self.new_room_id()).transpose()?;
        let content = creation_content(creator, version, request)?;
        let draft = Draft {
            room_id: room_id.clone(),
            sender: creator.user.clone(),
            event_type: "m.room.create".to_owned(),
            state_key: Some(String::new()),
            content: events::canonical_content(&content.to_string())?,
            redacts: None,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            origin_server_ts: self.creation_time(),
        };
        let create = draft.seal(version, &self.inner.signer.load())?;
        let id = room_id.unwrap_or_else(|| create.room_id().to_owned());
        // Nobody else knows the id: the lock is ours. The room is loaded anew from what was committed.
        let room = Arc::new(Room::new(id, version, HeadRow::EMPTY, BTreeMap::new()));
        let guard = room.lock().await;
        let mut unit = Unit::new(&self.inner, room, guard);
        unit.found_here();
        unit.accept(create, None)?;
        Ok(unit)
    }

    /// The time of a new room, later than that of the one before: from version 12 on two rooms that are alike in all,
    /// their time included, would be one.
    fn creation_time(&self) -> Timestamp {
        let now = self.inner.clock.now().0;
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self.inner.last_creation.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later).unwrap_or(now);
        Timestamp(now.max(last.saturating_add(1)))
    }

    fn new_room_id(&self) -> Result<OwnedRoomId> {
        let id = format!("!{}:{}", self.inner.random.token(18), self.inner.server_name);
        id.try_into().map_err(|_| Error::Damaged("a room id of ours is none".to_owned()))
    }

    fn claim_alias(&self, unit: &mut Unit<'_>, creator: &Actor, alias: &OwnedRoomAliasId) -> Result<()> {
        if self.resolve_alias(alias)?.is_some() {
            return Err(Error::AliasTaken);
        }
        let room_id = unit.room.id.clone();
        let row = AliasRow { room_id: room_id.clone(), creator: creator.user.clone() };
        unit.batch.expect(&ALIASES, (alias.as_ref(),), None);
        unit.batch.put(&ALIASES, (alias.as_ref(),), &row);
        unit.batch.put(&ROOM_ALIASES, (room_id.as_ref(), alias.as_ref()), &());
        let event = NewEvent::state("m.room.canonical_alias", "", &json!({ "alias": alias }))?;
        unit.compose(creator, event, None)?;
        Ok(())
    }
}

/// What the rules refuse while a room is made is a fault of the request's initial state.
fn as_room_state(error: Error) -> Error {
    match error {
        Error::Denied(reason) => Error::InvalidRoomState(reason),
        other => other,
    }
}

fn check_initial(event: &NewEvent) -> Result<()> {
    match event.event_type.as_str() {
        "m.room.create" | "m.room.member" => {
            Err(Error::InvalidRoomState(format!("{} cannot be initial state", event.event_type)))
        }
        _ => Ok(()),
    }
}

fn creation_content(creator: &Actor, version: RoomVersion, request: &CreateRoom) -> Result<Value> {
    let mut content = request.creation_content.clone();
    content.insert("room_version".to_owned(), json!(version.as_str()));
    content.remove("creator");
    if !version.creator_is_sender() {
        content.insert("creator".to_owned(), json!(creator.user));
    }
    if version.privileges_creators() {
        let mut creators: Vec<OwnedUserId> = match content.remove("additional_creators") {
            None => Vec::new(),
            Some(list) => serde_json::from_value(list)
                .map_err(|_| Error::Invalid("additional_creators must be a list of user ids".to_owned()))?,
        };
        if request.preset == Some(Preset::TrustedPrivateChat) {
            creators.extend(request.invite.iter().map(|invitee| invitee.user.clone()));
        }
        creators.retain(|user| *user != creator.user);
        creators.sort_unstable();
        creators.dedup();
        if !creators.is_empty() {
            content.insert("additional_creators".to_owned(), json!(creators));
        }
    }
    Ok(Value::Object(content))
}

impl Unit<'_> {
    fn set_power_levels(&mut self, creator: &Actor, request: &CreateRoom, preset: Preset) -> Result<()> {
        let version = self.room.version;
        let mut users = Map::new();
        // From version 12 on creators stand above all levels, and must not be named here.
        if !version.privileges_creators() {
            users.insert(creator.user.to_string(), json!(100));
            if preset == Preset::TrustedPrivateChat {
                users.extend(request.invite.iter().map(|invitee| (invitee.user.to_string(), json!(100))));
            }
        }
        let tombstone = if version.privileges_creators() { 150 } else { 100 };
        let mut content = json!({
            "users": users,
            "users_default": 0,
            "events": {
                "m.room.name": 50,
                "m.room.power_levels": 100,
                "m.room.history_visibility": 100,
                "m.room.canonical_alias": 50,
                "m.room.avatar": 50,
                "m.room.tombstone": tombstone,
                "m.room.server_acl": 100,
                "m.room.encryption": 100,
            },
            "events_default": 0,
            "state_default": 50,
            "ban": 50,
            "kick": 50,
            "redact": 50,
            "invite": if preset == Preset::PublicChat { 50 } else { 0 },
        });
        if let Some(content) = content.as_object_mut() {
            content.extend(request.power_level_content_override.clone());
        }
        let event = NewEvent::state("m.room.power_levels", "", &content)?;
        self.compose(creator, event, None)?;
        Ok(())
    }

    /// Join rules, history visibility and guest access of the preset, but for what the initial state sets itself.
    fn apply_preset(&mut self, creator: &Actor, preset: Preset, initial: &[NewEvent]) -> Result<()> {
        // Without the event guests are kept out, as the preset for public rooms has it.
        let (join_rule, guest_access) = match preset {
            Preset::PublicChat => ("public", None),
            Preset::PrivateChat | Preset::TrustedPrivateChat => ("invite", Some("can_join")),
        };
        let mut events = vec![
            ("m.room.join_rules", json!({ "join_rule": join_rule })),
            ("m.room.history_visibility", json!({ "history_visibility": "shared" })),
        ];
        events.extend(guest_access.map(|access| ("m.room.guest_access", json!({ "guest_access": access }))));
        for (event_type, content) in events {
            let set_later = |e: &NewEvent| e.event_type == event_type && e.state_key.as_deref() == Some("");
            if !initial.iter().any(set_later) {
                self.compose(creator, NewEvent::state(event_type, "", &content)?, None)?;
            }
        }
        Ok(())
    }

    fn name(&mut self, creator: &Actor, request: &CreateRoom) -> Result<()> {
        if let Some(name) = &request.name {
            self.compose(creator, NewEvent::state("m.room.name", "", &json!({ "name": name }))?, None)?;
        }
        if let Some(topic) = &request.topic {
            let content = json!({ "topic": topic, "m.topic": { "m.text": [{ "body": topic }] } });
            self.compose(creator, NewEvent::state("m.room.topic", "", &content)?, None)?;
        }
        Ok(())
    }
}
