//! What other servers read of history (hazard L4): every history visibility with every course of their users' memberships, by every
//! way to read, against a small oracle that knows nothing of the implementation.

use std::collections::HashMap;

use events::Pdu;
use kernel::id::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId};
use rooms::{Actor, Error, Gap, Preset, Rooms};
use serde_json::{Value, json};
use store::Direction;

use crate::{neighbour::Neighbour, town::Town};

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";
const VISIBILITIES: [&str; 4] = ["world_readable", "shared", "invited", "joined"];

/// What happens to a user of the asking server before and after the event (`|`).
const COURSES: [&str; 14] = [
    "|",
    "|invite",
    "|join",
    "invite|",
    "invite|join",
    "invite|leave",
    "invite leave|join",
    "join|",
    "join|leave",
    "join|leave join",
    "join|ban",
    "join leave|",
    "join leave|join",
    "join ban|",
];
/// What happens to another user of that server: by them alone it may be in the room at all.
const COMPANIONS: [&str; 3] = ["|", "|join", "invite|join"];

/// How the event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Whole,
    /// What a redaction leaves of it or, where only ids are told, another event.
    Hidden,
    /// Nothing at all.
    Refused,
}

/// Of a room that no user of the server is in now it is told nothing. Else an event is whole if some user of it might see it
/// (spec, "Room history visibility"); to have joined later is as good as to be in, which somebody is.
fn oracle(visibility: &str, courses: [&str; 2]) -> Told {
    let last = |steps: &str| steps.split_whitespace().next_back().map(str::to_owned).unwrap_or_default();
    let at_event = courses.map(|course| last(course.split_once('|').unwrap().0));
    let now = courses.map(|course| last(&course.replace('|', " ")));
    if !now.iter().any(|now| now == "join") {
        return Told::Refused;
    }
    let sees = |then: &String| match visibility {
        "invited" => then == "join" || then == "invite",
        "joined" => then == "join",
        _ => true,
    };
    if at_event.iter().any(sees) { Told::Whole } else { Told::Hidden }
}

/// A room of Anne's, and its last event.
struct Scene<'a> {
    town: &'a Town,
    lyon: &'a Neighbour<'a>,
    anne: Actor,
    room: OwnedRoomId,
    last: OwnedEventId,
}

impl<'a> Scene<'a> {
    async fn set(town: &'a Town, lyon: &'a Neighbour<'a>, visibility: &str) -> Self {
        let anne = town.actor("anne");
        let room = town.room(&anne, "12", Preset::PublicChat).await;
        let content = json!({ "history_visibility": visibility });
        let last = town.set(&anne, &room, "m.room.history_visibility", "", content).await;
        Self { town, lyon, anne, room, last }
    }

    async fn step(&mut self, user: &OwnedUserId, step: &str) {
        let content = json!({ "membership": step });
        self.last = match step {
            "invite" | "ban" => self.town.set(&self.anne, &self.room, "m.room.member", user.as_str(), content).await,
            own => {
                let last = self.town.event(&self.room, &self.anne.user, &self.last);
                self.lyon.become_member(&self.room, user, own, &last.pdu).await.event_id().to_owned()
            }
        };
    }

    async fn say(&mut self, text: &str) -> OwnedEventId {
        self.last = self.town.say(&self.anne, &self.room, text).await;
        self.last.clone()
    }

