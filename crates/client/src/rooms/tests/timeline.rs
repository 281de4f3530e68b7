//! Reading a room's past: pages both ways over what is hidden, filters, contexts, threads, relations and times.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TestSite, at, at_v1, bodies, encode, event_id, ids};
use crate::testing::Person;

/// All messages that somebody sees, page by page.
async fn walk(site: &TestSite, who: &Person, room: &str, direction: &str, limit: usize) -> Vec<String> {
    let (mut seen, mut from) = (Vec::new(), String::new());
    for _ in 0..200 {
        let page = site.get(who, &at(room, &format!("messages?dir={direction}&limit={limit}{from}"))).await.ok();
        let chunk = page["chunk"].as_array().unwrap();
        assert!(chunk.len() <= limit);
        seen.extend(bodies(&page["chunk"]).into_iter().map(str::to_owned));
        match page["end"].as_str() {
            Some(end) => from = format!("&from={end}"),
            None => return seen,
        }
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn pages_meet_every_event_once_both_ways() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let joined = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } });
    let room = site.room(&alice, json!({ "preset": "public_chat", "initial_state": [joined] })).await;
    let say = async |prefix: &str, count: usize| {
        for number in 0..count {
            site.say(&alice, &room, &format!("{prefix}{number}")).await;
        }
    };
    say("before", 3).await;
    site.join(&bob, &room).await;
    say("first", 4).await;
    site.act(&bob, &room, "leave", json!({})).await.ok();
    // More than one read of the store's rows.
    say("hidden", 300).await;
    site.join(&bob, &room).await;
    say("last", 2).await;
    let expected = ["first0", "first1", "first2", "first3", "last0", "last1"];
    for limit in [1, 3, 1000] {
        assert_eq!(walk(&site, &bob, &room, "f", limit).await, expected, "forward by {limit}");
        let mut backward = walk(&site, &bob, &room, "b", limit).await;
        backward.reverse();
        assert_eq!(backward, expected, "backward by {limit}");
    }
    assert_eq!(walk(&site, &alice, &room, "b", 50).await.len(), 309);
    let page = site.get(&alice, &at(&room, "messages?dir=b")).await.ok();
    assert_eq!(page["chunk"].as_array().unwrap().len(), 10, "ten, if nothing is asked for");
    let page = site.get(&alice, &at(&room, "messages?dir=b&limit=100000")).await.ok();
    assert!(page["chunk"].as_array().unwrap().len() <= 1000);
    let start = page["start"].as_str().unwrap();
    let nothing = site.get(&alice, &at(&room, &format!("messages?dir=b&limit=10&from={start}&to={start}"))).await.ok();
    assert_eq!(nothing["chunk"], json!([]));
    site.get(&alice, &at(&room, "messages?dir=x")).await.refused(400, "M_INVALID_PARAM");
    site.get(&alice, &at(&room, "messages?dir=b&from=odd")).await.refused(400, "M_INVALID_PARAM");
}

#[tokio::test]
async fn a_filter_lets_through_what_it_says() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let root = site.say(&alice, &room, "a").await;
    site.say(&bob, &room, "b").await;
    site.relate(&bob, &room, &root, "m.thread", "thread").await;
    site.send(&bob, &room, "m.room.message", json!({ "body": "file", "url": "mxc://metz.example/x" })).await.ok();
    site.send(&alice, &room, "fr.example.odd", json!({ "body": "odd" })).await.ok();
    let filtered = async |filter: Value| {
        let path = at(&room, &format!("messages?dir=f&limit=100&filter={}", encode(&filter.to_string())));
        let page = site.get(&alice, &path).await.ok();
        bodies(&page["chunk"]).join(" ")
    };
    assert_eq!(filtered(json!({ "types": ["m.room.message"] })).await, "a b thread file");
    assert_eq!(filtered(json!({ "types": ["fr.*"] })).await, "odd");
    assert_eq!(filtered(json!({ "not_types": ["m.*"] })).await, "odd");
    assert_eq!(filtered(json!({ "senders": [bob.user] })).await, "b thread file");
    assert_eq!(filtered(json!({ "not_senders": [bob.user] })).await, "a odd");
    assert_eq!(filtered(json!({ "contains_url": true })).await, "file");
    assert_eq!(filtered(json!({ "not_rooms": [room] })).await, "");
    assert_eq!(filtered(json!({ "org.matrix.msc3874.rel_types": ["m.thread"] })).await, "thread");
    assert_eq!(filtered(json!({ "org.matrix.msc3874.not_rel_types": ["m.thread"] })).await, "a b file odd");
    assert_eq!(filtered(json!({ "types": ["m.room.message"], "limit": 2 })).await, "a b");

    let lazy =
        encode(&json!({ "lazy_load_members": true, "types": ["m.room.message"], "senders": [bob.user] }).to_string());
    let page = site.get(&alice, &at(&room, &format!("messages?dir=b&filter={lazy}"))).await.ok();
    let members = page["state"].as_array().unwrap();
    assert_eq!((members.len(), &members[0]["state_key"]), (1, &json!(bob.user)));
    let lazy = encode(r#"{"lazy_load_members":true}"#);
    let page = site.get(&alice, &at(&room, &format!("messages?dir=f&limit=1000&filter={lazy}"))).await.ok();
    let members: Vec<_> = page["state"].as_array().unwrap().iter().map(|event| &event["state_key"]).collect();
    assert_eq!(members, [alice.user.as_str(), bob.user.as_str()], "alice was no member yet when she created the room");

    let ignored = json!({ "ignored_users": { bob.user.as_str(): {} } });
    let path = format!("/_matrix/client/v3/user/{}/account_data/m.ignored_user_list", encode(alice.user.as_str()));
    site.put(&alice, &path, ignored).await.ok();
    assert_eq!(filtered(json!({})).await, "a odd");
}

