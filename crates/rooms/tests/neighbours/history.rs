//! History that other servers have and this one has not: fetched when somebody reads so far, and put where it belongs.

use events::Pdu;
use kernel::{
    Position, Timestamp,
    id::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomId},
};
use rooms::{Actor, Boundary, Page, Preset};
use serde_json::json;
use store::Direction;

use crate::{chain::Chain, neighbour::Neighbour, town::Town};

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";

/// A room of Anne's in which Bob of Lyon may set the topic, up to his join.
pub(crate) async fn shared_room(
    town: &Town,
    lyon: &Neighbour<'_>,
    anne: &Actor,
    version: &str,
) -> (OwnedRoomId, OwnedUserId, Pdu) {
    let (room, bob) = (town.room(anne, version, Preset::PublicChat).await, lyon.user("bob"));
    let creator = if version == "12" { json!({}) } else { json!({ anne.user.as_str(): 100 }) };
    let mut users = creator.as_object().unwrap().clone();
    users.insert(bob.to_string(), json!(50));
    town.set(anne, &room, "m.room.power_levels", "", json!({ "users": users, "redact": 50 })).await;
    let last = town.say(anne, &room, "before").await;
    let last = town.event(&room, &anne.user, &last);
    let join = lyon.become_member(&room, &bob, "join", &last.pdu).await;
    (room, bob, join)
}

impl Town {
    fn page(&self, room: &RoomId, reader: &Actor, from: Boundary, direction: Direction) -> Page {
        let mut viewer = self.rooms.viewer(room, &reader.user).unwrap();
        self.rooms.page(&mut viewer, from, None, direction, 2_000, |_| true).unwrap()
    }

    /// What one reads from the room's end to its beginning, newest first.
    pub(crate) async fn read_back(&self, room: &RoomId, reader: &Actor, limit: usize) -> Vec<OwnedEventId> {
        let (mut read, mut from) = (Vec::new(), Boundary::at(self.rooms.position()));
        for _ in 0..100 {
            let mut viewer = self.rooms.viewer(room, &reader.user).unwrap();
            let page =
                self.rooms.page_of_all(&mut viewer, from, None, Direction::Backward, limit, |_| true).await.unwrap();
            read.extend(ids(&page));
            let Some(next) = page.next else { return read };
            from = next;
        }
        panic!("the room has no beginning");
    }

    fn forward(&self, room: &RoomId, reader: &Actor) -> Vec<OwnedEventId> {
        ids(&self.page(room, reader, Boundary::at(Position::START), Direction::Forward))
    }
}

fn ids(page: &Page) -> Vec<OwnedEventId> {
    page.events.iter().map(|event| event.pdu.event_id().to_owned()).collect()
}

fn ids_of<'a>(events: impl IntoIterator<Item = &'a Pdu>) -> Vec<OwnedEventId> {
    events.into_iter().map(|event| event.event_id().to_owned()).collect()
}

#[tokio::test]
async fn a_gap_is_filled_page_by_page_and_reads_as_if_it_had_never_been() {
    for version in ["6", "11", "12"] {
        let town = Town::new(METZ);
        let lyon = Neighbour::of(&town, LYON);
        let anne = town.actor("anne");
        let (room, bob, join) = shared_room(&town, &lyon, &anne, version).await;
        let mut expected = town.forward(&room, &anne);
        let since = town.rooms.position();
        let mut chain = Chain::after(&town, &join);
        let mut history = Vec::new();
        for n in 0..130 {
            history.push(match n % 40 {
                7 => chain.add(&lyon, &bob, ("m.room.topic", Some(""), json!({ "topic": n.to_string() }))),
                _ => chain.say(&lyon, &bob, &n.to_string()),
            });
        }
        let live = chain.send_last(&lyon, &bob).await;

        // What is here reads up to the gap; a sync shows what came as it happened.
        let page = town.page(&room, &anne, Boundary::at(town.rooms.position()), Direction::Backward);
        assert_eq!(ids(&page), ids_of(live.iter().rev()));
        assert!(page.gap.is_some() && page.next.is_some());
        let end = town.rooms.position();
        let news = |town: &Town| {
            let mut viewer = town.rooms.viewer(&room, &anne.user).unwrap();
            let news = town.rooms.news(&mut viewer, since, town.rooms.position(), 500, |_| true).unwrap();
            (news.limited, ids_of(news.events.iter().map(|event| &*event.pdu)))
        };
        assert_eq!(news(&town), (true, ids_of(&live)));

        expected.extend(ids_of(&history));
        expected.extend(ids_of(&live));
        let mut backward = expected.clone();
        backward.reverse();
        assert_eq!(town.read_back(&room, &anne, 50).await, backward, "{version}");
        assert_eq!(town.forward(&room, &anne), expected, "{version}");
        assert_eq!(news(&town), (true, ids_of(&live)), "history is no news");
        assert_eq!(town.rooms.last_change(&room).unwrap(), end);
        let calls = town.script.calls();
        assert_eq!(calls.iter().filter(|call| call.starts_with("backfill")).count(), 2, "{calls:?}");
        // It is here now.
        town.script.silence(lyon.name());
        assert_eq!(town.read_back(&room, &anne, 1_000).await, backward);
        assert!(town.script.calls().is_empty());

        // Each event stands in the state of its time.
        let event = town.event(&room, &anne.user, history[50].event_id());
        let topic = town.rooms.state_event(&room, event.state_before, "m.room.topic", "").unwrap().unwrap();
        assert_eq!(topic.pdu.event_id(), history[47].event_id());
        let event = town.event(&room, &anne.user, history[87].event_id());
        assert_eq!(event.replaces.as_deref(), Some(history[47].event_id()));
    }
}

