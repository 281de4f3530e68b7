//! Towns joined by a wire in memory. Each town's port to the others calls their rooms directly; a test may unplug a town, have
//! it lie, and read what was asked of whom. Events travel when the test says so ([`Network::deliver`]).

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use events::{Pdu, RoomVersion, Signer};
use kernel::{
    Clock, Fault, Kind, Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomAliasId, RoomId, ServerName, UserId},
    random::SeededRandom,
};
use parking_lot::Mutex;
use rooms::{
    Actor, AskedRooms, Change, CreateRoom, Error, Event, Gap, Handshake, JoinAnswer, Membership, NewEvent,
    OfferedInvite, Preset, Remote, RemoteError, RemoteKey, RemoteResult, RemoteTemplate, Rooms, Settings, StateEvents,
    StateIds,
};
use serde_json::{Value, json, value::to_raw_value};
use store::{Direction, Kv, Scope, Store, feed::Announcements, memory::Memory};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// Rounds of delivery before a test is taken to be caught in a loop.
const ROUNDS_MAX: usize = 50;

/// From what a town would answer to what it does.
type Twist<T> = Box<dyn Fn(RemoteResult<T>) -> RemoteResult<T> + Send + Sync>;

/// How a town's answers are bent.
#[derive(Default)]
pub(crate) struct Lies {
    pub(crate) template: Option<Twist<RemoteTemplate>>,
    pub(crate) joined: Option<Twist<JoinAnswer>>,
    pub(crate) invite: Option<Twist<String>>,
    pub(crate) knock: Option<Twist<Vec<String>>>,
    /// Until when its key is valid.
    pub(crate) key_until: Option<Timestamp>,
}

/// All towns of a test.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Lines>);

#[derive(Default)]
struct Lines {
    towns: Mutex<HashMap<OwnedServerName, Town>>,
    unplugged: Mutex<HashSet<OwnedServerName>>,
    cut: Mutex<HashSet<[OwnedServerName; 2]>>,
    lies: Mutex<HashMap<OwnedServerName, Arc<Lies>>>,
    calls: Mutex<Vec<String>>,
    clock: Arc<Ticking>,
}

/// All towns' clock: each look at it is a second later than the one before, as where branches meet the time of events counts.
pub(crate) struct Ticking(AtomicU64);

impl Ticking {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Default for Ticking {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000_000))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

/// One town. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Town {
    pub(crate) name: OwnedServerName,
    pub(crate) rooms: Rooms,
    /// What the town signs with.
    pub(crate) signer: Arc<Signer>,
    pub(crate) clock: Arc<Ticking>,
    secret: [u8; 32],
    committed: Arc<Mutex<Receiver<Announcements>>>,
}

impl Network {
    /// Opens a town and plugs it in.
    pub(crate) fn town(&self, name: &str) -> Town {
        self.town_on(name, Memory::new())
    }

    /// The same, upon an engine which may have seen it before.
    pub(crate) fn town_on(&self, name: &str, engine: impl Kv) -> Town {
        let name = OwnedServerName::try_from(name).unwrap();
        let seed = name.as_str().bytes().map(u64::from).sum();
        let store = Store::open(engine).unwrap();
        let scope = Scope::new(&store, kernel::TenantId(1)).unwrap();
        let secret = Signer::generate_secret(&SeededRandom::new(seed));
        let signer = Arc::new(Signer::from_secret(name.clone(), "a", &secret).unwrap());
        let remote = Arc::new(Wire { network: self.clone(), from: name.clone() });
        let random = Arc::new(SeededRandom::new(seed));
        let committed = Arc::new(Mutex::new(scope.announcements()));
        let rooms =
            Rooms::open(scope, name.clone(), signer.clone(), self.0.clock.clone(), random, Settings::default(), remote);
        let town = Town { name: name.clone(), rooms, signer, clock: self.0.clock.clone(), secret, committed };
        self.0.towns.lock().insert(name, town.clone());
        town
    }

    pub(crate) fn unplug(&self, town: &Town) {
        self.0.unplugged.lock().insert(town.name.clone());
    }

    /// Cuts the wire between two towns.
    pub(crate) fn cut(&self, a: &ServerName, b: &ServerName) {
        self.0.cut.lock().insert(pair(a, b));
    }

    pub(crate) fn mend(&self, a: &ServerName, b: &ServerName) {
        self.0.cut.lock().remove(&pair(a, b));
    }

    pub(crate) fn is_cut(&self, a: &ServerName, b: &ServerName) -> bool {
        self.0.cut.lock().contains(&pair(a, b))
    }

    /// Has the town answer so from now on.
    pub(crate) fn lie(&self, town: &Town, lies: Lies) {
        self.0.lies.lock().insert(town.name.clone(), Arc::new(lies));
    }

