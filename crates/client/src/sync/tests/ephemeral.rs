//! Typing and receipts.

use serde_json::{Value, json};

use super::{TestSite, list, part};

/// The content of the event of this type.
fn content(answer: &Value, room: &str, kind: &str) -> Value {
    let events = list(&part(answer, "join", room)["ephemeral"]["events"]);
    events.into_iter().find(|event| event["type"] == kind).map_or(Value::Null, |event| event["content"].clone())
}

#[tokio::test]
async fn typing_is_told_when_it_begins_and_ends() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    assert!(content(&first, &room, "m.typing").is_null());
    site.type_in(&alice, &room, true).await;
    let typing = site.after(&bob, &first).await;
    assert_eq!(content(&typing, &room, "m.typing"), json!({ "user_ids": [alice.user] }));
    assert_eq!(part(&typing, "join", &room)["timeline"]["events"], json!([]));
    assert!(site.after(&bob, &typing).await["rooms"].is_null(), "told once");
    assert_eq!(content(&site.first(&bob).await, &room, "m.typing"), json!({ "user_ids": [alice.user] }));
    site.type_in(&alice, &room, false).await;
    let ended = site.after(&bob, &typing).await;
    assert_eq!(content(&ended, &room, "m.typing"), json!({ "user_ids": [] }));
}

#[tokio::test]
async fn private_receipts_are_their_owners_alone() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let event = site.say(&alice, &room, "un").await;
    let tablet = site.sign_in(&bob.user, "TABLET").await;
    site.read_up_to(&bob, &room, "m.read.private", &event).await;
    for who in [&bob, &tablet] {
        let own = content(&site.after(who, &first).await, &room, "m.receipt");
        assert!(own[&event]["m.read.private"][bob.user.as_str()]["ts"].is_u64(), "{own}");
    }
    let said = site.after(&alice, &first).await;
    assert!(content(&said, &room, "m.receipt").is_null(), "{said}");
    assert!(content(&site.first(&alice).await, &room, "m.receipt").is_null());

    site.read_up_to(&bob, &room, "m.read", &event).await;
    for (who, since) in [(&alice, &said), (&bob, &first)] {
        let seen = content(&site.after(who, since).await, &room, "m.receipt");
        assert!(seen[&event]["m.read"][bob.user.as_str()]["ts"].is_u64(), "{seen}");
    }
    let path = format!("receipt/m.read/{}", super::encode(&event));
    site.act(&alice, &room, &path, json!({ "thread_id": "main" })).await.ok();
    let seen = content(&site.after(&bob, &first).await, &room, "m.receipt");
    assert_eq!(seen[&event]["m.read"][alice.user.as_str()]["thread_id"], "main");
}

/// MSC4102: a sync has room for one receipt of a user for an event; the one without a thread says most.
#[tokio::test]
async fn of_receipts_for_one_event_the_one_without_a_thread_is_told() {
    for threads in [[json!({}), json!({ "thread_id": "main" })], [json!({ "thread_id": "main" }), json!({})]] {
        let site = TestSite::open();
        let (alice, bob, room, first) = site.pair().await;
        let event = site.say(&alice, &room, "lu").await;
        for thread in threads {
            let path = format!("receipt/m.read/{}", super::encode(&event));
            site.act(&bob, &room, &path, thread).await.ok();
        }
        let told = content(&site.after(&alice, &first).await, &room, "m.receipt");
        let told = &told[&event]["m.read"][bob.user.as_str()];
        assert!(told["ts"].is_number() && told["thread_id"].is_null(), "{told}");
    }
}
