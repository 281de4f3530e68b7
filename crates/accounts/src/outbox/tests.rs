//! What leaves for other servers, in which pieces, and that no piece is lost, doubled or too large.

use std::collections::BTreeSet;

use ruma_common::to_device::DeviceIdOrAllDevices::{self, AllDevices, DeviceId as One};
use serde_json::Value;

use super::*;
use crate::testing::{Town, device, town};

fn user(id: &str) -> OwnedUserId {
    id.try_into().unwrap()
}

fn server(name: &str) -> OwnedServerName {
    name.try_into().unwrap()
}

fn to(user: &UserId, device: DeviceIdOrAllDevices, content: &str) -> ToDevice {
    ToDevice { user: user.to_owned(), device, content: content.to_owned() }
}

fn waiting(town: &Town, name: &str) -> Vec<OutboxItem> {
    town.accounts.outbox(&server(name), Position::START, 100_000).unwrap()
}

/// A town where Alice may write to some servers.
async fn open_town() -> (Town, OwnedUserId) {
    let town = town();
    let alice = town.person("alice").await;
    town.session(&alice, "A").await;
    town.others.script().allowed = BTreeSet::from([server("one.test"), server("two.test:8448")]);
    (town, alice)
}

#[tokio::test]
async fn a_transaction_reaches_both_sides_in_one_commit_and_once() {
    let (town, alice) = open_town().await;
    let (one, two, denied) = (user("@b:one.test"), user("@c:two.test:8448"), user("@d:denied.test"));
    let messages = vec![
        to(&alice, AllDevices, "{\"n\":0}"),
        to(&one, One("X".into()), " {\"n\": 1} "),
        to(&one, AllDevices, "{\"n\":2}"),
        to(&two, One("Y".into()), "{\"n\":3}"),
        to(&denied, AllDevices, "{}"),
    ];
    let mut feed = town.accounts.scope().announcements();
    for _ in 0..2 {
        let sent = town.accounts.send_to_device(&alice, device("A"), "m.x", "t1", messages.clone()).await;
        sent.unwrap();
    }
    let told: Vec<Change> = feed.try_recv().unwrap().iter().map(|entry| entry.read().unwrap()).collect();
    assert_eq!(
        told,
        [
            Change::ToDevice { user: alice.clone(), device: "A".into() },
            Change::Outbox { server: server("one.test") },
            Change::Outbox { server: server("two.test:8448") },
        ]
    );
    assert!(feed.try_recv().is_err(), "the repetition tells nobody anything");

    let town = town.restart();
    town.accounts.send_to_device(&alice, device("A"), "m.x", "t1", messages).await.unwrap();
    assert_eq!(town.accounts.outbox_servers().unwrap(), [server("one.test"), server("two.test:8448")]);
    let to_one = waiting(&town, "one.test");
    assert_eq!(to_one.len(), 1);
    assert_eq!((&to_one[0].sender, to_one[0].kind.as_str()), (&alice, "m.x"));
    assert_eq!(to_one[0].messages, r#"{"@b:one.test":{"*":{"n":2},"X":{"n":1}}}"#);
    let to_two = waiting(&town, "two.test:8448");
    assert_eq!(to_two[0].messages, r#"{"@c:two.test:8448":{"Y":{"n":3}}}"#);
    assert_ne!(to_one[0].message_id, to_two[0].message_id);
    assert!(to_one[0].message_id.len() <= 32);
    assert!(town.tables_with("denied.test").is_empty());
}

#[tokio::test]
async fn what_was_taken_is_deleted_and_the_rest_stays_in_order() {
    let (town, alice) = open_town().await;
    let one = user("@b:one.test");
    for n in 0..5 {
        let messages = vec![to(&one, AllDevices, &format!("{{\"n\":{n}}}"))];
        town.accounts.send_to_device(&alice, device("A"), "m.x", &n.to_string(), messages).await.unwrap();
    }
    let all = waiting(&town, "one.test");
    let numbers: Vec<_> = all.iter().map(|item| item.messages.as_str()).collect();
    assert_eq!(numbers, (0..5).map(|n| format!("{{\"@b:one.test\":{{\"*\":{{\"n\":{n}}}}}}}")).collect::<Vec<_>>());
    assert_eq!(town.accounts.outbox(&server("one.test"), all[1].position, 2).unwrap(), all[2..4]);
    town.accounts.outbox_done(&server("one.test"), all[2].position).await.unwrap();
    let town = town.restart();
    assert_eq!(waiting(&town, "one.test"), all[3..]);
    town.accounts.outbox_done(&server("one.test"), Position::END).await.unwrap();
    assert!(town.accounts.outbox_servers().unwrap().is_empty());
}

/// Hazard D9.
#[tokio::test]
async fn no_piece_is_longer_than_an_edu_and_a_message_that_fits_into_none_is_refused() {
    let (town, alice) = open_town().await;
    let one = user("@b:one.test");
    let content = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes));
    let mut messages: Vec<_> =
        (0..40).map(|n| to(&one, One(format!("DEVICE{n}").into()), &content(5_000 + n * 100))).collect();
    messages.push(to(&one, One("\"\u{1}\"".into()), &content(60_000)));
    let kind = "\u{2}".repeat(250);
    town.accounts.send_to_device(&alice, device("A"), &kind, "t", messages.clone()).await.unwrap();
    let items = waiting(&town, "one.test");
    assert!((5..=10).contains(&items.len()), "{}", items.len());
    let mut devices = BTreeSet::new();
    for OutboxItem { sender, kind, message_id, messages, .. } in &items {
        let messages: Value = serde_json::from_str(messages).unwrap();
        for device in messages[one.as_str()].as_object().unwrap().keys() {
            assert!(devices.insert(device.clone()), "{device} twice");
        }
        let content =
            serde_json::json!({ "sender": sender, "type": kind, "message_id": message_id, "messages": messages });
        let edu = serde_json::json!({ "edu_type": "m.direct_to_device", "content": content });
        assert!(edu.to_string().len() <= EDU_BYTES_MAX);
    }
    assert_eq!(devices.len(), messages.len());

    let before = town.rows();
    let refused =
        vec![to(&alice, AllDevices, "{}"), to(&one, AllDevices, "{}"), to(&one, One("X".into()), &content(65_500))];
    let sent = town.accounts.send_to_device(&alice, device("A"), "m.x", "large", refused).await;
    assert!(matches!(sent, Err(Error::TooLarge { .. })));
    assert!(town.rows() == before);
    // What was refused may come again, corrected; and what follows is not held up.
    town.accounts.send_to_device(&alice, device("A"), "m.x", "large", vec![to(&one, AllDevices, "{}")]).await.unwrap();
    assert_eq!(waiting(&town, "one.test").len(), items.len() + 1);
}