#[tokio::test]
async fn whoever_asks_for_no_events_gets_the_state_up_to_where_they_would_be() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "before" })).await;
    site.act(&bob, &room, "leave", json!({})).await.ok();
    site.set_state(&alice, &room, "m.room.topic", json!({ "topic": "after" })).await;
    let filter = encode(r#"{"room":{"timeline":{"limit":0},"include_leave":true}}"#);
    for (who, section, topic) in [(&alice, "join", "after"), (&bob, "leave", "before")] {
        let answer = site.get(who, &format!("/_matrix/client/v3/sync?filter={filter}")).await.ok();
        let told = &answer["rooms"][section][&room];
        assert_eq!((&told["timeline"]["events"], &told["timeline"]["limited"]), (&json!([]), &json!(true)));
        let state = told["state"]["events"].as_array().unwrap();
        let topics: Vec<_> = state.iter().map(|event| &event["content"]["topic"]).filter(|t| t.is_string()).collect();
        assert_eq!(topics, [topic]);
        let older = site
            .get(who, &at(&room, &format!("messages?dir=b&from={}", told["timeline"]["prev_batch"].as_str().unwrap())))
            .await
            .ok();
        assert_eq!(older["chunk"][usize::from(section == "leave")]["content"]["topic"], topic);
    }
}

#[tokio::test]
async fn a_context_has_its_two_sides_and_tokens_to_go_on() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let room = site.open_room(&alice).await;
    let mut said = Vec::new();
    for number in 0..7 {
        said.push(site.say(&alice, &room, &number.to_string()).await);
    }
    let context = async |event: &str, limit: usize| {
        site.get(&alice, &at(&room, &format!("context/{}?limit={limit}", encode(event)))).await.ok()
    };
    let shown = context(&said[3], 4).await;
    assert_eq!(bodies(&shown["events_before"]), ["2", "1"]);
    assert_eq!(shown["event"]["content"]["body"], "3");
    assert_eq!(bodies(&shown["events_after"]), ["4", "5"]);
    assert!(shown["state"].as_array().unwrap().iter().any(|event| event["type"] == "m.room.create"));
    let page = async |direction: &str, from: &Value| {
        let path = format!("messages?dir={direction}&limit=1&from={}", from.as_str().unwrap());
        site.get(&alice, &at(&room, &path)).await.ok()
    };
    assert_eq!(bodies(&page("b", &shown["start"]).await["chunk"]), ["0"]);
    assert_eq!(bodies(&page("f", &shown["end"]).await["chunk"]), ["6"]);
    let alone = context(&said[3], 0).await;
    assert_eq!((&alone["events_before"], &alone["events_after"]), (&Value::Null, &Value::Null), "none is not written");
    assert_eq!(bodies(&page("b", &alone["start"]).await["chunk"]), ["2"]);
    assert_eq!(bodies(&page("f", &alone["end"]).await["chunk"]), ["4"]);
    assert!(context(&said[6], 2).await["events_after"].is_null());
}

#[tokio::test]
async fn somebody_who_left_reads_up_to_then() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    site.set_state(&alice, &room, "m.room.name", json!({ "name": "old" })).await;
    site.say(&alice, &room, "seen").await;
    site.act(&bob, &room, "leave", json!({})).await.ok();
    let left = site.get(&bob, &at(&room, "messages?dir=b&limit=1")).await.ok()["start"].clone();
    site.set_state(&alice, &room, "m.room.name", json!({ "name": "new" })).await;
    site.say(&alice, &room, "unseen").await;
    assert_eq!(site.get(&bob, &at(&room, "state/m.room.name")).await.ok()["name"], "old");
    let state = site.get(&bob, &at(&room, "state")).await.ok();
    let name = state.as_array().unwrap().iter().find(|event| event["type"] == "m.room.name").unwrap();
    assert_eq!(name["content"]["name"], "old");
    assert_eq!(walk(&site, &bob, &room, "b", 2).await, ["seen"]);
    let after = site.get(&bob, &at(&room, &format!("messages?dir=f&from={}", left.as_str().unwrap()))).await.ok();
    assert_eq!(after["chunk"], json!([]));
}

