//! What must not be told: another room's events (hazard L1), rooms to strangers (L7), redacted content (L10), transaction ids to
//! other devices (L11).

use http::Method;
use serde_json::{Value, json};

use super::{TestSite, at, at_v1, encode, event_id};
use crate::testing::{Answer, Person};

/// Every way to name an event of a room: method, path, body.
fn about(room: &str, event: &str) -> Vec<(Method, String, Value)> {
    let id = encode(event);
    let get = |path: String| (Method::GET, path, Value::Null);
    let post = |rest: String, body: Value| (Method::POST, at(room, &rest), body);
    vec![
        get(at(room, &format!("event/{id}"))),
        get(at(room, &format!("context/{id}"))),
        get(at_v1(room, &format!("relations/{id}"))),
        get(at_v1(room, &format!("relations/{id}/m.thread"))),
        get(at_v1(room, &format!("relations/{id}/m.thread/m.room.message"))),
        post(format!("receipt/m.read/{id}"), json!({})),
        post(format!("receipt/m.read.private/{id}"), json!({ "thread_id": "main" })),
        post(format!("receipt/m.fully_read/{id}"), json!({})),
        post("read_markers".to_owned(), json!({ "m.fully_read": event })),
        post("read_markers".to_owned(), json!({ "m.read": event })),
        post(format!("report/{id}"), json!({ "reason": "x" })),
        (Method::PUT, at(room, &format!("redact/{id}/t{}", super::transaction())), json!({})),
    ]
}

async fn ask(site: &TestSite, who: &Person, (method, path, body): (Method, String, Value)) -> Answer {
    let body = (!body.is_null()).then_some(body);
    site.ask(method, Some(who), &path, body).await
}

#[tokio::test]
async fn an_event_of_another_room_is_an_unknown_event() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let own = site.open_room(&bob).await;
    let secret = site.room(&alice, json!({ "preset": "private_chat" })).await;
    let event = site.say(&alice, &secret, "secret").await;
    // Bob is in neither, in one, or in both rooms: the event is never of the room that he names.
    for course in ["stranger", "member of both"] {
        let before = site.position();
        for (foreign, unknown) in about(&own, &event).into_iter().zip(about(&own, "$unknown")) {
            let path = foreign.1.clone();
            let (foreign, unknown) = (ask(&site, &bob, foreign).await, ask(&site, &bob, unknown).await);
            assert_eq!((foreign.status, &foreign.body), (unknown.status, &unknown.body), "{path}, {course}");
            assert_eq!((foreign.status, &foreign.body["errcode"]), (404, &json!("M_NOT_FOUND")), "{path}");
        }
        assert_eq!(site.position(), before);
        site.act(&alice, &secret, "invite", json!({ "user_id": bob.user })).await;
        site.join(&bob, &secret).await;
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_private_room() {
    let site = TestSite::open();
    let (alice, carol) = (site.person("alice").await, site.person("carol").await);
    let room = site.room(&alice, json!({ "preset": "private_chat", "name": "Secret" })).await;
    let event = site.say(&alice, &room, "secret").await;
    let unknown_room = "!unknown:metz.example";
    let questions = |room: &str| {
        let get = |path: String| (Method::GET, path, Value::Null);
        let mut questions = vec![
            get(at(room, "state")),
            get(at(room, "state/m.room.name")),
            get(at(room, "members")),
            get(at(room, "joined_members")),
            get(at(room, "messages?dir=b")),
            get(at(room, "aliases")),
            get(at_v1(room, "hierarchy")),
            get(at_v1(room, "threads")),
            get(at_v1(room, "timestamp_to_event?ts=1&dir=f")),
            get(format!("/_matrix/client/v1/room_summary/{}", encode(room))),
            (Method::POST, at(room, "report"), json!({ "reason": "x" })),
            (Method::PUT, at(room, &format!("typing/{}", encode(carol.user.as_str()))), json!({ "typing": false })),
            (Method::PUT, "/_matrix/client/v3/directory/room/%23x:metz.example".to_owned(), json!({ "room_id": room })),
        ];
        questions.extend(about(room, &event).into_iter().filter(|(method, ..)| *method != Method::PUT));
        questions
    };
    let before = site.position();
    for (known, unknown) in questions(&room).into_iter().zip(questions(unknown_room)) {
        let path = known.1.clone();
        let (known, unknown) = (ask(&site, &carol, known).await, ask(&site, &carol, unknown).await);
        assert!(matches!(known.status, 403 | 404), "{path}: {known:?}");
        assert_eq!((known.status, &known.body), (unknown.status, &unknown.body), "{path} tells that the room is there");
        assert!(!known.body.to_string().contains("ecret"), "{path}");
    }
    assert_eq!(site.position(), before);
}

/// All that somebody can read of a room.
async fn crawl(site: &TestSite, who: &Person, room: &str, events: &[String]) -> String {
    let mut read = String::new();
    let lazy = encode(r#"{"lazy_load_members":true}"#);
    let mut paths = vec![
        at(room, "state"),
        at(room, "state/m.room.topic"),
        at(room, "state/m.room.topic?format=event"),
        at(room, "members"),
        at(room, "joined_members"),
        at(room, "messages?dir=b&limit=1000"),
        at(room, &format!("messages?dir=f&limit=1000&filter={lazy}")),
        at_v1(room, "threads"),
        at_v1(room, "hierarchy"),
        format!("/_matrix/client/v1/room_summary/{}", encode(room)),
        "/_matrix/client/v3/publicRooms".to_owned(),
        "/_matrix/client/v3/sync".to_owned(),
    ];
    for event in events {
        let id = encode(event);
        paths.extend([
            at(room, &format!("event/{id}")),
            at(room, &format!("context/{id}?limit=100")),
            at_v1(room, &format!("relations/{id}?recurse=true&limit=100")),
        ]);
    }
    for path in paths {
        read.push_str(&site.get(who, &path).await.body.to_string());
    }
    read
}

#[tokio::test]
async fn what_was_redacted_is_nowhere() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.room(&alice, json!({ "preset": "public_chat", "visibility": "public" })).await;
    site.join(&bob, &room).await;
    const CANARY: &str = "canari7391";
    let said = site.say(&alice, &room, CANARY).await;
    let edit = site.relate(&alice, &room, &said, "m.replace", CANARY).await;
    let reply = site.relate(&alice, &room, &said, "m.thread", CANARY).await;
    let old_topic = site.set_state(&alice, &room, "m.room.topic", json!({ "topic": CANARY })).await;
    let topic = site.set_state(&alice, &room, "m.room.topic", json!({ "topic": format!("{CANARY} encore") })).await;
    let events = [said, edit, reply, old_topic, topic];
    for who in [&alice, &bob] {
        assert!(crawl(&site, who, &room, &events).await.contains(CANARY), "the crawl sees what is there");
    }
    for event in &events {
        site.redact(&alice, &room, event).await.ok();
    }
    for who in [&alice, &bob] {
        let read = crawl(&site, who, &room, &events).await;
        assert!(!read.contains(CANARY), "{read}");
        assert!(read.contains("redacted_because"));
    }
}

#[tokio::test]
async fn a_transaction_id_is_for_its_device_alone() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let tablet = site.sign_in(&alice.user, "TABLET").await;
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    const TRANSACTION: &str = "essai4417";
    let send = async |number: u32, content: Value| {
        let path = at(&room, &format!("send/m.room.message/{TRANSACTION}.{number}"));
        event_id(&site.put(&alice, &path, content).await.ok())
    };
    let root = send(0, json!({ "msgtype": "m.text", "body": "root" })).await;
    let mut events = vec![root.clone()];
    for (number, rel_type) in (1..).zip(["m.replace", "m.thread"]) {
        let relation = json!({ "rel_type": rel_type, "event_id": root });
        let content = json!({
            "msgtype": "m.text", "body": rel_type, "m.relates_to": relation, "m.new_content": { "body": "x" },
        });
        events.push(send(number, content).await);
    }
    for who in [&tablet, &bob] {
        let read = crawl(&site, who, &room, &events).await;
        assert!(!read.contains(TRANSACTION) && read.contains("m.replace"), "{read}");
    }
    assert!(crawl(&site, &alice, &room, &events).await.contains(TRANSACTION));
    let shown = site.get(&alice, &at(&room, &format!("event/{}", encode(&root)))).await.ok();
    assert_eq!(shown["unsigned"]["transaction_id"], format!("{TRANSACTION}.0"));
}

