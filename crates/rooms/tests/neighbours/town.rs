//! A town in memory that reaches other servers by a script.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use events::{Pdu, Signer};
use kernel::{
    Timestamp,
    clock::FakeClock,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomAliasId, RoomId, ServerName, UserId},
    random::SeededRandom,
};
use rooms::{
    Actor, AskedRooms, CreateRoom, Event, Gap, Handshake, JoinAnswer, NewEvent, Offline, Preset, Remote, RemoteError,
    RemoteKey, RemoteResult, RemoteTemplate, Rooms, Settings, StateEvents, StateIds,
};
use serde_json::{Value, json, value::to_raw_value};
use store::{Direction, Scope, Store, memory::Memory};

/// What other servers answer. What is not written here they do not know.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) keys: Mutex<Vec<RemoteKey>>,
    pub(crate) events: Mutex<HashMap<OwnedEventId, Pdu>>,
    /// The state before events.
    pub(crate) states: Mutex<HashMap<OwnedEventId, Vec<OwnedEventId>>>,
    /// The answer to each request for missing events.
    pub(crate) missing: Mutex<Vec<OwnedEventId>>,
    /// Events that cannot be told now.
    pub(crate) lost: Mutex<HashSet<OwnedEventId>>,
    /// Servers that answer nothing.
    pub(crate) silent: Mutex<HashSet<OwnedServerName>>,
    /// What is told as history beside the history.
    pub(crate) smuggled: Mutex<Vec<Pdu>>,
    /// What is told of rooms, whoever is asked.
    pub(crate) hierarchies: Mutex<HashMap<OwnedRoomId, String>>,
    /// Other towns, which tell of theirs.
    pub(crate) towns: Mutex<HashMap<OwnedServerName, Rooms>>,
    /// What was asked of whom.
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    pub(crate) fn silence(&self, server: &ServerName) {
        self.silent.lock().unwrap().insert(server.to_owned());
    }

    fn call(&self, what: &str, to: &ServerName) -> RemoteResult<()> {
        self.calls.lock().unwrap().push(format!("{what} {to}"));
        match self.silent.lock().unwrap().contains(to) {
            true => Err(RemoteError::Unreachable(to.to_owned())),
            false => Ok(()),
        }
    }

    fn texts(&self, ids: &[OwnedEventId]) -> Vec<String> {
        let events = self.events.lock().unwrap();
        ids.iter().filter_map(|id| events.get(id)).map(|event| event.json().to_owned()).collect()
    }
}

pub(crate) struct Town {
    pub(crate) rooms: Rooms,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) script: Arc<Script>,
}

pub(crate) fn signer(server: &str) -> Signer {
    let seed = server.bytes().map(u64::from).sum();
    Signer::from_secret(server.try_into().unwrap(), "a", &Signer::generate_secret(&SeededRandom::new(seed))).unwrap()
}

impl Town {
    pub(crate) fn new(server: &str) -> Self {
        let scope = Scope::new(&Store::open(Memory::new()).unwrap(), kernel::TenantId(1)).unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp(1_800_000_000_000)));
        let script = Arc::new(Script::default());
        let rooms = Rooms::open(
            scope,
            server.try_into().unwrap(),
            signer(server),
            clock.clone(),
            Arc::new(SeededRandom::new(1)),
            Settings::default(),
            script.clone(),
        );
        Self { rooms, clock, script }
    }

    pub(crate) fn actor(&self, name: &str) -> Actor {
        let user = OwnedUserId::try_from(format!("@{name}:{}", self.rooms.server_name())).unwrap();
        Actor { user, display_name: None, avatar_url: None }
    }

    pub(crate) async fn room(&self, creator: &Actor, version: &str, preset: Preset) -> OwnedRoomId {
        let version = Some(version.to_owned());
        let request = CreateRoom { preset: Some(preset), version, ..CreateRoom::default() };
        self.rooms.create(creator, request).await.unwrap()
    }

    /// Each event a second after the one before it.
    pub(crate) async fn send(&self, sender: &Actor, room: &RoomId, event: NewEvent) -> OwnedEventId {
        self.clock.advance(std::time::Duration::from_secs(1));
        self.rooms.send(sender, room, event, None).await.unwrap()
    }

    pub(crate) async fn say(&self, sender: &Actor, room: &RoomId, text: &str) -> OwnedEventId {
        let content = json!({ "msgtype": "m.text", "body": text });
        self.send(sender, room, new_event("m.room.message", None, content)).await
    }

    pub(crate) async fn set(
        &self,
        sender: &Actor,
        room: &RoomId,
        kind: &str,
        key: &str,
        content: Value,
    ) -> OwnedEventId {
        self.send(sender, room, new_event(kind, Some(key), content)).await
    }

    /// Takes in events as a transaction of their server.
    pub(crate) async fn receive(&self, origin: &ServerName, events: &[&Pdu]) -> Vec<rooms::Result<()>> {
        let texts = events.iter().map(|event| event.json().to_owned()).collect();
        self.rooms.receive(origin, texts).await.into_iter().map(|received| received.outcome).collect()
    }

    pub(crate) fn event(&self, room: &RoomId, user: &UserId, id: &EventId) -> Arc<Event> {
        self.rooms.visible_event(room, user, id).unwrap()
    }

    pub(crate) fn state(&self, room: &RoomId, kind: &str, key: &str) -> Option<OwnedEventId> {
        self.rooms.current_state(room, kind, key).unwrap().map(|event| event.pdu.event_id().to_owned())
    }
}