#[tokio::test]
async fn relations_and_threads_come_in_pages() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let root = site.say(&alice, &room, "root").await;
    let mut replies = Vec::new();
    for number in 0..5 {
        replies.push(site.relate(&alice, &room, &root, "m.thread", &number.to_string()).await);
    }
    let reference = site.relate(&bob, &room, &replies[0], "m.reference", "deep").await;
    let relations =
        async |rest: &str| site.get(&alice, &at_v1(&room, &format!("relations/{}{rest}", encode(&root)))).await.ok();
    let newest_first: Vec<_> = replies.iter().rev().cloned().collect();
    assert_eq!(ids(&relations("").await["chunk"]), newest_first);
    assert_eq!(ids(&relations("/m.thread?limit=3").await["chunk"]), newest_first[..3]);
    assert_eq!(ids(&relations("/m.thread/m.room.message?dir=f").await["chunk"]), replies);
    assert_eq!(relations("/m.thread/m.sticker").await["chunk"], json!([]));
    assert_eq!(relations("/m.reference").await["chunk"], json!([]));
    for (direction, expected) in [("b", &newest_first), ("f", &replies)] {
        let first = relations(&format!("?limit=3&dir={direction}")).await;
        let next = first["next_batch"].as_str().unwrap();
        let second = relations(&format!("?limit=3&dir={direction}&from={next}")).await;
        assert_eq!(second["next_batch"], Value::Null);
        assert_eq!([ids(&first["chunk"]), ids(&second["chunk"])].concat(), *expected, "{direction}");
    }
    let recursive = relations("?recurse=true&dir=f&limit=50").await;
    assert_eq!(ids(&recursive["chunk"]).last(), Some(&reference));
    assert!(recursive["recursion_depth"].as_u64().unwrap() >= 2);

    let other = site.say(&bob, &room, "other").await;
    site.relate(&bob, &room, &other, "m.thread", "x").await;
    let threads = async |who: &Person, query: &str| site.get(who, &at_v1(&room, &format!("threads{query}"))).await.ok();
    assert_eq!(ids(&threads(&alice, "").await["chunk"]), [other.clone(), root.clone()]);
    assert_eq!(ids(&threads(&alice, "?include=participated").await["chunk"]), std::slice::from_ref(&root));
    let first = threads(&bob, "?limit=1").await;
    let next = first["next_batch"].as_str().unwrap();
    assert_eq!(ids(&threads(&bob, &format!("?limit=1&from={next}")).await["chunk"]), std::slice::from_ref(&root));
    site.relate(&alice, &room, &root, "m.thread", "again").await;
    let all = threads(&bob, "").await;
    assert_eq!(ids(&all["chunk"]), [root, other]);
    let summary = &all["chunk"][0]["unsigned"]["m.relations"]["m.thread"];
    assert_eq!((&summary["count"], &summary["latest_event"]["content"]["body"]), (&json!(6), &json!("again")));
    assert_eq!(summary["current_user_participated"], false);
}

#[tokio::test]
async fn an_event_is_found_by_its_time() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.clock.advance(Duration::from_secs(10));
    let at_ten = site.say(&alice, &room, "10").await;
    site.clock.advance(Duration::from_secs(10));
    let at_twenty = site.say(&alice, &room, "20").await;
    let start = 1_780_000_000_000_u64;
    let ask = async |who: &Person, at: u64, direction: &str| {
        site.get(who, &at_v1(&room, &format!("timestamp_to_event?ts={}&dir={direction}", start + at * 1000))).await
    };
    let found = ask(&alice, 5, "f").await.ok();
    assert_eq!((event_id(&found), &found["origin_server_ts"]), (at_ten.clone(), &json!(start + 10_000)));
    assert_eq!(event_id(&ask(&alice, 15, "b").await.ok()), at_ten);
    assert_eq!(event_id(&ask(&alice, 15, "f").await.ok()), at_twenty);
    ask(&alice, 25, "f").await.refused(404, "M_NOT_FOUND");
    site.get(&alice, &at_v1(&room, "timestamp_to_event?ts=5&dir=b")).await.refused(404, "M_NOT_FOUND");
    ask(&bob, 5, "f").await.refused(403, "M_FORBIDDEN");
}