#[tokio::test]
async fn typing_is_told_in_its_room_alone() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (first, second) = (site.open_room(&alice).await, site.open_room(&alice).await);
    site.join(&bob, &second).await;
    let since = site.get(&bob, "/_matrix/client/v3/sync").await.ok()["next_batch"].as_str().unwrap().to_owned();
    let path = |room: &str| at(room, &format!("typing/{}", encode(alice.user.as_str())));
    let yes = json!({ "typing": true, "timeout": 30_000 });
    site.put(&alice, &path(&first), yes.clone()).await.ok();
    let sync = format!("/_matrix/client/v3/sync?since={since}&timeout=0");
    assert!(!site.get(&bob, &sync).await.ok().to_string().contains("m.typing"));
    site.put(&alice, &path(&second), yes).await.ok();
    let seen = site.get(&bob, &sync).await.ok();
    let typing = &seen["rooms"]["join"][&second]["ephemeral"]["events"][0];
    assert_eq!((&typing["type"], &typing["content"]["user_ids"]), (&json!("m.typing"), &json!([alice.user])));
    assert_eq!(seen["rooms"]["join"][&first], Value::Null);
}

#[tokio::test]
async fn who_refuses_to_come_back_learns_nothing_of_what_came_since() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.room(&alice, json!({ "preset": "private_chat", "name": "Before" })).await;
    let them = json!({ "user_id": bob.user });
    site.act(&alice, &room, "invite", them.clone()).await.ok();
    site.join(&bob, &room).await;
    site.act(&bob, &room, "leave", json!({})).await.ok();
    let name = at(&room, "state/m.room.name");
    site.ask(Method::PUT, Some(&alice), &name, Some(json!({ "name": "Canary" }))).await.ok();
    site.act(&alice, &room, "invite", them).await.ok();
    site.act(&bob, &room, "leave", json!({})).await.ok();

    assert_eq!(site.get(&bob, &name).await.ok()["name"], "Before");
    let filter = encode(&json!({ "room": { "include_leave": true } }).to_string());
    let first = format!("/_matrix/client/v3/sync?filter={filter}");
    for path in [
        at(&room, "state"),
        at(&room, "messages?dir=b"),
        at(&room, "members"),
        first.clone(),
        first + "&use_state_after=true",
    ] {
        let answer = site.get(&bob, &path).await.ok();
        assert!(!answer.to_string().contains("Canary"), "{path}: {answer}");
    }
}