    /// What was asked since the last look: `make_join metz.example thionville.example`, and so on.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.calls.lock())
    }

    /// Carries what the towns have for each other, and what follows from that, until there is no more.
    pub(crate) async fn deliver(&self) {
        for _ in 0..ROUNDS_MAX {
            let mut sent = false;
            let towns: Vec<Town> = self.0.towns.lock().values().cloned().collect();
            for town in towns {
                for (to, pdu) in town.outgoing() {
                    sent = true;
                    let Ok(to) = self.reach(&to) else { continue };
                    let answers = to.rooms.receive(&town.name, vec![pdu]).await;
                    for answer in answers {
                        if let Err(error) = answer.outcome {
                            self.0.calls.lock().push(format!("refused {} {} {error}", town.name, to.name));
                        }
                    }
                }
            }
            if !sent {
                return;
            }
        }
        panic!("events go round in circles");
    }

    fn reach(&self, to: &ServerName) -> RemoteResult<Town> {
        if self.0.unplugged.lock().contains(to) {
            return Err(RemoteError::Unreachable(to.to_owned()));
        }
        self.0.towns.lock().get(to).cloned().ok_or_else(|| RemoteError::Unreachable(to.to_owned()))
    }

    fn lies_of(&self, town: &ServerName) -> Arc<Lies> {
        self.0.lies.lock().get(town).cloned().unwrap_or_default()
    }
}

impl Town {
    pub(crate) fn actor(&self, name: &str) -> Actor {
        let user = OwnedUserId::try_from(format!("@{name}:{}", self.name)).unwrap();
        Actor { user, display_name: Some(format!("{name} [{}]", self.name)), avatar_url: None }
    }

    pub(crate) async fn room(&self, creator: &Actor, version: &str, preset: Preset) -> OwnedRoomId {
        let request = CreateRoom {
            version: Some(version.to_owned()),
            preset: Some(preset),
            name: Some("Mairie".to_owned()),
            ..CreateRoom::default()
        };
        self.rooms.create(creator, request).await.unwrap()
    }

    pub(crate) async fn say(&self, actor: &Actor, room: &RoomId, text: &str) -> OwnedEventId {
        self.try_say(actor, room, text).await.unwrap()
    }

    pub(crate) async fn try_say(&self, actor: &Actor, room: &RoomId, text: &str) -> Result<OwnedEventId, Error> {
        let content = to_raw_value(&json!({ "msgtype": "m.text", "body": text })).unwrap();
        let event = NewEvent { event_type: "m.room.message".to_owned(), content, state_key: None, redacts: None };
        self.rooms.send(actor, room, event, None).await
    }

    pub(crate) async fn set(&self, actor: &Actor, room: &RoomId, event_type: &str, content: Value) -> OwnedEventId {
        self.try_set(actor, room, event_type, content).await.unwrap()
    }

    pub(crate) async fn try_set(
        &self,
        actor: &Actor,
        room: &RoomId,
        event_type: &str,
        content: Value,
    ) -> Result<OwnedEventId, Error> {
        let content = to_raw_value(&content).unwrap();
        let event =
            NewEvent { event_type: event_type.to_owned(), content, state_key: Some(String::new()), redacts: None };
        self.rooms.send(actor, room, event, None).await
    }

    pub(crate) fn membership(&self, room: &RoomId, user: &UserId) -> Option<Membership> {
        self.rooms.membership(room, user).unwrap()
    }

    /// The user's membership as a sync tells it.
    pub(crate) fn own_membership(&self, room: &RoomId, user: &UserId) -> Option<Membership> {
        self.rooms.rooms_of(user).unwrap().get(room).map(|own| own.room.membership)
    }

    pub(crate) async fn join(&self, actor: &Actor, room: &RoomId, via: &[&Town]) -> Result<(), Error> {
        let via: Vec<OwnedServerName> = via.iter().map(|town| town.name.clone()).collect();
        self.rooms.join_saying(actor, room, &via, None, serde_json::Map::new()).await
    }

    /// The current state, as (type, state key) → event id.
    pub(crate) fn state(&self, room: &RoomId) -> HashMap<(String, String), OwnedEventId> {
        let root = self.rooms.current_root(room).unwrap();
        let events = self.rooms.state_events(room, root).unwrap();
        events.iter().map(|event| (event.pdu.state_entry().unwrap(), event.pdu.event_id().to_owned())).collect()
    }

    /// The event, as somebody here sees it.
    pub(crate) fn event(&self, room: &RoomId, id: &EventId) -> Option<Arc<Event>> {
        let members = self.rooms.members(room).unwrap_or_default();
        let own = members.into_iter().filter(|member| member.user.server_name() == self.name);
        own.into_iter().find_map(|member| self.rooms.visible_event(room, &member.user, id).ok())
    }