/// Hazard E14.
#[tokio::test]
async fn pages_of_refused_events_hide_nothing_behind_them() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let mut chain = Chain::after(&town, &join);
    let hidden = chain.say(&lyon, &bob, "hidden");
    for n in 0..500 {
        let coup = json!({ "users": { bob.as_str(): 100 + n } });
        chain.push(&lyon, &bob, ("m.room.power_levels", Some(""), coup));
    }
    let live = chain.send_last(&lyon, &bob).await;
    let read = town.read_back(&room, &anne, 10).await;
    assert_eq!(read[..4], ids_of([&live[1], &live[0], &hidden, &join]));
    let known = town.page(&room, &anne, Boundary::at(Position::START), Direction::Forward);
    assert!(known.events.iter().all(|event| !event.pdu.content().get().contains(r#""users":{"@bob"#)));
}

#[tokio::test]
async fn events_that_cannot_be_verified_are_not_kept_and_end_nothing() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let gone = Neighbour::of(&town, "gone.example");
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    town.script.keys.lock().unwrap().retain(|key| key.server != gone.name());
    let mut chain = Chain::after(&town, &join);
    let first = chain.say(&lyon, &bob, "first");
    let dan = gone.user("dan");
    let member = ("m.room.member", Some(dan.as_str()), json!({ "membership": "join" }));
    let mut lost = vec![chain.add(&gone, &dan, member)];
    lost.push(chain.say(&gone, &dan, "who will remember me"));
    let topic = chain.add(&lyon, &bob, ("m.room.topic", Some(""), json!({ "topic": "farewell" })));
    lost.push(chain.say(&gone, &dan, "adieu"));
    let live = chain.send_last(&lyon, &bob).await;
    let read = town.read_back(&room, &anne, 100).await;
    assert_eq!(read[..5], ids_of([&live[1], &live[0], &topic, &first, &join]));
    for event in lost {
        assert!(town.rooms.event_for(lyon.name(), event.event_id()).is_err(), "it is not here");
    }
}

#[tokio::test]
async fn redactions_reach_the_past_wherever_they_are() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let read_before = town.event(&room, &anne.user, join.prev_events().first().unwrap());
    let mut chain = Chain::after(&town, &join);
    let redact = |target: &Pdu| ("m.room.redaction", None, json!({ "redacts": target.event_id() }));
    let secrets: Vec<Pdu> = (0..3).map(|n| chain.say(&lyon, &bob, &format!("secret {n}"))).collect();
    let open = chain.say(&lyon, &bob, "open");
    for n in 0..110 {
        chain.say(&lyon, &bob, &n.to_string());
    }
    // Of what was here before, of an older page, of the same page, by one who has no power over others, and, as news, of the past.
    chain.add(&lyon, &bob, redact(&read_before.pdu));
    chain.add(&lyon, &bob, redact(&secrets[0]));
    let recent = chain.say(&lyon, &bob, "secret 3");
    chain.add(&lyon, &bob, redact(&recent));
    let nice = Neighbour::of(&town, "nice.example");
    let eve = nice.user("eve");
    chain.add(&nice, &eve, ("m.room.member", Some(eve.as_str()), json!({ "membership": "join" })));
    chain.add(&nice, &eve, redact(&open));
    chain.send_last(&lyon, &bob).await;
    let by_bob = chain.add(&lyon, &bob, redact(&secrets[1]));
    lyon.send(&[&by_bob]).await;
    town.read_back(&room, &anne, 100).await;
    let shown: Vec<String> = town
        .page(&room, &anne, Boundary::at(Position::START), Direction::Forward)
        .events
        .iter()
        .map(|event| event.pdu.json().to_owned())
        .collect();
    let all = shown.concat();
    assert!(!all.contains("secret 0") && !all.contains("secret 1") && !all.contains("secret 3"));
    assert!(all.contains("secret 2") && all.contains(r#""body":"open""#));
    for pruned in [&secrets[0], &*read_before.pdu] {
        assert!(town.event(&room, &anne.user, pruned.event_id()).redacted_by.is_some());
    }
    assert!(town.event(&room, &anne.user, open.event_id()).redacted_by.is_none());
}

#[tokio::test]
async fn servers_are_asked_in_turn_and_told_nothing_else_is_kept() {
    let town = Town::new(METZ);
    let (lyon, nice) = (Neighbour::of(&town, LYON), Neighbour::of(&town, "nice.example"));
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let carol = nice.user("carol");
    let join = nice.become_member(&room, &carol, "join", &join).await;
    let mut chain = Chain::after(&town, &join);
    let missed = chain.say(&lyon, &bob, "missed");
    let live = chain.send_last(&lyon, &bob).await;
    let backward = ids_of([&live[1], &live[0], &missed, &join]);

    // Nobody answers: what lies behind the gap is read all the same, and the gap stays.
    town.script.silence(lyon.name());
    town.script.silence(nice.name());
    let read = town.read_back(&room, &anne, 100).await;
    assert_eq!(read[..3], [backward[0].clone(), backward[1].clone(), backward[3].clone()]);
    let mut asked = town.script.calls();
    asked.sort();
    assert_eq!(asked, ["backfill lyon.example", "backfill nice.example"]);

    // One answers, and puts in an event that nothing here leads to.
    town.script.silent.lock().unwrap().remove(nice.name());
    let smuggled = lyon.message(&room, &[&join], &bob, "smuggled");
    town.script.smuggled.lock().unwrap().push(smuggled.clone());
    let (one, other) = tokio::join!(town.read_back(&room, &anne, 100), town.read_back(&room, &anne, 100));
    assert_eq!(one[..4], backward);
    assert_eq!(one, other);
    assert_eq!(town.read_back(&room, &anne, 100).await, one, "nothing is there twice");
    assert!(town.rooms.event_for(lyon.name(), smuggled.event_id()).is_err());
}

#[tokio::test]
async fn an_event_of_a_time_is_found_where_history_is_missing() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let mut chain = Chain::after(&town, &join);
    let history: Vec<Pdu> = (0..5).map(|n| chain.say(&lyon, &bob, &n.to_string())).collect();
    let live = chain.send_last(&lyon, &bob).await;
    let find = async |at: Timestamp, direction| {
        let found = town.rooms.event_by_time(&room, &anne.user, at, direction).await.unwrap();
        found.map(|event| event.pdu.event_id().to_owned())
    };
    let sent = |event: &Pdu| event.origin_server_ts();
    let (before, after) = (|event| Timestamp(sent(event).0 - 1), |event| Timestamp(sent(event).0 + 1));
    // Where nothing is missing nobody is asked.
    assert_eq!(find(after(&live[0]), Direction::Forward).await.as_deref(), Some(live[1].event_id()));
    assert_eq!(find(before(&join), Direction::Forward).await.as_deref(), Some(join.event_id()));
    assert_eq!(find(after(&live[1]), Direction::Forward).await, None);
    assert!(town.script.calls().is_empty());
    assert_eq!(find(after(&history[2]), Direction::Backward).await.as_deref(), Some(history[2].event_id()));
    assert!(town.script.calls().contains(&"event_by_time lyon.example".to_owned()));
    assert_eq!(find(before(&history[1]), Direction::Forward).await.as_deref(), Some(history[1].event_id()));
    assert!(town.script.calls().is_empty(), "it is here now");
}
