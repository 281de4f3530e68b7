//! Messages to a device, and what it must know of others' keys and of its own.

use accounts::{DeviceListUpdate, NewSession, SessionKind};
use kernel::id::{OwnedRoomId, OwnedUserId};
use serde_json::{Value, json};

use super::{TestSite, list};
use crate::keys::tests::{cross_signing, device_keys, pair, public, signed};

/// The numbers of the messages of an answer.
fn numbers(answer: &Value) -> Vec<u64> {
    list(&answer["to_device"]["events"]).iter().map(|event| event["content"]["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_message_to_a_device_comes_until_it_is_acknowledged() {
    let site = TestSite::open();
    let (alice, bob, _, first) = site.pair().await;
    let tablet = site.sign_in(&bob.user, "TABLET").await;
    site.send_to_device(&alice, &bob, 1).await;
    let one = site.after(&bob, &first).await;
    let event = &one["to_device"]["events"][0];
    assert_eq!((&event["type"], &event["sender"]), (&json!("m.test"), &json!(alice.user)));
    assert!(site.after(&tablet, &first).await["to_device"].is_null(), "another device's");
    site.send_to_device(&alice, &bob, 2).await;
    // An answer that was lost: the same token, the same again.
    assert_eq!(numbers(&site.after(&bob, &first).await), [1, 2]);
    assert_eq!(numbers(&site.after(&bob, &one).await), [2]);
    assert_eq!(numbers(&site.after(&bob, &first).await), [2], "the first was acknowledged");
    let two = site.after(&bob, &one).await;
    assert!(site.after(&bob, &two).await["to_device"].is_null());
    for number in 0..130 {
        site.send_to_device(&alice, &bob, 10 + number).await;
    }
    let (mut since, mut seen) = (two, Vec::new());
    while let more @ [_, ..] = &*numbers(&{
        since = site.after(&bob, &since).await;
        since.clone()
    }) {
        assert!(more.len() <= 100);
        seen.extend_from_slice(more);
    }
    assert_eq!(seen, (10..140).collect::<Vec<_>>());
}

#[tokio::test]
async fn device_lists_name_those_who_changed_came_or_went() {
    let site = TestSite::open();
    let (alice, bob, room, first) = site.pair().await;
    let stranger = site.person("carol").await;
    let upload = "/_matrix/client/v3/keys/upload";
    for (who, number) in [(&alice, 1), (&stranger, 2)] {
        site.post(who, upload, json!({ "device_keys": device_keys(who, &pair(number)) })).await.ok();
    }
    let changed = site.after(&bob, &first).await;
    assert_eq!(changed["device_lists"], json!({ "changed": [alice.user], "left": [] }));
    assert!(site.after(&bob, &changed).await["device_lists"].is_null());
    site.join(&stranger, &room).await;
    let came = site.after(&bob, &changed).await;
    assert_eq!(came["device_lists"], json!({ "changed": [stranger.user], "left": [] }));
    site.leave(&stranger, &room).await;
    let went = site.after(&bob, &came).await;
    assert_eq!(went["device_lists"], json!({ "changed": [], "left": [stranger.user] }));
    site.leave(&bob, &room).await;
    let alone = site.after(&bob, &went).await;
    assert_eq!(alone["device_lists"], json!({ "changed": [], "left": [alice.user] }));
}

#[tokio::test]
async fn users_of_other_servers_are_in_device_lists_too_and_wake_who_shares_a_room() {
    let site = TestSite::open();
    let (_, bob, room, first) = site.pair().await;
    let stranger = site.person("dora").await;
    let (room, carl): (OwnedRoomId, OwnedUserId) =
        (room.as_str().try_into().unwrap(), "@carl:nancy.example".try_into().unwrap());
    site.member_abroad(&carl, &room, "join").await;
    let came = site.after(&bob, &first).await;
    assert_eq!(came["device_lists"], json!({ "changed": [carl], "left": [] }));
    let poll = site.poll(&bob, &came).await;
    let elsewhere = site.first(&stranger).await;
    let mut elsewhere_waits = site.poll(&stranger, &elsewhere).await;
    let update = DeviceListUpdate {
        user: carl.clone(),
        device: "PHONE".into(),
        display_name: None,
        stream_id: 1,
        prev_id: Vec::new(),
        deleted: true,
        keys: None,
    };
    site.town.accounts.receive_device_list(carl.server_name(), update, true).await.unwrap();
    let told = poll.answered().await;
    assert_eq!(told["device_lists"], json!({ "changed": [carl], "left": [] }));
    assert!(elsewhere_waits.waits().await, "who does not meet him is not woken");
    site.member_abroad(&carl, &room, "leave").await;
    let went = site.after(&bob, &told).await;
    assert_eq!(went["device_lists"], json!({ "changed": [], "left": [carl] }));
}

#[tokio::test]
async fn ones_own_devices_learn_whom_one_verified() {
    let site = TestSite::open();
    let (alice, bob, _, _) = site.pair().await;
    let path = "/_matrix/client/v3/keys/device_signing/upload";
    let (of_alice, of_bob) = (cross_signing(&alice.user, 10), cross_signing(&bob.user, 20));
    site.post(&alice, path, of_alice.clone()).await.ok();
    site.post(&bob, path, of_bob).await.ok();
    let tablet = site.sign_in(&bob.user, "TABLET").await;
    let first = site.first(&bob).await;
    let user_signing = pair(22);
    let master = of_alice["master_key"].clone();
    let key = public(&pair(10));
    let verified = signed(master, &bob.user, &format!("ed25519:{}", public(&user_signing)), &user_signing);
    let poll = site.poll(&tablet, &first).await;
    let body = json!({ alice.user.as_str(): { key: verified } });
    let answer = site.post(&bob, "/_matrix/client/v3/keys/signatures/upload", body).await.ok();
    assert_eq!(answer, json!({ "failures": {} }));
    let told = poll.answered().await;
    assert_eq!(told["device_lists"], json!({ "changed": [alice.user], "left": [] }));
    assert!(site.after(&tablet, &told).await["device_lists"].is_null(), "once");
    assert!(site.after(&alice, &first).await["device_lists"].is_null(), "it is bob's affair");
}

#[tokio::test]
async fn a_device_knows_how_many_of_its_keys_are_left() {
    let site = TestSite::open();
    let (alice, bob, _, first) = site.pair().await;
    let none = json!({ "signed_curve25519": 0 });
    assert_eq!(first["device_one_time_keys_count"], none, "said, for clients upload when they read it");
    assert_eq!(first["device_unused_fallback_key_types"], json!([]));
    let keys = device_keys(&bob, &pair(1));
    let key = |number: u8| {
        signed(json!({ "key": public(&pair(number)) }), &bob.user, &format!("ed25519:{}", bob.device), &pair(1))
    };
    let mut fallback = key(4);
    fallback["fallback"] = json!(true);
    let body = json!({
        "device_keys": keys,
        "one_time_keys": { "signed_curve25519:A": key(2), "signed_curve25519:B": key(3) },
        "fallback_keys": { "signed_curve25519:F": fallback },
    });
    site.post(&bob, "/_matrix/client/v3/keys/upload", body).await.ok();
    let claim = json!({ "one_time_keys": { bob.user.as_str(): { bob.device.as_str(): "signed_curve25519" } } });
    for (count, unused) in [
        (2, json!(["signed_curve25519"])),
        (1, json!(["signed_curve25519"])),
        (0, json!(["signed_curve25519"])),
        (0, json!([])),
    ] {
        let told = site.after(&bob, &first).await;
        let left = told["device_one_time_keys_count"]["signed_curve25519"].as_u64().unwrap_or(0);
        assert_eq!((left, &told["device_unused_fallback_key_types"]), (count, &unused));
        site.post(&alice, "/_matrix/client/v3/keys/claim", claim.clone()).await.ok();
    }
    let new = NewSession {
        user: bob.user.clone(),
        device: Some("TABLET".into()),
        display_name: None,
        kind: SessionKind::Legacy,
        access_lifetime: None,
        refresh: false,
    };
    let tokens = site.town.accounts.start_session(new).await.unwrap();
    let tablet = crate::testing::Person { user: tokens.user, device: tokens.device, token: tokens.access };
    assert_eq!(site.first(&tablet).await["device_one_time_keys_count"], none, "another device's");
}
