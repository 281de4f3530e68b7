//! Three towns of one process and the room that they share, with all that the binary puts between them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use accounts::{NewUser, UserKind};
use beffroi::{
    app::{self, App, Parts},
    config,
    tenants::Tenants,
};
use federation::{Names, Network, NetworkSettings};
use kernel::{
    Clock, Random, Timestamp,
    id::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId},
    random::SeededRandom,
};
use rooms::{Actor, CreateRoom, Error, Membership, NewEvent, Preset};
use serde_json::{Value, json, value::to_raw_value};
use store::{Store, memory::Memory};

use super::{AGENTS, Dice, TOWNS, VERSIONS, wire::Wire};

/// All towns' clock: each look at it is a little later than the one before, as where branches meet the time of events counts.
pub(super) struct Ticking(AtomicU64);

impl Ticking {
    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(7, Ordering::SeqCst))
    }
}

#[derive(Clone)]
pub(super) struct Town {
    pub(super) name: OwnedServerName,
    pub(super) app: Arc<App>,
}

pub(super) struct Process {
    pub(super) wire: Arc<Wire>,
    pub(super) clock: Arc<Ticking>,
    pub(super) towns: Vec<Town>,
    _site: Arc<web::Site<App>>,
    _tenants: Tenants,
    /// Where files would lie.
    _folder: tempfile::TempDir,
}

impl Process {
    pub(super) async fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        TOWNS.iter().for_each(|town| crate::federation::write_file(folder.path(), town, r#""*.example""#));
        let clock = Arc::new(Ticking(AtomicU64::new(1_800_000_000_000)));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed));
        let outbound = web::Outbound::new(web::OutboundPolicy::default(), |_| false).unwrap();
        let wire = Arc::new(Wire::new(seed));
        let (settings, names) = (NetworkSettings::default(), Names::default());
        let network = Network::new(settings, names, wire.clone(), clock.clone(), random.clone()).unwrap();
        let (network, shutdown) = (Arc::new(network), web::Shutdown::new());
        let parts = Parts {
            clock: clock.clone(),
            random,
            outbound,
            network,
            media_folder: folder.path().join("media"),
            file_bytes_max: 1_000,
            shutdown,
            dev: false,
        };
        let tenants = Tenants::new(Store::open(Memory::new()).unwrap(), parts);
        tenants.apply(config::read_tenants(folder.path()).unwrap()).await.unwrap();
        let limiter = Arc::new(web::Limiter::new(web::Limits::off(), clock.clone()));
        let site = web::Site::new(tenants.hosts().clone(), app::routes(), limiter, web::Proxies::default()).unwrap();
        let site = Arc::new(site);
        wire.loopback.connect(tenants.hosts(), &site);
        let towns = TOWNS.map(|name| Town { name: name.try_into().unwrap(), app: tenants.get(name).unwrap() });
        for town in &towns {
            town.settle_agents().await;
        }
        Self { wire, clock, towns: towns.into(), _site: site, _tenants: tenants, _folder: folder }
    }

    /// A room that all towns are in.
    pub(super) async fn room(&self, dice: &Dice) -> OwnedRoomId {
        let (first, others) = self.towns.split_first().unwrap();
        let version = *dice.pick(&VERSIONS);
        let creator = first.actor("anne");
        let request = CreateRoom {
            version: Some(version.to_owned()),
            preset: Some(Preset::PublicChat),
            name: Some("Mairie".to_owned()),
            ..CreateRoom::default()
        };
        let room = first.app.rooms.create(&creator, request).await.unwrap();
        let mut users = BTreeMap::from([(others[0].actor("anne").user, 100), (others[0].actor("bob").user, 50)]);
        // From version 12 on creators have no number.
        if version != "12" {
            users.insert(creator.user.clone(), 100);
        }
        let powers = json!({ "users": users, "invite": 0, "events": { "m.room.topic": 0 } });
        first.set(&creator, &room, "m.room.power_levels", powers).await.unwrap();
        for town in others {
            town.join(&town.actor("anne"), &room, &self.towns).await.unwrap();
        }
        for town in &self.towns {
            town.join(&town.actor("bob"), &room, &self.towns).await.unwrap();
        }
        room
    }
}

impl Town {
    async fn settle_agents(&self) {
        for agent in AGENTS {
            let new = NewUser {
                localpart: agent.to_owned(),
                display_name: Some(format!("{agent} [{}]", self.name)),
                kind: UserKind::Person,
                identity: None,
                email: None,
            };
            self.app.accounts.create_user(new).await.unwrap();
        }
    }

    pub(super) fn actor(&self, name: &str) -> Actor {
        let user = OwnedUserId::try_from(format!("@{name}:{}", self.name)).unwrap();
        Actor { user, display_name: Some(format!("{name} [{}]", self.name)), avatar_url: None }
    }

    pub(super) async fn say(&self, actor: &Actor, room: &RoomId, text: &str) -> Result<OwnedEventId, Error> {
        self.send(actor, room, "m.room.message", None, json!({ "msgtype": "m.text", "body": text })).await
    }

    pub(super) async fn set(
        &self,
        actor: &Actor,
        room: &RoomId,
        kind: &str,
        content: Value,
    ) -> Result<OwnedEventId, Error> {
        self.send(actor, room, kind, Some(String::new()), content).await
    }

    pub(super) async fn redact(
        &self,
        actor: &Actor,
        room: &RoomId,
        event: &OwnedEventId,
    ) -> Result<OwnedEventId, Error> {
        self.send(actor, room, "m.room.redaction", None, json!({ "redacts": event })).await
    }

    async fn send(
        &self,
        actor: &Actor,
        room: &RoomId,
        kind: &str,
        state_key: Option<String>,
        content: Value,
    ) -> Result<OwnedEventId, Error> {
        let redacts = content["redacts"].as_str().and_then(|id| id.try_into().ok());
        let content = to_raw_value(&content).unwrap();
        let event = NewEvent { event_type: kind.to_owned(), content, state_key, redacts };
        self.app.rooms.send(actor, room, event, None).await
    }

    pub(super) async fn join(&self, actor: &Actor, room: &RoomId, via: &[Self]) -> Result<(), Error> {
        let via: Vec<OwnedServerName> = via.iter().map(|town| town.name.clone()).collect();
        self.app.rooms.join_saying(actor, room, &via, None, serde_json::Map::new()).await
    }

    /// The current state, as (type, state key) → event id.
    pub(super) fn state(&self, room: &RoomId) -> BTreeMap<(String, String), OwnedEventId> {
        let root = self.app.rooms.current_root(room).unwrap();
        let events = self.app.rooms.state_events(room, root).unwrap();
        events.iter().map(|event| (event.pdu.state_entry().unwrap(), event.pdu.event_id().to_owned())).collect()
    }

    /// Who is what in the room, as it is read and as it is counted.
    pub(super) fn members(&self, room: &RoomId) -> (BTreeMap<String, Membership>, u64) {
        let members = self.app.rooms.members(room).unwrap();
        let (joined, _) = self.app.rooms.member_counts(room).unwrap();
        (members.into_iter().map(|member| (member.user.to_string(), member.membership)).collect(), joined)
    }
}