    /// How the event is told, by each way to read.
    fn ways(&self, event: &EventId) -> Vec<(&'static str, Told)> {
        let (rooms, origin, room) = (&self.town.rooms, self.lyon.name(), &*self.room);
        let told = |answer: Result<Vec<String>, Error>| match answer {
            Ok(jsons) => told_in(&jsons, rooms, room, event),
            Err(error) => refusal(&error),
        };
        let latest = [self.last.clone()];
        let gap = Gap { earliest: &[], latest: &latest, limit: 20, min_depth: 0 };
        let sent = self.town.event(room, &self.anne.user, event).pdu.origin_server_ts();
        let by_time = |direction| match rooms.event_by_time_for(origin, room, sent, direction) {
            Ok((id, _)) if id == event => Told::Whole,
            Ok(_) | Err(Error::NoSuchEvent) => Told::Hidden,
            Err(error) => refusal(&error),
        };
        vec![
            ("event", told(rooms.event_for(origin, event).map(|json| vec![json]))),
            ("backfill", told(rooms.backfill_for(origin, room, &latest, 100))),
            ("backfill from it", told(rooms.backfill_for(origin, room, &[event.to_owned()], 1))),
            ("missing events", told(rooms.missing_events_for(origin, room, &gap))),
            ("by time, forward", by_time(Direction::Forward)),
            ("by time, backward", by_time(Direction::Backward)),
        ]
    }

    /// Whether the state at the event is told, which whoever is in the room needs, and whole.
    fn tells_state(&self, event: &EventId) -> bool {
        let (rooms, origin, room) = (&self.town.rooms, self.lyon.name(), &*self.room);
        let (ids, whole) = (rooms.state_ids_for(origin, room, event), rooms.state_for(origin, room, event));
        let chain = rooms.auth_chain_for(origin, room, event);
        assert_eq!((ids.is_ok(), chain.is_ok()), (whole.is_ok(), whole.is_ok()));
        let Ok(state) = whole else { return false };
        assert!(state.state.iter().any(|json| json.contains(r#""history_visibility":""#)), "{state:?}");
        true
    }
}

fn refusal(error: &Error) -> Told {
    assert!(matches!(error, Error::Denied(_) | Error::NoSuchEvent), "{error:?}");
    Told::Refused
}

fn told_in(jsons: &[String], rooms: &Rooms, room: &RoomId, wanted: &EventId) -> Told {
    let version = events::RoomVersion::parse(&rooms.summary(room).unwrap().room_version).unwrap();
    let told: HashMap<OwnedEventId, Value> = jsons
        .iter()
        .map(|json| (Pdu::parse(json, version).unwrap().event_id().to_owned(), serde_json::from_str(json).unwrap()))
        .collect();
    let event = told.get(wanted).expect("the event is left out");
    match event["content"].as_object().unwrap().is_empty() {
        true => Told::Hidden,
        false => Told::Whole,
    }
}

#[tokio::test]
async fn every_way_to_read_tells_a_server_what_the_oracle_says() {
    let mut seen = HashMap::new();
    for visibility in VISIBILITIES {
        // One town for each, so that rooms do not pile up in one.
        let town = Town::new(METZ);
        let lyon = Neighbour::of(&town, LYON);
        let users = [lyon.user("bob"), lyon.user("carol")];
        for course in COURSES {
            for companion in COMPANIONS {
                let mut scene = Scene::set(&town, &lyon, visibility).await;
                let sides = [course, companion].map(|course| course.split_once('|').unwrap());
                for (user, (before, _)) in users.iter().zip(sides) {
                    for step in before.split_whitespace() {
                        scene.step(user, step).await;
                    }
                }
                let event = scene.say("the event").await;
                for (user, (_, after)) in users.iter().zip(sides) {
                    for step in after.split_whitespace() {
                        scene.step(user, step).await;
                    }
                }
                scene.say("the end").await;
                let expected = oracle(visibility, [course, companion]);
                let cell = format!("{visibility}, {course}, beside {companion}");
                for (way, told) in scene.ways(&event) {
                    assert_eq!(told, expected, "{way}: {cell}");
                    *seen.entry((way, format!("{told:?}"))).or_insert(0) += 1;
                }
                assert_eq!(scene.tells_state(&event), expected != Told::Refused, "state: {cell}");
            }
        }
    }
    assert_eq!(seen.values().sum::<usize>(), 4 * 14 * 3 * 6);
    assert_eq!(seen.len(), 3 * 6, "each way has each outcome: {seen:?}");
}
