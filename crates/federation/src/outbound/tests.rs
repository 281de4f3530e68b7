//! The queues against a carrier that does as the test says: nothing is lost, nothing overtakes, and whoever is down is left
//! alone for a while.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use accounts::Accounts;
use async_trait::async_trait;
use kernel::{
    Clock, Position, TenantId, Timestamp,
    clock::FakeClock,
    id::{OwnedEventId, OwnedRoomId, OwnedServerName, ServerName},
    random::SeededRandom,
};
use parking_lot::Mutex;
use rooms::{Actor, Change, CreateRoom, NewEvent, Rooms};
use serde_json::{Value, json};
use store::{Scope, Store, memory::Memory};
use tokio::sync::{Notify, broadcast, mpsc};

use super::{Carrier, CarryError, Outbound, OutboundParts, tables::QUEUE};

/// Longer than any of these tests takes, unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// Answers as told, in turn, and then always well; tells the test what it was given.
struct Scripted {
    answers: Mutex<VecDeque<CarryError>>,
    /// What the destination can never take has this in it.
    poison: Mutex<Option<String>>,
    given: mpsc::UnboundedSender<Given>,
    back: broadcast::Sender<OwnedServerName>,
    /// The next answer comes when this says so.
    gate: Mutex<Option<Arc<Notify>>>,
}

#[derive(Debug)]
struct Given {
    to: OwnedServerName,
    id: String,
    body: Value,
    outcome: Result<(), CarryError>,
}

impl Given {
    fn events(&self) -> Vec<String> {
        let bodies = self.body["pdus"].as_array().unwrap().iter().map(|pdu| &pdu["content"]["body"]);
        bodies.map(|body| body.as_str().unwrap().to_owned()).collect()
    }
}

#[async_trait]
impl Carrier for Scripted {
    fn allows(&self, server: &ServerName) -> bool {
        server != "denied.example"
    }

    fn retry_at(&self, _: &ServerName) -> Option<Timestamp> {
        None
    }

    fn back(&self) -> broadcast::Receiver<OwnedServerName> {
        self.back.subscribe()
    }

