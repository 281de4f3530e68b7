//! Whatever happens in a room, and whenever clients look: each ends with the state that the server has, and sees every
//! event that its user may see, none twice.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Random, random::SeededRandom};
use serde_json::{Value, json};

use super::{TestSite, encode, list, next, part};
use crate::testing::Person;

const SEEDS: u64 = 24;
const STEPS: usize = 70;

/// What a client knows of the room.
struct Client {
    /// Beyond the filter.
    query: &'static str,
    /// It asks for messages alone, and is told of all state nevertheless.
    messages_only: bool,
    since: Option<String>,
    is_in: bool,
    state: BTreeMap<(String, String), String>,
    seen: BTreeSet<String>,
}

fn text(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap().to_owned()
}

impl Client {
    fn new(query: &'static str, messages_only: bool) -> Self {
        Self { query, messages_only, since: None, is_in: false, state: BTreeMap::new(), seen: BTreeSet::new() }
    }

    fn state_is_after(&self) -> bool {
        self.query.contains("state_after")
    }

    async fn sync(&mut self, site: &TestSite, who: &Person, room: &str, limit: u64) {
        let mut timeline = json!({ "limit": limit });
        if self.messages_only {
            timeline["types"] = json!(["m.room.message"]);
        }
        let filter = encode(&json!({ "room": { "timeline": timeline } }).to_string());
        let query = format!("filter={filter}&{}", self.query);
        let answer = site.try_sync(who, self.since.as_deref(), &query).await.ok();
        for course in ["join", "leave"] {
            let told = part(&answer, course, room);
            if !told.is_null() {
                self.apply_state(told);
                self.apply_timeline(site, who, room, told).await;
                self.is_in = course == "join";
            }
        }
        self.since = Some(next(&answer));
    }

    fn apply_state(&mut self, told: &Value) {
        let after = list(&told["state_after"]["events"]);
        let mut events = list(&told["state"]["events"]);
        assert!(after.is_empty() || self.state_is_after(), "{told}");
        if self.state_is_after() {
            assert!(told["state"].is_null(), "{told}");
            events = after;
        } else {
            events.extend(list(&told["timeline"]["events"]));
        }
        for event in events.iter().filter(|event| event["state_key"].is_string()) {
            self.state.insert((text(event, "type"), text(event, "state_key")), text(event, "event_id"));
        }
    }

    async fn apply_timeline(&mut self, site: &TestSite, who: &Person, room: &str, told: &Value) {
        let timeline = &told["timeline"];
        let mut ids: Vec<String> = list(&timeline["events"]).iter().map(|event| text(event, "event_id")).collect();
        if timeline["limited"] == true && !self.messages_only {
            ids.extend(self.fill(site, who, room, &text(timeline, "prev_batch")).await);
        }
        for id in ids {
            // A room that one comes into is told anew, and may begin with what one knows.
            assert!(self.seen.insert(id) || !self.is_in || self.since.is_none(), "an event came twice: {told}");
        }
    }

    /// The events of a gap: back to the last sync, or, for a room that one came into, to what one knows.
    async fn fill(&self, site: &TestSite, who: &Person, room: &str, prev_batch: &str) -> Vec<String> {
        let (mut from, mut found) = (prev_batch.to_owned(), Vec::new());
        let to = self.since.as_ref().filter(|_| self.is_in).map(|since| format!("&to={}", encode(since)));
        loop {
            let path = format!("messages?dir=b&limit=3&from={}{}", encode(&from), to.as_deref().unwrap_or_default());
            let path = format!("/_matrix/client/v3/rooms/{}/{path}", encode(room));
            let page = site.get(who, &path).await.ok();
            for event in list(&page["chunk"]) {
                let id = text(&event, "event_id");
                if !self.is_in && self.seen.contains(&id) {
                    return found;
                }
                found.push(id);
            }
            match page["end"].as_str() {
                Some(end) => from = end.to_owned(),
                None => return found,
            }
        }
    }
}

struct Dice(SeededRandom);

impl Dice {
    /// Less than `sides`, which is at most 256.
    fn roll(&self, sides: u64) -> u64 {
        let mut byte = [0];
        self.0.fill(&mut byte);
        u64::from(byte[0]) % sides
    }

    fn one<'a>(&self, people: &'a [Person]) -> &'a Person {
        &people[usize::try_from(self.roll(people.len() as u64)).unwrap()]
    }
}

/// One thing that happens, or that is refused. The first of the people has the power, the last is the observer.
async fn step(site: &TestSite, dice: &Dice, people: &[Person], room: &str, number: usize) {
    let [mayor, .., observer] = people else { unreachable!() };
    let whom = json!({ "user_id": dice.one(&people[1..]).user });
    let path = |rest: &str| format!("/_matrix/client/v3/rooms/{}/{rest}", encode(room));
    match dice.roll(16) {
        0..=5 => {
            let body = json!({ "msgtype": "m.text", "body": number.to_string() });
            drop(site.put(dice.one(people), &path(&format!("send/m.room.message/p{number}")), body).await);
        }
        6..=8 => {
            let key = dice.roll(3);
            drop(site.put(mayor, &path(&format!("state/fr.test.state/{key}")), json!({ "number": number })).await);
        }
        9 => {
            let visibility = ["shared", "joined"][usize::try_from(dice.roll(2)).unwrap()];
            let body = json!({ "history_visibility": visibility });
            drop(site.put(mayor, &path("state/m.room.history_visibility"), body).await);
        }
        10 => drop(site.post(mayor, &path("kick"), whom).await),
        11 => drop(site.post(mayor, &path("invite"), whom).await),
        12 => drop(site.post(dice.one(&people[1..]), &path("leave"), json!({})).await),
        13 => drop(site.post(dice.one(people), &path("join"), json!({})).await),
        _ => drop(site.post(observer, &path("join"), json!({})).await),
    }
}

async fn run(seed: u64) {
    let site = TestSite::open();
    let dice = Dice(SeededRandom::new(seed));
    let mut people = Vec::new();
    for name in ["alice", "carol", "dave", "bob"] {
        people.push(site.person(name).await);
    }
    let bob = people[3].clone();
    let room = site.open_room(&people[0]).await;
    let mut clients = [
        Client::new("", false),
        Client::new("use_state_after=true", false),
        Client::new("org.matrix.msc4222.use_state_after=true", true),
        Client::new("", true),
    ];
    for number in 0..STEPS {
        step(&site, &dice, &people, &room, number).await;
        for client in &mut clients {
            if dice.roll(8) == 0 {
                client.sync(&site, &bob, &room, 1 + dice.roll(6)).await;
            }
        }
    }
    site.join(&bob, &room).await;
    let path = |rest: &str| format!("/_matrix/client/v3/rooms/{}/{rest}", encode(&room));
    let state = list(&site.get(&bob, &path("state")).await.ok());
    let state = state.iter().map(|e| ((text(e, "type"), text(e, "state_key")), text(e, "event_id")));
    let state: BTreeMap<_, _> = state.collect();
    let all = site.get(&bob, &path("messages?dir=f&limit=1000")).await.ok();
    let visible: BTreeSet<_> = list(&all["chunk"]).iter().map(|event| text(event, "event_id")).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.sync(&site, &bob, &room, 1 + dice.roll(6)).await;
        assert_eq!(client.state, state, "seed {seed}, client {index}");
        if !client.messages_only {
            assert_eq!(client.seen, visible, "seed {seed}, client {index}");
        }
    }
}

#[tokio::test]
async fn clients_that_look_now_and_then_know_what_the_server_knows() {
    for seed in 0..SEEDS {
        run(seed).await;
    }
}
