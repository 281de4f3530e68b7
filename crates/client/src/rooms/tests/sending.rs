//! Sending: events as they were written, once for each transaction, and nothing of what is refused.

use serde_json::{Value, json};

use super::{TestSite, at, encode, event_id};
use crate::testing::Person;

#[tokio::test]
async fn a_transaction_is_done_once_also_after_a_restart() {
    let engine = store::memory::Memory::new();
    let site = TestSite::on(&engine);
    let alice = site.person("alice").await;
    let tablet = site.sign_in(&alice.user, "TABLET").await;
    let room = site.open_room(&alice).await;
    let send = |text: &str| (at(&room, "send/m.room.message/same"), json!({ "msgtype": "m.text", "body": text }));
    let (path, content) = send("one");
    let first = event_id(&site.put(&alice, &path, content).await.ok());
    let before = site.position();
    let (_, other_content) = send("two");
    assert_eq!(event_id(&site.put(&alice, &path, other_content.clone()).await.ok()), first);
    assert_eq!(site.position(), before);
    let by_tablet = event_id(&site.put(&tablet, &path, other_content.clone()).await.ok());
    assert_ne!(by_tablet, first, "another device is another sender of transactions");
    let redact = at(&room, &format!("redact/{}/gone", encode(&by_tablet)));
    let redaction = event_id(&site.put(&tablet, &redact, json!({ "reason": "erreur" })).await.ok());

    let site = TestSite::on(&engine);
    let before = site.position();
    assert_eq!(event_id(&site.put(&alice, &path, other_content.clone()).await.ok()), first);
    assert_eq!(event_id(&site.put(&tablet, &path, other_content).await.ok()), by_tablet);
    assert_eq!(event_id(&site.put(&tablet, &redact, json!({})).await.ok()), redaction);
    assert_eq!(site.position(), before);
}

#[tokio::test]
async fn a_transaction_is_its_devices_whatever_the_token_and_its_rooms() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let (room, other) = (site.open_room(&alice).await, site.open_room(&alice).await);
    let new = accounts::NewSession {
        user: alice.user.clone(),
        device: Some("PHONE".into()),
        display_name: None,
        kind: accounts::SessionKind::Legacy,
        access_lifetime: None,
        refresh: true,
    };
    let tokens = site.town.accounts.start_session(new).await.unwrap();
    let before = Person { user: tokens.user, device: tokens.device, token: tokens.access };
    let send = async |who: &Person, room: &str| {
        let content = json!({ "msgtype": "m.text", "body": "once" });
        event_id(&site.put(who, &at(room, "send/m.room.message/same"), content).await.ok())
    };
    let sent = send(&before, &room).await;
    let refreshed = site.town.accounts.refresh(tokens.refresh.as_deref().unwrap()).await.unwrap();
    let after = Person { token: refreshed.access, ..before };
    let shown = site.get(&after, "/_matrix/client/v3/sync").await.ok();
    let timeline = shown["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap();
    let echo = timeline.iter().find(|event| event["event_id"] == sent.as_str()).unwrap();
    assert_eq!(echo["unsigned"]["transaction_id"], "same");
    assert_eq!(send(&after, &room).await, sent);
    assert_ne!(send(&after, &other).await, sent, "another room has transactions of its own");
}

#[tokio::test]
async fn one_reacts_once_with_one_key() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    site.join(&bob, &room).await;
    let message = site.say(&alice, &room, "Vote").await;
    let relation = json!({ "rel_type": "m.annotation", "event_id": message, "key": "👍" });
    let reaction = json!({ "m.relates_to": relation });
    let path = at(&room, "send/m.reaction/r1");
    let first = event_id(&site.put(&alice, &path, reaction.clone()).await.ok());
    let before = site.position();
    site.send(&alice, &room, "m.reaction", reaction.clone()).await.refused(400, "M_DUPLICATE_ANNOTATION");
    assert_eq!(
        event_id(&site.put(&alice, &path, reaction.clone()).await.ok()),
        first,
        "a repetition is no second vote"
    );
    assert_eq!(site.position(), before);
    site.send(&bob, &room, "m.reaction", reaction.clone()).await.ok();
    site.redact(&alice, &room, &first).await.ok();
    site.send(&alice, &room, "m.reaction", reaction).await.ok();
}