    /// Signs anything at all with the town's key, as this server's own code cannot: for towns that are not what they seem.
    pub(crate) fn forge(&self, event: &mut Value, version: &str) {
        // A PKCS#8 document (RFC 8410, section 7).
        let prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let document = [prefix.as_slice(), &self.secret].concat();
        let pair = ruma_signatures::Ed25519KeyPair::from_der(&document, "a".to_owned()).unwrap();
        let rules = &RoomVersion::parse(version).unwrap().rules().redaction;
        let mut object = events::canonical_event(&event.to_string()).unwrap();
        object.remove("signatures");
        object.remove("hashes");
        ruma_signatures::hash_and_sign_event(self.name.as_str(), &pair, &mut object, rules).unwrap();
        *event = serde_json::to_value(object).unwrap();
    }

    /// The events that the town owes others since the last look.
    pub(crate) fn outgoing(&self) -> Vec<(OwnedServerName, String)> {
        let mut outgoing = Vec::new();
        loop {
            let announced = match self.committed.lock().try_recv() {
                Ok(announced) => announced,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return outgoing,
                Err(TryRecvError::Lagged(_)) => panic!("a test that commits so much must deliver more often"),
            };
            for announcement in announced.iter().filter(|announcement| announcement.topic == rooms::TOPIC) {
                let Ok(Change::Event { room, event_id, to, .. }) = announcement.read() else { continue };
                if !to.is_empty() {
                    let pdu = self.rooms.pdu(&room, &event_id).unwrap().unwrap();
                    outgoing.extend(to.into_iter().map(|to| (to, pdu.clone())));
                }
            }
        }
    }
}

fn pair(a: &ServerName, b: &ServerName) -> [OwnedServerName; 2] {
    let mut pair = [a.to_owned(), b.to_owned()];
    pair.sort();
    pair
}

/// One town's end of the wire.
struct Wire {
    network: Network,
    from: OwnedServerName,
}

impl Wire {
    fn call(&self, what: &str, to: &ServerName) -> RemoteResult<Town> {
        self.network.0.calls.lock().push(format!("{what} {} {to}", self.from));
        if self.network.is_cut(&self.from, to) {
            return Err(RemoteError::Unreachable(to.to_owned()));
        }
        self.network.reach(to)
    }
}

/// Every town has all the users that a test names, but for nobody.
pub(crate) fn is_user(user: &UserId) -> bool {
    user.localpart() != "nobody"
}

/// The answer as a server gives it: nothing but status and errcode are believed.
fn refusal(of: &Town, error: &Error) -> RemoteError {
    let server = of.name.clone();
    let (status, errcode) = match error.kind() {
        Kind::NotFound => return RemoteError::NotFound(server),
        Kind::IncompatibleRoomVersion { room_version } => return RemoteError::IncompatibleRoomVersion(room_version),
        Kind::Forbidden => (403, "M_FORBIDDEN"),
        Kind::UnableToAuthoriseJoin => (400, "M_UNABLE_TO_AUTHORISE_JOIN"),
        Kind::UnableToGrantJoin => (400, "M_UNABLE_TO_GRANT_JOIN"),
        Kind::Unavailable => (503, "M_UNKNOWN"),
        _ => (400, "M_BAD_JSON"),
    };
    RemoteError::Refused { server, status, errcode: errcode.to_owned(), text: error.to_string() }
}

fn twisted<T>(twist: &Option<Twist<T>>, answer: RemoteResult<T>) -> RemoteResult<T> {
    match twist {
        Some(twist) => twist(answer),
        None => answer,
    }
}

#[async_trait]
impl Remote for Wire {
    async fn keys(&self, wanted: &[(OwnedServerName, String)], _: Timestamp) -> Vec<RemoteKey> {
        let mut found = Vec::new();
        for (server, key_id) in wanted {
            let Ok(town) = self.network.reach(server) else { continue };
            if *key_id == *town.signer.key_id() {
                let (server, key_id) = (server.clone(), key_id.clone());
                let valid_until = self.network.lies_of(&server).key_until.unwrap_or(Timestamp(u64::MAX));
                found.push(RemoteKey { server, key_id, key: town.signer.public_key(), valid_until });
            }
        }
        found
    }

    async fn template(
        &self,
        to: &ServerName,
        handshake: Handshake,
        room: &RoomId,
        user: &UserId,
        versions: &[&str],
    ) -> RemoteResult<RemoteTemplate> {
        let versions: Vec<String> = versions.iter().map(|version| (*version).to_owned()).collect();
        let (what, town) = match handshake {
            Handshake::Join => ("make_join", self.call("make_join", to)?),
            Handshake::Leave => ("make_leave", self.call("make_leave", to)?),
            Handshake::Knock => ("make_knock", self.call("make_knock", to)?),
        };
        let template = match what {
            "make_join" => town.rooms.make_join(&self.from, room, user, &versions).await,
            "make_leave" => town.rooms.make_leave(&self.from, room, user).await,
            _ => town.rooms.make_knock(&self.from, room, user, &versions).await,
        };
        let answer = template.map_err(|error| refusal(&town, &error)).map(|template| RemoteTemplate {
            room_version: Some(template.room_version.to_owned()),
            event: template.event,
        });
        twisted(&self.network.lies_of(to).template, answer)
    }

