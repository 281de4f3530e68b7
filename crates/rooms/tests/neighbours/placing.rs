//! An event that finds its place in the room while other servers read it (hazard L12): those that may not see it are never told
//! what it says.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use events::Pdu;
use kernel::id::{EventId, RoomId, ServerName};
use rooms::{Error, Gap, Preset, Rooms};
use serde_json::{Value, json};

use crate::{neighbour::Neighbour, town::Town};

const READERS: usize = 3;
const SECRETS: usize = 20;
const SECRET: &str = "between us";
/// By then a reader that is still there has been round.
const DEADLINE: Duration = Duration::from_secs(30);

/// What readers have been told so far.
#[derive(Default)]
struct Readings {
    done: AtomicBool,
    rounds: [AtomicUsize; READERS],
    unknown: AtomicUsize,
    hidden: AtomicUsize,
}

impl Readings {
    /// Reads these events by all ways, again and again.
    fn read(&self, reader: usize, rooms: &Rooms, origin: &ServerName, room: &RoomId, secrets: &[Pdu]) {
        while !self.done.load(Ordering::SeqCst) {
            for secret in secrets {
                let ids = [secret.event_id().to_owned()];
                let gap = Gap { earliest: &[], latest: &ids, limit: 20, min_depth: 0 };
                let mut told = rooms.backfill_for(origin, room, &ids, 3).unwrap();
                told.extend(rooms.missing_events_for(origin, room, &gap).unwrap());
                match rooms.event_for(origin, secret.event_id()) {
                    Ok(json) => {
                        self.hidden.fetch_add(1, Ordering::SeqCst);
                        told.push(json);
                    }
                    Err(Error::NoSuchEvent) => drop(self.unknown.fetch_add(1, Ordering::SeqCst)),
                    Err(error) => panic!("{error}"),
                }
                assert!(told.iter().all(|json| !json.contains(SECRET)), "{told:?}");
            }
            self.rounds[reader].fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits until every reader has been round since now.
    async fn come_round(&self) {
        let rounds = || self.rounds.each_ref().map(|round| round.load(Ordering::SeqCst));
        let before = rounds();
        let wait = async {
            while rounds().iter().zip(before).any(|(now, before)| *now < before + 2) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("a reader has stopped");
    }
}

/// Ends the readers whatever becomes of the test.
struct Done<'a>(&'a Readings);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::SeqCst);
    }
}

#[test]
fn an_event_that_finds_its_place_while_it_is_read_is_never_told_whole() {
    let town = Town::new("metz.example");
    let (lyon, nancy) = (Neighbour::of(&town, "lyon.example"), Neighbour::of(&town, "nancy.example"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (anne, bob) = (town.actor("anne"), lyon.user("bob"));
    let (room, secrets) = runtime.block_on(async {
        let room = town.room(&anne, "11", Preset::PublicChat).await;
        let content = json!({ "history_visibility": "joined" });
        let last = town.set(&anne, &room, "m.room.history_visibility", "", content).await;
        let join = lyon.become_member(&room, &bob, "join", &town.event(&room, &anne.user, &last).pdu).await;
        // Said before anybody of Nancy came in, and told afterwards.
        let mut secrets: Vec<Pdu> = Vec::new();
        for _ in 0..SECRETS {
            let after = secrets.last().unwrap_or(&join);
            secrets.push(lyon.message(&room, &[after], &bob, SECRET));
        }
        nancy.become_member(&room, &nancy.user("carol"), "join", &join).await;
        (room, secrets)
    });
    let readings = Readings::default();
    std::thread::scope(|scope| {
        let _done = Done(&readings);
        for reader in 0..READERS {
            let (readings, rooms, room, secrets) = (&readings, &town.rooms, &room, &secrets);
            let origin = nancy.name();
            scope.spawn(move || readings.read(reader, rooms, origin, room, secrets));
        }
        runtime.block_on(async {
            for secret in &secrets {
                // Another event cites it as its authorization: by that alone it is known, without a place.
                town.script.events.lock().unwrap().insert(secret.event_id().to_owned(), secret.clone());
                let before: Vec<Pdu> = secret.prev_events().iter().map(|id| placed(&town, &lyon, &room, id)).collect();
                let citing = lyon.resting_on(&room, &before.iter().collect::<Vec<_>>(), &bob, secret);
                lyon.send(&[&citing]).await;
                readings.come_round().await;
                lyon.send(&[secret]).await;
            }
            readings.come_round().await;
        });
    });
    let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    assert!(count(&readings.unknown) > SECRETS && count(&readings.hidden) > SECRETS, "it was read at both times");
    for secret in &secrets {
        let told = town.rooms.event_for(nancy.name(), secret.event_id()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["content"], json!({}));
        assert!(town.rooms.event_for(lyon.name(), secret.event_id()).unwrap().contains(SECRET), "Lyon was there");
    }
}

fn placed(town: &Town, lyon: &Neighbour<'_>, room: &RoomId, id: &EventId) -> Pdu {
    Pdu::parse(&town.rooms.event_for(lyon.name(), id).unwrap(), lyon.version(room)).unwrap()
}