    async fn send(&self, to: &ServerName, id: &str, body: String) -> Result<String, CarryError> {
        let poison = self.poison.lock().clone();
        let outcome = match self.answers.lock().pop_front() {
            Some(error) => Err(error),
            None if poison.is_some_and(|poison| body.contains(&poison)) => Err(CarryError::Refused(400)),
            None => Ok(()),
        };
        let body = serde_json::from_str(&body).unwrap();
        self.given.send(Given { to: to.to_owned(), id: id.to_owned(), body, outcome }).unwrap();
        let gate = self.gate.lock().take();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        outcome.map(|()| r#"{"pdus":{}}"#.to_owned())
    }
}

/// A town with a room, and its queues.
struct Town {
    scope: Scope,
    rooms: Rooms,
    accounts: Accounts,
    clock: Arc<FakeClock>,
    room: OwnedRoomId,
    carrier: Arc<Scripted>,
    given: mpsc::UnboundedReceiver<Given>,
    outbound: Option<Outbound>,
}

impl Town {
    async fn new() -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp(1_700_000_000_000)));
        let store = Store::open(Memory::new()).unwrap();
        let scope = Scope::new(&store, TenantId(1)).unwrap();
        let name: OwnedServerName = "a.example".try_into().unwrap();
        let random = Arc::new(SeededRandom::new(1));
        let accounts =
            Accounts::open(scope.clone(), name.clone(), clock.clone(), random.clone(), Arc::new(accounts::Offline));
        let secret = events::Signer::generate_secret(&SeededRandom::new(3));
        let signer = events::Signer::from_secret(name.clone(), "1", &secret);
        let rooms = Rooms::open(
            scope.clone(),
            name,
            signer.unwrap(),
            clock.clone(),
            random,
            rooms::Settings::default(),
            Arc::new(rooms::Offline),
        );
        let room = rooms.create(&anne(), CreateRoom::default()).await.unwrap();
        let (sender, given) = mpsc::unbounded_channel();
        let carrier = Arc::new(Scripted {
            gate: Mutex::default(),
            answers: Mutex::default(),
            poison: Mutex::default(),
            given: sender,
            back: broadcast::Sender::new(8),
        });
        Self { scope, rooms, accounts: accounts.unwrap(), clock, room, carrier, given, outbound: None }
    }

    fn start(&mut self) {
        self.outbound = Some(Outbound::start(OutboundParts {
            scope: self.scope.clone(),
            accounts: self.accounts.clone(),
            rooms: self.rooms.clone(),
            carrier: self.carrier.clone(),
            clock: self.clock.clone(),
            random: Arc::new(SeededRandom::new(2)),
        }));
    }

    /// Sends a message, and announces it as an event that the server must be told of.
    async fn say(&self, text: &str, to: &str) -> OwnedEventId {
        let content = serde_json::value::to_raw_value(&json!({ "body": text })).unwrap();
        let event = NewEvent { event_type: "m.room.message".to_owned(), content, state_key: None, redacts: None };
        let event_id = self.rooms.send(&anne(), &self.room, event, None).await.unwrap();
        let mut batch = self.scope.batch();
        let stamp = batch.stamp();
        let change = Change::Event {
            room: self.room.clone(),
            event_id: event_id.clone(),
            sender: anne().user,
            member: None,
            redacts: None,
            known: false,
            to: vec![to.try_into().unwrap()],
        };
        batch.announce(rooms::TOPIC, stamp, &change);
        self.scope.commit(batch).await.unwrap();
        event_id
    }

    async fn next(&mut self) -> Given {
        tokio::time::timeout(DEADLINE, self.given.recv()).await.expect("nothing was sent").unwrap()
    }

    fn waiting(&self) -> usize {
        self.scope.scan(&QUEUE, ()).keys().unwrap().len()
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

fn anne() -> Actor {
    Actor { user: "@anne:a.example".try_into().unwrap(), display_name: None, avatar_url: None }
}

#[tokio::test]
async fn what_a_destination_did_not_answer_is_sent_again_alike_and_nothing_overtakes_it() {
    let mut town = Town::new().await;
    town.carrier.answers.lock().extend([CarryError::Unavailable, CarryError::Unavailable]);
    town.start();
    town.say("one", "b.example").await;
    let first = town.next().await;
    assert_eq!((first.events(), first.outcome), (vec!["one".to_owned()], Err(CarryError::Unavailable)));
    town.say("two", "b.example").await;
    town.until("two is queued", || town.waiting() == 2).await;
    // Its time comes, and it fails again; then it comes once more.
    for outcome in [Err(CarryError::Unavailable), Ok(())] {
        town.clock.advance(Duration::from_secs(10));
        let again = town.next().await;
        assert_eq!((&again.id, again.events(), again.outcome), (&first.id, vec!["one".to_owned()], outcome));
    }
    let second = town.next().await;
    assert_eq!(second.events(), ["two"]);
    assert_ne!(second.id, first.id);
    town.until("the queue is empty", || town.waiting() == 0).await;
}

#[tokio::test]
async fn a_sign_of_life_ends_the_waiting_at_once() {
    let mut town = Town::new().await;
    town.carrier.answers.lock().push_back(CarryError::Unavailable);
    town.start();
    town.say("one", "b.example").await;
    town.next().await;
    let server: OwnedServerName = "b.example".try_into().unwrap();
    let outbound = town.outbound.as_ref().unwrap();
    let backs_off = || outbound.inner.destination(&server).is_backing_off();
    town.until("it waits", backs_off).await;
    town.carrier.back.send(server).unwrap();
    assert_eq!(town.next().await.outcome, Ok(()), "without the clock having moved");
}

#[tokio::test]
async fn a_sign_of_life_counts_also_while_an_attempt_is_failing() {
    let mut town = Town::new().await;
    let gate = Arc::new(Notify::new());
    for _ in 0..9 {
        town.carrier.answers.lock().push_back(CarryError::Unavailable);
    }
    town.start();
    town.say("one", "b.example").await;
    for _ in 0..8 {
        town.next().await;
        town.clock.advance(Duration::from_secs(3600));
    }
    *town.carrier.gate.lock() = Some(gate.clone());
    town.clock.advance(Duration::from_secs(3600));
    assert_eq!(town.next().await.outcome, Err(CarryError::Unavailable));
    // It comes up too late for this attempt, and is heard of before that has failed.
    let server: OwnedServerName = "b.example".try_into().unwrap();
    town.outbound.as_ref().unwrap().inner.alive(&server);
    gate.notify_one();
    assert_eq!(town.next().await.outcome, Ok(()), "without the clock having moved");
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let mut town = Town::new().await;
    // Written before the first start, and while nobody follows.
    town.say("one", "b.example").await;
    town.carrier.answers.lock().push_back(CarryError::Unavailable);
    town.start();
    assert_eq!(town.next().await.outcome, Err(CarryError::Unavailable));
    town.outbound = None;
    town.say("two", "b.example").await;
    town.say("three", "c.example").await;
    town.clock.advance(Duration::from_secs(60));
    town.start();
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    while told.iter().map(|(_, events)| events.len()).sum::<usize>() < 3 {
        let given = town.next().await;
        told.push((given.to.to_string(), given.events()));
    }
    let of = |server: &str| -> Vec<String> {
        told.iter().filter(|(to, _)| to == server).flat_map(|(_, events)| events.clone()).collect()
    };
    assert_eq!(of("b.example"), ["one", "two"]);
    assert_eq!(of("c.example"), ["three"]);
    town.until("the queues are empty", || town.waiting() == 0).await;
}

#[tokio::test]
async fn what_a_destination_can_never_take_does_not_hold_up_the_rest() {
    let mut town = Town::new().await;
    town.say("one", "b.example").await;
    town.say("poison", "b.example").await;
    town.say("three", "b.example").await;
    *town.carrier.poison.lock() = Some("poison".to_owned());
    town.start();
    let mut taken = Vec::new();
    while taken.len() < 2 {
        let given = town.next().await;
        if given.outcome.is_ok() {
            taken.extend(given.events());
        }
    }
    assert_eq!(taken, ["one", "three"]);
    town.until("the queue is empty", || town.waiting() == 0).await;
}

#[tokio::test]
async fn nothing_is_kept_for_a_server_that_is_not_allowed() {
    let mut town = Town::new().await;
    town.say("one", "denied.example").await;
    town.say("two", "b.example").await;
    town.start();
    let given = town.next().await;
    assert_eq!((given.to.as_str(), given.events()), ("b.example", vec!["two".to_owned()]));
    town.until("the queue is empty", || town.waiting() == 0).await;
    assert!(town.given.try_recv().is_err());
}

#[tokio::test]
async fn after_a_long_outage_the_last_event_of_a_room_is_told() {
    let mut town = Town::new().await;
    town.carrier.answers.lock().extend([CarryError::Unavailable; 3]);
    town.start();
    town.say("one", "b.example").await;
    town.next().await;
    for text in ["two", "three", "four"] {
        town.say(text, "b.example").await;
    }
    town.until("all are queued", || town.waiting() == 4).await;
    for _ in 0..2 {
        town.clock.advance(Duration::from_secs(1_000));
        assert_eq!(town.next().await.outcome, Err(CarryError::Unavailable));
        let last = town.clock.now();
        let outbound = town.outbound.as_ref().unwrap();
        let server: OwnedServerName = "b.example".try_into().unwrap();
        town.until("it is left alone again", || {
            outbound.inner.destination(&server).is_backing_off() && !outbound.inner.destination(&server).is_due(last)
        })
        .await;
    }
    town.clock.advance(Duration::from_secs(4_000));
    assert_eq!(town.next().await.events(), ["four"]);
    town.until("the queue is empty", || town.waiting() == 0).await;
    assert!(town.scope.position() > Position::START);
}
