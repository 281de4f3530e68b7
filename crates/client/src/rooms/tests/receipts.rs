//! Receipts, read markers and typing.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TestSite, at, encode};

#[tokio::test]
async fn receipts_are_checked_before_they_are_kept() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let room = site.open_room(&alice).await;
    let other = site.open_room(&alice).await;
    let foreign = site.say(&alice, &other, "ailleurs").await;
    let main = site.say(&alice, &room, "main").await;
    let threaded = site.relate(&alice, &room, &main, "m.thread", "threaded").await;
    let receipt = async |kind: &str, event: &str, body: Value| {
        site.post(&alice, &at(&room, &format!("receipt/{kind}/{}", encode(event))), body).await
    };
    for (kind, event, body, errcode) in [
        ("m.odd", &main, json!({}), "M_INVALID_PARAM"),
        ("m.read", &main, json!({ "thread_id": "" }), "M_INVALID_PARAM"),
        ("m.read", &main, json!({ "thread_id": "odd" }), "M_INVALID_PARAM"),
        ("m.read", &main, json!({ "thread_id": 1 }), "M_BAD_JSON"),
        ("m.read", &threaded, json!({ "thread_id": "main" }), "M_INVALID_PARAM"),
        ("m.read", &threaded, json!({ "thread_id": "$other" }), "M_INVALID_PARAM"),
        ("m.fully_read", &main, json!({ "thread_id": "main" }), "M_INVALID_PARAM"),
    ] {
        let before = site.position();
        let answer = receipt(kind, event, body.clone()).await;
        let told = (answer.status, answer.body["errcode"].as_str());
        assert!(told == (400, Some(errcode)) || told == (400, Some("M_BAD_JSON")), "{kind} {body} {answer:?}");
        assert_eq!(site.position(), before, "{kind} {body}");
    }
    let before = site.position();
    receipt("m.read", &foreign, json!({})).await.refused(404, "M_NOT_FOUND");
    receipt("m.fully_read", "$unknown", json!({})).await.refused(404, "M_NOT_FOUND");
    let path = at(&room, &format!("receipt/m.read/{}", encode(&main)));
    site.post(&bob, &path, json!({})).await.refused(403, "M_FORBIDDEN");
    let markers = json!({ "m.fully_read": main, "m.read": "$unknown" });
    site.act(&alice, &room, "read_markers", markers).await.refused(404, "M_NOT_FOUND");
    assert_eq!(site.position(), before, "of several markers all are kept or none");

    receipt("m.read", &main, json!({})).await.ok();
    receipt("m.read", &main, json!({ "thread_id": "main" })).await.ok();
    receipt("m.read", &main, json!({ "thread_id": main })).await.ok();
    receipt("m.read.private", &threaded, json!({ "thread_id": main })).await.ok();
    let before = site.position();
    receipt("m.read", &main, json!({})).await.ok();
    assert_eq!(site.position(), before, "where one has read already");
    site.act(&alice, &room, "read_markers", json!({ "m.fully_read": threaded, "m.read": threaded })).await.ok();
    let path = format!(
        "/_matrix/client/v3/user/{}/rooms/{}/account_data/m.fully_read",
        encode(alice.user.as_str()),
        encode(&room)
    );
    assert_eq!(site.get(&alice, &path).await.ok()["event_id"], threaded);
    let kept = site.town.rooms.receipts(
        room.as_str().try_into().unwrap(),
        &alice.user,
        kernel::Position::START,
        site.position(),
    );
    assert_eq!(kept.unwrap().len(), 4);
}

#[tokio::test]
async fn one_types_in_one_room_until_it_ends() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (first, second) = (site.open_room(&alice).await, site.open_room(&alice).await);
    site.join(&bob, &second).await;
    let typing = async |who: &crate::testing::Person, room: &str, of: &crate::testing::Person, body: Value| {
        site.put(who, &at(room, &format!("typing/{}", encode(of.user.as_str()))), body).await
    };
    let yes = json!({ "typing": true, "timeout": 5 });
    typing(&alice, &first, &bob, yes.clone()).await.refused(403, "M_FORBIDDEN");
    typing(&bob, &first, &bob, yes.clone()).await.refused(403, "M_FORBIDDEN");
    let typists = |room: &str| site.town.rooms.typing().changed_since(room.try_into().unwrap(), 0);
    assert_eq!(typists(&first), None);
    let mut changes = site.town.rooms.typing().changes();
    typing(&alice, &first, &alice, yes).await.ok();
    assert_eq!(typists(&first), Some(vec![alice.user.clone()]));
    assert_eq!(typists(&second), None);
    changes.mark_unchanged();
    site.clock.advance(Duration::from_millis(6));
    changes.changed().await.unwrap();
    assert_eq!(typists(&first), Some(Vec::new()));
    typing(&alice, &first, &alice, json!({ "typing": true, "timeout": 60_000 })).await.ok();
    typing(&alice, &first, &alice, json!({ "typing": false })).await.ok();
    assert_eq!(typists(&first), Some(Vec::new()));
}