#[tokio::test]
async fn types_and_fields_stay_as_they_were_written() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let room = site.open_room(&alice).await;
    // ruma takes each of these for the alias of another name.
    for kind in ["m.image", "m.call.notify", "org.matrix.call.sdp_stream_metadata_changed"] {
        let sent = event_id(&site.send(&alice, &room, kind, json!({ "a": { "b": null } })).await.ok());
        let shown = site.get(&alice, &at(&room, &format!("event/{}", encode(&sent)))).await.ok();
        assert_eq!((&shown["type"], &shown["content"]), (&json!(kind), &json!({ "a": { "b": null } })));
    }
    let path = at(&room, "state/m.call.member/k");
    site.put(&alice, &path, json!({ "x": 1 })).await.ok();
    assert_eq!(site.get(&alice, &path).await.ok(), json!({ "x": 1 }));
    site.get(&alice, &at(&room, "state/org.matrix.msc3401.call.member/k")).await.refused(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn state_is_read_by_each_form_of_its_path() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.room(&alice, json!({ "preset": "private_chat" })).await;
    for (number, slash) in ["", "/"].into_iter().enumerate() {
        let path = at(&room, &format!("state/m.room.name{slash}"));
        let set = event_id(&site.put(&alice, &path, json!({ "name": format!("n{number}") })).await.ok());
        for read in ["", "/"] {
            let path = at(&room, &format!("state/m.room.name{read}"));
            assert_eq!(site.get(&alice, &path).await.ok(), json!({ "name": format!("n{number}") }));
            let event = site.get(&alice, &format!("{path}?format=event")).await.ok();
            assert_eq!((&event["event_id"], &event["room_id"]), (&json!(set), &json!(room)));
        }
    }
    let before = site.position();
    let set_again = site.put(&alice, &at(&room, "state/m.room.name"), json!({ "name": "n1" })).await.ok();
    let now = site.get(&alice, &at(&room, "state/m.room.name?format=event")).await.ok();
    assert_eq!((&set_again["event_id"], site.position()), (&now["event_id"], before));
    let all = site.get(&alice, &at(&room, "state")).await.ok();
    let kinds: Vec<_> = all.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"m.room.create") && kinds.contains(&"m.room.name"), "{kinds:?}");
    site.get(&alice, &at(&room, "state/m.room.topic")).await.refused(404, "M_NOT_FOUND");
    site.get(&bob, &at(&room, "state/m.room.name")).await.refused(403, "M_FORBIDDEN");
    site.get(&bob, &at(&room, "state")).await.refused(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn what_is_refused_is_not_stored() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    let other = site.open_room(&alice).await;
    let foreign = site.say(&alice, &other, "ailleurs").await;
    site.join(&bob, &room).await;
    let said = site.say(&alice, &room, "mot").await;
    let text = |body: &str| json!({ "msgtype": "m.text", "body": body });
    let large = "x".repeat(70_000);
    let refusals: [(&_, String, Value, u16, &str); 12] = [
        (&bob, at("!unknown:metz.example", "send/m.room.message/1"), text("a"), 404, "M_NOT_FOUND"),
        (&alice, at(&room, "send/m.room.message/2"), text(&large), 413, "M_TOO_LARGE"),
        (&alice, at(&room, "send/m.room.message/3"), json!({ "n": 1.5 }), 400, "M_BAD_JSON"),
        (&alice, at(&room, "send/m.room.message/4"), json!({ "n": 1_u64 << 60 }), 400, "M_BAD_JSON"),
        (&alice, at(&room, "state/m.room.topic"), json!({ "topic": large }), 413, "M_TOO_LARGE"),
        (&bob, at(&room, "state/m.room.topic"), json!({ "topic": "x" }), 403, "M_FORBIDDEN"),
        (&bob, at(&room, &format!("redact/{}/5", encode(&said))), json!({}), 403, "M_FORBIDDEN"),
        (&alice, at(&room, &format!("redact/{}/6", encode(&foreign))), json!({}), 404, "M_NOT_FOUND"),
        (&alice, at(&room, "redact/$unknown/7"), json!({}), 404, "M_NOT_FOUND"),
        (&bob, at(&other, "send/m.room.message/8"), text("a"), 403, "M_FORBIDDEN"),
        (&alice, at(&room, "state/m.room.create"), json!({ "room_version": "1" }), 400, "M_BAD_JSON"),
        (&alice, at(&room, "state/m.room.member/nobody"), json!({ "membership": "invite" }), 400, "M_INVALID_PARAM"),
    ];
    for (who, path, content, status, errcode) in refusals {
        let before = site.position();
        let answer = site.put(who, &path, content).await;
        assert_eq!((answer.status, answer.body["errcode"].as_str()), (status, Some(errcode)), "{path} {answer:?}");
        assert_eq!(site.position(), before, "{path}");
    }
}