    async fn send_join(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<JoinAnswer> {
        let town = self.call("send_join", to)?;
        let joined = town.rooms.send_join(&self.from, room, event.event_id(), event.json()).await;
        let answer = joined.map_err(|error| refusal(&town, &error)).map(|joined| JoinAnswer {
            event: Some(joined.event),
            state: joined.state,
            auth_chain: joined.auth_chain,
        });
        twisted(&self.network.lies_of(to).joined, answer)
    }

    async fn send_leave(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<()> {
        let town = self.call("send_leave", to)?;
        let left = town.rooms.send_leave(&self.from, room, event.event_id(), event.json()).await;
        left.map_err(|error| refusal(&town, &error))
    }

    async fn send_knock(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<Vec<String>> {
        let town = self.call("send_knock", to)?;
        let knocked = town.rooms.send_knock(&self.from, room, event.event_id(), event.json()).await;
        let answer = knocked.map_err(|error| refusal(&town, &error));
        twisted(&self.network.lies_of(to).knock, answer)
    }

    async fn send_invite(
        &self,
        to: &ServerName,
        event: &Pdu,
        room_version: &str,
        stripped_state: &[String],
    ) -> RemoteResult<String> {
        let town = self.call("invite", to)?;
        let invite = OfferedInvite {
            event: event.json().to_owned(),
            room_version: room_version.to_owned(),
            stripped: stripped_state.to_vec(),
        };
        let (room, id) = (event.room_id(), event.event_id());
        let signed = town.rooms.receive_invite(&self.from, room, id, invite, is_user).await;
        let answer = signed.map_err(|error| refusal(&town, &error));
        twisted(&self.network.lies_of(to).invite, answer)
    }

    async fn missing_events(&self, to: &ServerName, room: &RoomId, gap: &Gap<'_>) -> RemoteResult<Vec<String>> {
        let town = self.call("get_missing_events", to)?;
        town.rooms.missing_events_for(&self.from, room, gap).map_err(|error| refusal(&town, &error))
    }

    async fn state_ids(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateIds> {
        let town = self.call("state_ids", to)?;
        town.rooms.state_ids_for(&self.from, room, at).map_err(|error| refusal(&town, &error))
    }

    async fn state(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateEvents> {
        let town = self.call("state", to)?;
        town.rooms.state_for(&self.from, room, at).map_err(|error| refusal(&town, &error))
    }

    async fn event(&self, to: &ServerName, id: &EventId) -> RemoteResult<String> {
        let town = self.call("event", to)?;
        town.rooms.event_for(&self.from, id).map_err(|error| refusal(&town, &error))
    }

    async fn event_auth(&self, to: &ServerName, room: &RoomId, id: &EventId) -> RemoteResult<Vec<String>> {
        let town = self.call("event_auth", to)?;
        town.rooms.auth_chain_for(&self.from, room, id).map_err(|error| refusal(&town, &error))
    }

    async fn backfill(
        &self,
        to: &ServerName,
        room: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
    ) -> RemoteResult<Vec<String>> {
        let town = self.call("backfill", to)?;
        town.rooms.backfill_for(&self.from, room, from, limit).map_err(|error| refusal(&town, &error))
    }

    async fn event_by_time(
        &self,
        to: &ServerName,
        room: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)> {
        let town = self.call("timestamp_to_event", to)?;
        town.rooms.event_by_time_for(&self.from, room, at, direction).map_err(|error| refusal(&town, &error))
    }

    async fn resolve_alias(&self, alias: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)> {
        let town = self.call("query_directory", alias.server_name())?;
        match town.rooms.resolve_alias(alias) {
            Ok(Some(room)) => Ok((room, vec![town.name])),
            _ => Err(RemoteError::NotFound(town.name)),
        }
    }

    async fn public_rooms(&self, to: &ServerName, _: &AskedRooms<'_>) -> RemoteResult<String> {
        Err(RemoteError::NotFound(to.to_owned()))
    }

    async fn hierarchy(&self, to: &ServerName, room: &RoomId, suggested_only: bool) -> RemoteResult<String> {
        let town = self.call("hierarchy", to)?;
        town.rooms.hierarchy_for(&self.from, room, suggested_only).map_err(|error| refusal(&town, &error))
    }
}