pub(crate) fn new_event(kind: &str, state_key: Option<&str>, content: Value) -> NewEvent {
    let content = to_raw_value(&content).unwrap();
    NewEvent { event_type: kind.to_owned(), content, state_key: state_key.map(str::to_owned), redacts: None }
}

fn unknown<T>(server: &ServerName) -> RemoteResult<T> {
    Err(RemoteError::NotFound(server.to_owned()))
}

#[async_trait]
impl Remote for Script {
    async fn keys(&self, wanted: &[(OwnedServerName, String)], _: Timestamp) -> Vec<RemoteKey> {
        let mut keys = self.keys.lock().unwrap().clone();
        keys.retain(|key| wanted.contains(&(key.server.clone(), key.key_id.clone())));
        keys
    }

    async fn template(
        &self,
        to: &ServerName,
        handshake: Handshake,
        room: &RoomId,
        user: &UserId,
        versions: &[&str],
    ) -> RemoteResult<RemoteTemplate> {
        Offline.template(to, handshake, room, user, versions).await
    }

    async fn send_join(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<JoinAnswer> {
        Offline.send_join(to, room, event).await
    }

    async fn send_leave(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<()> {
        Offline.send_leave(to, room, event).await
    }

    async fn send_knock(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<Vec<String>> {
        Offline.send_knock(to, room, event).await
    }

    async fn send_invite(
        &self,
        to: &ServerName,
        event: &Pdu,
        version: &str,
        stripped: &[String],
    ) -> RemoteResult<String> {
        Offline.send_invite(to, event, version, stripped).await
    }

    async fn missing_events(&self, to: &ServerName, _: &RoomId, _: &Gap<'_>) -> RemoteResult<Vec<String>> {
        self.call("missing_events", to)?;
        Ok(self.texts(&self.missing.lock().unwrap()))
    }

    async fn state_ids(&self, to: &ServerName, _: &RoomId, at: &EventId) -> RemoteResult<StateIds> {
        self.call("state_ids", to)?;
        let state = self.states.lock().unwrap().get(at).cloned();
        state.map_or_else(|| unknown(to), |state| Ok(StateIds { state, auth_chain: Vec::new() }))
    }

    async fn state(&self, to: &ServerName, _: &RoomId, at: &EventId) -> RemoteResult<StateEvents> {
        self.call("state", to)?;
        let state = self.states.lock().unwrap().get(at).cloned().unwrap_or_default();
        Ok(StateEvents { state: self.texts(&state), auth_chain: Vec::new() })
    }

    async fn event(&self, to: &ServerName, id: &EventId) -> RemoteResult<String> {
        self.call("event", to)?;
        if self.lost.lock().unwrap().contains(id) {
            return Err(RemoteError::Unreachable(to.to_owned()));
        }
        self.texts(&[id.to_owned()]).pop().map_or_else(|| unknown(to), Ok)
    }

    async fn event_auth(&self, to: &ServerName, _: &RoomId, _: &EventId) -> RemoteResult<Vec<String>> {
        unknown(to)
    }

    async fn backfill(
        &self,
        to: &ServerName,
        _: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
    ) -> RemoteResult<Vec<String>> {
        self.call("backfill", to)?;
        let mut told = self.smuggled.lock().unwrap().clone();
        let events = self.events.lock().unwrap();
        let mut waiting: BTreeMap<_, _> = BTreeMap::new();
        let find = |id| events.get(id).map(|event| ((event.depth(), event.event_id().to_owned()), event));
        waiting.extend(from.iter().filter_map(find));
        while told.len() < limit
            && let Some((_, event)) = waiting.pop_last()
        {
            told.push(event.clone());
            waiting.extend(event.prev_events().iter().filter_map(find));
        }
        Ok(told.into_iter().map(Pdu::into_json).collect())
    }

    async fn event_by_time(
        &self,
        to: &ServerName,
        _: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)> {
        self.call("event_by_time", to)?;
        let events = self.events.lock().unwrap();
        let times = events.values().map(|event| (event.origin_server_ts(), event.event_id().to_owned()));
        let found = match direction {
            Direction::Forward => times.filter(|(sent, _)| *sent >= at).min(),
            Direction::Backward => times.filter(|(sent, _)| *sent <= at).max(),
        };
        found.map_or_else(|| unknown(to), |(sent, id)| Ok((id, sent)))
    }

    async fn resolve_alias(&self, alias: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)> {
        unknown(alias.server_name())
    }

    async fn public_rooms(&self, to: &ServerName, _: &AskedRooms<'_>) -> RemoteResult<String> {
        Err(RemoteError::NotFound(to.to_owned()))
    }

    async fn hierarchy(&self, to: &ServerName, room: &RoomId, suggested_only: bool) -> RemoteResult<String> {
        self.call("hierarchy", to)?;
        if let Some(answer) = self.hierarchies.lock().unwrap().get(room) {
            return Ok(answer.clone());
        }
        let towns = self.towns.lock().unwrap();
        let from = <&ServerName>::try_from("metz.example").unwrap();
        let told = towns.get(to).and_then(|town| town.hierarchy_for(from, room, suggested_only).ok());
        told.map_or_else(|| unknown(to), Ok)
    }
}
