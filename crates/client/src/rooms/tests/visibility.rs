//! Who reads what (hazards L4 and L13): every history visibility with every course of a membership, by every way to read, against
//! a small oracle that knows nothing of the implementation.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TestSite, at, at_v1, encode, ids};
use crate::testing::Person;

const VISIBILITIES: [&str; 4] = ["world_readable", "shared", "invited", "joined"];

/// What happens to the reader before (`…`), at and after the event (`|`).
const COURSES: [&str; 14] = [
    "|",
    "|invite",
    "invite|",
    "invite|leave",
    "|join",
    "invite|join",
    "join|",
    "join|leave",
    "join leave|",
    "join leave|join",
    "join|leave forget",
    "join leave|join leave",
    "join|ban",
    "join ban|",
];

struct Oracle {
    /// The event may be seen by whoever knows its id.
    event: bool,
    /// The room's timeline may be read.
    timeline: bool,
}

fn oracle(visibility: &str, course: &str) -> Oracle {
    let (before, after) = course.split_once('|').unwrap();
    let then = before.split_whitespace().next_back().unwrap_or("none");
    let steps: Vec<_> = course.split(['|', ' ']).filter(|step| !matches!(*step, "" | "forget")).collect();
    let now = steps.last().copied().unwrap_or("none");
    let forgot = after.contains("forget");
    let was_in = course.contains("join");
    let world = visibility == "world_readable";
    let event = match visibility {
        "world_readable" => true,
        _ if forgot => false,
        _ if then == "join" => true,
        "shared" => after.contains("join"),
        "invited" => then == "invite",
        _ => false,
    };
    Oracle { event, timeline: world || now == "join" || (was_in && !forgot) }
}

async fn step(site: &TestSite, alice: &Person, reader: &Person, room: &str, step: &str) {
    let them = json!({ "user_id": reader.user });
    match step {
        "invite" | "ban" => site.act(alice, room, step, them).await.ok(),
        own => site.act(reader, room, own, json!({})).await.ok(),
    };
}

#[tokio::test]
async fn every_way_to_read_shows_what_the_oracle_says() {
    let site = TestSite::open();
    let (alice, reader) = (site.person("alice").await, site.person("reader").await);
    let mut cells = 0;
    for visibility in VISIBILITIES {
        for course in COURSES {
            let first = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": visibility } });
            let room = site.room(&alice, json!({ "preset": "public_chat", "initial_state": [first] })).await;
            let (before, after) = course.split_once('|').unwrap();
            for act in before.split_whitespace() {
                step(&site, &alice, &reader, &room, act).await;
            }
            site.clock.advance(Duration::from_secs(60));
            let event = site.say(&alice, &room, "the event").await;
            site.clock.advance(Duration::from_secs(60));
            let child = site.relate(&alice, &room, &event, "m.thread", "its thread").await;
            let sent = site.get(&alice, &at(&room, &format!("event/{}", encode(&event)))).await.ok();
            let sent = sent["origin_server_ts"].as_u64().unwrap();
            site.clock.advance(Duration::from_secs(60));
            for act in after.split_whitespace() {
                step(&site, &alice, &reader, &room, act).await;
            }
            let expected = oracle(visibility, course);
            for (way, seen) in ways(&site, &reader, &room, &event, &child, sent).await {
                let by_id = way.starts_with("by id");
                let should = expected.event && (by_id || expected.timeline);
                assert_eq!(seen, should, "{way}: {visibility}, {course}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 4 * 14 * 11);
}

/// Whether the reader sees the event, by each way.
async fn ways(
    site: &TestSite,
    reader: &Person,
    room: &str,
    event: &str,
    child: &str,
    sent: u64,
) -> Vec<(&'static str, bool)> {
    let id = encode(event);
    let get = async |path: String| {
        let answer = site.get(reader, &path).await;
        assert!(matches!(answer.status, 200 | 403 | 404), "{path}: {answer:?}");
        if answer.status == 200 { answer.body } else { Value::Null }
    };
    let has = |list: &Value, wanted: &str| list.is_array() && ids(list).iter().any(|id| id == wanted);
    let by_time = |rest: &str| at_v1(room, &format!("timestamp_to_event?ts={sent}&dir={rest}"));
    let near = get(at(room, &format!("context/{}?limit=2", encode(child)))).await;
    let report = site.act(reader, room, &format!("report/{id}"), json!({ "reason": "x" })).await;
    vec![
        ("by id: event", get(at(room, &format!("event/{id}"))).await["event_id"] == event),
        ("by id: context", get(at(room, &format!("context/{id}"))).await["event"]["event_id"] == event),
        ("by id: context of its neighbour", has(&near["events_before"], event)),
        ("by id: relations", has(&get(at_v1(room, &format!("relations/{id}"))).await["chunk"], child)),
        (
            "by id: relations of a type",
            has(&get(at_v1(room, &format!("relations/{id}/m.thread"))).await["chunk"], child),
        ),
        ("by id: report", report.status == 200),
        ("messages backward", has(&get(at(room, "messages?dir=b&limit=100")).await["chunk"], event)),
        ("messages forward", has(&get(at(room, "messages?dir=f&limit=100")).await["chunk"], event)),
        ("threads", has(&get(at_v1(room, "threads")).await["chunk"], event)),
        ("by time, forward", get(by_time("f")).await["event_id"] == event),
        ("by time, backward", get(by_time("b")).await["event_id"] == event),
    ]
}

#[tokio::test]
async fn what_is_bundled_is_seen_by_those_only_who_may() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let root = site.say(&alice, &room, "root").await;
    site.relate(&alice, &room, &root, "m.thread", "seen").await;
    site.act(&bob, &room, "leave", json!({})).await.ok();
    for rel_type in ["m.thread", "m.replace", "m.reference"] {
        site.relate(&alice, &room, &root, rel_type, "unseen").await;
    }
    let shown = site.get(&bob, &at(&room, &format!("event/{}", encode(&root)))).await.ok();
    let relations = &shown["unsigned"]["m.relations"];
    assert_eq!(relations["m.thread"]["latest_event"]["content"]["body"], "seen");
    assert_eq!(relations["m.thread"]["count"], 1);
    assert_eq!((&relations["m.replace"], &relations["m.reference"]), (&Value::Null, &Value::Null));
    assert!(!shown.to_string().contains("unseen"), "{shown}");
}