#[tokio::test]
async fn an_outbox_that_nobody_empties_stays_bounded_in_number_and_bytes() {
    let (town, alice) = open_town().await;
    let (one, two) = (user("@b:one.test"), user("@c:two.test:8448"));
    let row = |n: u64, bytes: u64| OutboxRow {
        sender: alice.clone(),
        kind: "m.x".to_owned(),
        message_id: n.to_string(),
        messages: "{}".to_owned(),
        rows_before: n,
        bytes_before: n * bytes,
    };
    let mut batch = town.accounts.scope().batch();
    for n in 0..WAITING_MAX {
        let stamp = batch.stamp();
        batch.put(&OUTBOX, (&*server("one.test"), stamp), &row(n, 2));
    }
    for n in 0..10 {
        let stamp = batch.stamp();
        batch.put(&OUTBOX, (&*server("two.test:8448"), stamp), &row(n, WAITING_BYTES_MAX / 8));
    }
    town.accounts.commit(batch).await.unwrap();
    let messages = vec![to(&one, AllDevices, "{\"n\":1}"), to(&two, AllDevices, "{\"n\":1}")];
    town.accounts.send_to_device(&alice, device("A"), "m.x", "t", messages).await.unwrap();
    let (to_one, to_two) = (waiting(&town, "one.test"), waiting(&town, "two.test:8448"));
    assert_eq!((to_one.len() as u64, to_one[0].message_id.as_str()), (WAITING_MAX, "1"));
    assert_eq!(to_one.last().unwrap().messages, "{\"@b:one.test\":{\"*\":{\"n\":1}}}");
    assert!((5..=9).contains(&to_two.len()), "{}", to_two.len());
    assert!(to_two.last().unwrap().messages.contains("@c:two.test:8448"));
}
