//! Rooms to test with: events are really made, signed, authorised and applied.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, ServerName, UserId},
};
use serde_json::{Value, json};

use crate::{
    Draft, Pdu, PublicKeys, Result, RoomVersion, Signer, StateMap, auth_chain, auth_types, authorise,
    authorise_stateless, canonical_content_of,
};

pub(crate) const ALICE: &str = "@alice:one.example";
pub(crate) const BOB: &str = "@bob:two.example";
pub(crate) const CAROL: &str = "@carol:three.example";

/// The versions at which the rules changed most.
pub(crate) fn telling_versions() -> impl Iterator<Item = RoomVersion> {
    [1, 6, 10, 11, 12].into_iter().map(version)
}

pub(crate) fn version(number: usize) -> RoomVersion {
    RoomVersion::all().nth(number - 1).unwrap()
}

pub(crate) fn signer(server: &ServerName) -> Signer {
    let mut secret = [7; 32];
    for (index, byte) in server.as_str().bytes().enumerate() {
        secret[index % 32] ^= byte;
    }
    Signer::from_secret(server.to_owned(), "1", &secret).unwrap()
}

pub(crate) fn public_keys(servers: &[&str]) -> PublicKeys {
    let mut keys = PublicKeys::default();
    for server in servers {
        let signer = signer(<&ServerName>::try_from(*server).unwrap());
        keys.insert(signer.server_name(), signer.key_id(), signer.public_key());
    }
    keys
}

/// A room on one branch of its history. Clone it to fork.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) version: RoomVersion,
    pub(crate) id: OwnedRoomId,
    pub(crate) events: HashMap<OwnedEventId, Arc<Pdu>>,
    pub(crate) state: StateMap,
    pub(crate) tip: Option<OwnedEventId>,
    pub(crate) now: u64,
}

impl Room {
    /// Created and joined by `creator`, without power levels.
    pub(crate) fn new(version: RoomVersion, creator: &str) -> Self {
        Self::with_create_content(version, creator, json!({}))
    }

    pub(crate) fn with_create_content(version: RoomVersion, creator: &str, content: Value) -> Self {
        let mut room = Self {
            version,
            id: format!("!room:{}", user(creator).server_name()).try_into().unwrap(),
            events: HashMap::new(),
            state: HashMap::new(),
            tip: None,
            now: 1_700_000_000_000,
        };
        let create = room.create_draft(creator, content).seal(version, &signer(user(creator).server_name())).unwrap();
        room.id = create.room_id().to_owned();
        authorise_stateless(version, &create, room.fetch()).unwrap();
        room.apply(Arc::new(create));
        room.send(creator, "m.room.member", Some(creator), json!({"membership": "join"}));
        room
    }

    /// The same with Bob at 50 and Carol at 0 in it, anybody may join, and power levels as new rooms have them.
    pub(crate) fn busy(version: RoomVersion) -> Self {
        let mut room = Self::new(version, ALICE);
        let alice = if version.privileges_creators() { json!({}) } else { json!({ALICE: 100}) };
        let mut users = alice;
        users[BOB] = 50.into();
        room.send(ALICE, "m.room.power_levels", Some(""), json!({"users": users}));
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "public"}));
        for other in [BOB, CAROL] {
            room.send(other, "m.room.member", Some(other), json!({"membership": "join"}));
        }
        room
    }

    pub(crate) fn create_draft(&self, creator: &str, mut content: Value) -> Draft {
        content["room_version"] = self.version.as_str().into();
        if !self.version.creator_is_sender() && content.get("creator").is_none() {
            content["creator"] = creator.into();
        }
        Draft {
            room_id: (!self.version.room_id_is_create_event()).then(|| self.id.clone()),
            auth_events: Vec::new(),
            ..self.draft(creator, "m.room.create", Some(""), content)
        }
    }

    /// An event on top of the branch, citing what it must.
    pub(crate) fn draft(&self, sender: &str, kind: &str, state_key: Option<&str>, content: Value) -> Draft {
        let content = canonical_content_of(content).unwrap();
        let types = auth_types(self.version, kind, user(sender), state_key, &content).unwrap_or_default();
        Draft {
            room_id: Some(self.id.clone()),
            sender: user(sender).to_owned(),
            event_type: kind.into(),
            state_key: state_key.map(Into::into),
            content,
            redacts: None,
            prev_events: self.tip.iter().cloned().collect(),
            auth_events: types.iter().filter_map(|key| self.state.get(key).cloned()).collect(),
            depth: self.tip.as_ref().map_or(0, |tip| self.events[tip].depth()) + 1,
            origin_server_ts: Timestamp(self.now),
        }
    }

    pub(crate) fn seal(&self, draft: Draft) -> Result<Arc<Pdu>> {
        let signer = signer(draft.sender.server_name());
        let hash = |id: &EventId| self.events.get(id)?.reference_hash(self.version).ok();
        draft.seal_citing(self.version, &signer, hash).map(Arc::new)
    }

    /// Whether the event would be accepted now.
    pub(crate) fn check(&self, draft: Draft) -> Result<Arc<Pdu>> {
        let event = self.seal(draft)?;
        authorise_stateless(self.version, &event, self.fetch())?;
        authorise(self.version, &event, |kind, key| self.state_event(kind, key))?;
        Ok(event)
    }

    pub(crate) fn may(&self, sender: &str, kind: &str, state_key: Option<&str>, content: Value) -> bool {
        self.check(self.draft(sender, kind, state_key, content)).is_ok()
    }

    /// # Panics
    /// If it is not allowed.
    pub(crate) fn send(&mut self, sender: &str, kind: &str, state_key: Option<&str>, content: Value) -> Arc<Pdu> {
        let event = self.check(self.draft(sender, kind, state_key, content)).unwrap();
        self.apply(Arc::clone(&event));
        event
    }

    pub(crate) fn apply(&mut self, event: Arc<Pdu>) {
        self.now += 1000;
        self.tip = Some(event.event_id().to_owned());
        if let Some(key) = event.state_entry() {
            self.state.insert(key, event.event_id().to_owned());
        }
        self.events.insert(event.event_id().to_owned(), event);
    }

    pub(crate) fn fetch(&self) -> impl Fn(&EventId) -> Option<Arc<Pdu>> {
        |id| self.events.get(id).cloned()
    }

    pub(crate) fn state_event(&self, kind: &str, state_key: &str) -> Option<Arc<Pdu>> {
        self.state.get(&(kind.to_owned(), state_key.to_owned())).and_then(|id| self.events.get(id).cloned())
    }

    pub(crate) fn auth_chain(&self) -> HashSet<OwnedEventId> {
        auth_chain(self.state.values().map(|id| &**id), self.fetch())
    }
}

pub(crate) fn user(id: &str) -> &UserId {
    <&UserId>::try_from(id).unwrap()
}
