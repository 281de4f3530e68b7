//! Keys of users of other servers, and messages to their devices, over HTTP.

use std::collections::BTreeMap;

use accounts::{ClaimedKey, PublicKeys};
use kernel::id::{OwnedServerName, OwnedUserId};
use serde_json::{Value, json};

use super::{V3, cross_signing, pair, public, signed};
use crate::testing::{Person, TestSite};

fn bob() -> Person {
    let user: OwnedUserId = "@bob:nancy.example".try_into().unwrap();
    Person { user, device: "PHONE".into(), token: String::new() }
}

fn nancy() -> OwnedServerName {
    "nancy.example".try_into().unwrap()
}

/// What Nancy says of Bob: a device and a master key of this number.
fn keys_of_bob(number: u8) -> PublicKeys {
    let bob = bob();
    let device = super::device_keys(&bob, &pair(number)).to_string();
    let keys = cross_signing(&bob.user, number);
    let key = |name: &str| BTreeMap::from([(bob.user.clone(), keys[name].to_string())]);
    PublicKeys {
        devices: BTreeMap::from([(bob.user.clone(), BTreeMap::from([(bob.device.clone(), device)]))]),
        master: key("master_key"),
        self_signing: key("self_signing_key"),
    }
}

#[tokio::test]
async fn keys_of_two_servers_come_in_one_answer_and_a_third_is_a_failure() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, bob());
    site.post(&alice, &format!("{V3}/keys/device_signing/upload"), cross_signing(&alice.user, 10)).await.ok();
    site.others.script().keys.insert(nancy(), keys_of_bob(20));
    let ask = json!({ "device_keys": {
        alice.user.as_str(): [], bob.user.as_str(): [], "@x:down.example": [], "@y:denied.example": ["D"],
    } });
    let found = site.post(&alice, &format!("{V3}/keys/query"), ask.clone()).await.ok();
    assert_eq!(found["device_keys"][bob.user.as_str()]["PHONE"], super::device_keys(&bob, &pair(20)));
    assert_eq!(found["self_signing_keys"][bob.user.as_str()]["usage"], json!(["self_signing"]));
    assert!(found["user_signing_keys"][bob.user.as_str()].is_null());
    assert!(found["master_keys"][alice.user.as_str()].is_object());
    let failures: Vec<_> = found["failures"].as_object().unwrap().keys().collect();
    assert_eq!(failures, ["denied.example", "down.example"]);

    // Alice verifies Bob: for her own eyes.
    let master = cross_signing(&bob.user, 20)["master_key"].clone();
    let by_alice = format!("ed25519:{}", public(&pair(12)));
    let verified = signed(master, &alice.user, &by_alice, &pair(12));
    let body = json!({ bob.user.as_str(): { public(&pair(20)): verified } });
    let uploaded = site.post(&alice, &format!("{V3}/keys/signatures/upload"), body).await.ok();
    assert_eq!(uploaded, json!({ "failures": {} }));
    let carol = site.person("carol").await;
    for (who, sees) in [(&alice, true), (&carol, false)] {
        let found = site.post(who, &format!("{V3}/keys/query"), ask.clone()).await.ok();
        let signatures = &found["master_keys"][bob.user.as_str()]["signatures"][alice.user.as_str()];
        assert_eq!(!signatures[&by_alice].is_null(), sees, "{}", who.user);
    }
}

#[tokio::test]
async fn one_time_keys_are_claimed_from_their_server() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, bob());
    let key = json!({ "key": public(&pair(2)), "signatures": {} });
    let claimed = ClaimedKey {
        user: bob.user.clone(),
        device: bob.device.clone(),
        key_id: "signed_curve25519:AAAA".to_owned(),
        key: key.to_string(),
    };
    site.others.script().claims.insert(nancy(), vec![claimed]);
    let ask = json!({ "one_time_keys": {
        bob.user.as_str(): { "PHONE": "signed_curve25519" }, "@x:down.example": { "D": "signed_curve25519" },
    } });
    let answer = site.post(&alice, &format!("{V3}/keys/claim"), ask).await.ok();
    assert_eq!(answer["one_time_keys"], json!({ bob.user.as_str(): { "PHONE": { "signed_curve25519:AAAA": key } } }));
    assert_eq!(answer["failures"].as_object().unwrap().keys().collect::<Vec<_>>(), ["down.example"]);
}

#[tokio::test]
async fn messages_to_devices_elsewhere_wait_in_the_outbox() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, bob());
    let path = format!("{V3}/sendToDevice/m.room_key_request/a");
    let body = json!({ "messages": {
        bob.user.as_str(): { "PHONE": { "n": 1 } }, "@y:denied.example": { "*": { "n": 2 } },
    } });
    for _ in 0..2 {
        site.put(&alice, &path, body.clone()).await.ok();
    }
    let accounts = &site.town.accounts;
    assert_eq!(accounts.outbox_servers().unwrap(), [nancy()]);
    let waiting = accounts.outbox(&nancy(), kernel::Position::START, 10).unwrap();
    assert_eq!(waiting.len(), 1);
    let messages: Value = serde_json::from_str(&waiting[0].messages).unwrap();
    assert_eq!(messages, json!({ bob.user.as_str(): { "PHONE": { "n": 1 } } }));
    let large = json!({ "messages": { bob.user.as_str(): { "PHONE": { "x": "y".repeat(65_500) } } } });
    site.put(&alice, &format!("{V3}/sendToDevice/m.x/b"), large).await.refused(413, "M_TOO_LARGE");
    assert_eq!(accounts.outbox(&nancy(), kernel::Position::START, 10).unwrap(), waiting);
}
