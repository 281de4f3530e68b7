//! Long polls: what ends them, and what does not.

use serde_json::{Value, json};

use super::{TestSite, bodies, next, part, types};
use crate::keys::tests::{device_keys, pair};

#[tokio::test]
async fn every_kind_of_news_ends_a_poll() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let event = site.say(&alice, &room, "avant").await;
    let first = site.after(&bob, &first).await;

    let poll = site.poll(&bob, &first).await;
    site.say(&alice, &room, "un").await;
    let answer = poll.answered().await;
    assert_eq!(bodies(&part(&answer, "join", &room)["timeline"]["events"]), ["un"]);

    let poll = site.poll(&bob, &answer).await;
    site.send_to_device(&alice, &bob, 1).await;
    let answer = poll.answered().await;
    assert_eq!(types(&answer["to_device"]["events"]), ["m.test"]);

    let poll = site.poll(&bob, &answer).await;
    site.put_data(&bob, None, "fr.test", json!({ "a": 1 })).await;
    let answer = poll.answered().await;
    assert_eq!(types(&answer["account_data"]["events"]), ["fr.test"]);

    let poll = site.poll(&bob, &answer).await;
    site.put_data(&bob, Some(&room), "fr.test", json!({ "a": 1 })).await;
    let answer = poll.answered().await;
    assert_eq!(types(&part(&answer, "join", &room)["account_data"]["events"]), ["fr.test"]);

    let poll = site.poll(&bob, &answer).await;
    site.type_in(&alice, &room, true).await;
    let answer = poll.answered().await;
    assert_eq!(types(&part(&answer, "join", &room)["ephemeral"]["events"]), ["m.typing"]);

    let poll = site.poll(&bob, &answer).await;
    site.read_up_to(&alice, &room, "m.read", &event).await;
    let answer = poll.answered().await;
    assert_eq!(types(&part(&answer, "join", &room)["ephemeral"]["events"]), ["m.receipt"]);

    let poll = site.poll(&bob, &answer).await;
    let keys = json!({ "device_keys": device_keys(&alice, &pair(1)) });
    site.post(&alice, "/_matrix/client/v3/keys/upload", keys).await.ok();
    let answer = poll.answered().await;
    assert_eq!(answer["device_lists"]["changed"], json!([alice.user]));

    let poll = site.poll(&bob, &answer).await;
    let other = site.room(&alice, json!({ "invite": [bob.user] })).await;
    let answer = poll.answered().await;
    assert!(part(&answer, "invite", &other).is_object());

    let poll = site.poll(&bob, &answer).await;
    site.kick(&alice, &room, &bob).await;
    assert!(part(&poll.answered().await, "leave", &room).is_object());
}

#[tokio::test]
async fn what_concerns_others_does_not_end_a_poll() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let event = site.say(&alice, &room, "avant").await;
    let tablet = site.sign_in(&bob.user, "TABLET").await;
    let first = site.after(&bob, &first).await;
    let mut poll = site.poll(&bob, &first).await;
    let elsewhere = site.open_room(&alice).await;
    site.say(&alice, &elsewhere, "ailleurs").await;
    site.type_in(&alice, &elsewhere, true).await;
    assert!(poll.waits().await, "another room's");
    site.put_data(&alice, Some(&room), "fr.test", json!({})).await;
    site.read_up_to(&alice, &room, "m.read.private", &event).await;
    assert!(poll.waits().await, "another user's own");
    site.send_to_device(&alice, &tablet, 1).await;
    assert!(poll.waits().await, "another device's");
    let carol = site.person("carol").await;
    let keys = json!({ "device_keys": device_keys(&carol, &pair(1)) });
    site.post(&carol, "/_matrix/client/v3/keys/upload", keys).await.ok();
    assert!(poll.waits().await, "a stranger's devices");
    site.say(&alice, &room, "enfin").await;
    assert_eq!(bodies(&part(&poll.answered().await, "join", &room)["timeline"]["events"]), ["enfin"]);
}

#[tokio::test]
async fn a_poll_ends_in_time_or_with_its_session() {
    let site = TestSite::open();
    let (_, bob, _, first) = site.pair().await;
    let answer = site.try_sync(&bob, Some(&next(&first)), "timeout=20").await.ok();
    assert!(answer["next_batch"].is_string());
    for part in ["rooms", "account_data", "to_device", "device_lists"] {
        assert_eq!(answer[part], Value::Null, "{part}");
    }
    let poll = site.poll(&bob, &answer).await;
    site.town.accounts.end_session(&bob.user, &bob.device).await.unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), poll.0).await.unwrap();
    answer.refused(401, "M_UNKNOWN_TOKEN");

    let carol = site.person("carol").await;
    let first = site.first(&carol).await;
    let poll = site.poll(&carol, &first).await;
    site.town.shutdown.begin();
    assert!(poll.answered().await["next_batch"].is_string(), "the server stops");
}
