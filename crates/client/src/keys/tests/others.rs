//! Keys of users of other servers, and messages to their devices, over HTTP.

use std::collections::BTreeMap;

use accounts::{ClaimedKey, DeviceList, DeviceListUpdate, ListedDevice, PublicKeys};
use kernel::{
    Progress, Worker,
    id::{OwnedRoomId, OwnedServerName, OwnedUserId},
};
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

/// A list with Bob's one device, and what the town asked since this was last called.
fn list_of_bob(stream_id: u64) -> DeviceList {
    let bob = bob();
    let keys = super::device_keys(&bob, &pair(20)).to_string();
    let devices = vec![ListedDevice { id: bob.device, keys, display_name: None }];
    DeviceList { user: bob.user, stream_id, devices, master: None, self_signing: None }
}

impl TestSite {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.others.script().asked)
    }

    /// Whether this person is told of Bob's device.
    async fn sees_bob(&self, who: &Person) -> bool {
        let ask = json!({ "device_keys": { bob().user.as_str(): [] } });
        let found = self.post(who, &format!("{V3}/keys/query"), ask).await.ok();
        found["device_keys"][bob().user.as_str()]["PHONE"].is_object()
    }

    async fn public_room(&self, creator: &Person) -> OwnedRoomId {
        let request = rooms::CreateRoom { preset: Some(rooms::Preset::PublicChat), ..Default::default() };
        self.town.rooms.create(&self.town.actor(&creator.user).unwrap(), request).await.unwrap()
    }

    async fn enter(&self, who: &Person, room: &OwnedRoomId) {
        self.town.rooms.join(&self.town.actor(&who.user).unwrap(), room, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_list_is_relied_on_while_somebody_here_shared_a_room_since_it_was_asked_for() {
    let site = TestSite::open();
    let (alice, carol, dora) = (site.person("alice").await, site.person("carol").await, site.person("dora").await);
    let (bob, devices) = (bob().user, ["devices @bob:nancy.example"]);
    site.others.script().lists.insert(bob.clone(), list_of_bob(1));
    let room = site.public_room(&alice).await;
    assert!(!site.sees_bob(&alice).await);
    assert_eq!(site.asked(), ["keys nancy.example"], "they do not meet: nothing would tell of changes");
    site.member_abroad(&bob, &room, "join").await;
    assert!(site.sees_bob(&alice).await && site.sees_bob(&alice).await);
    assert_eq!(site.asked(), devices);
    // Carol came later; but Alice was there all the time, so that Nancy has told us of every change.
    site.enter(&carol, &room).await;
    assert!(site.sees_bob(&carol).await);
    assert!(site.asked().is_empty());
    assert!(!site.sees_bob(&dora).await);
    assert_eq!(site.asked(), ["keys nancy.example"]);
    // Nobody was there for a while.
    for person in [&alice, &carol] {
        site.town.rooms.leave(&site.town.actor(&person.user).unwrap(), &room, None).await.unwrap();
    }
    let room = site.public_room(&dora).await;
    site.member_abroad(&bob, &room, "join").await;
    assert!(site.sees_bob(&dora).await);
    assert_eq!(site.asked(), devices);
}

#[tokio::test]
async fn in_the_background_stale_lists_are_asked_for_and_those_of_nobody_are_forgotten() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let bob = bob().user;
    let room = site.public_room(&alice).await;
    site.member_abroad(&bob, &room, "join").await;
    let lists = crate::DeviceLists::new(site.town.accounts.clone(), site.town.rooms.clone());
    let missed = DeviceListUpdate {
        user: bob.clone(),
        device: "PHONE".into(),
        display_name: None,
        stream_id: 3,
        prev_id: vec![2],
        deleted: true,
        keys: None,
    };
    site.town.accounts.receive_device_list(&nancy(), missed.clone(), true).await.unwrap();
    let work = async || while lists.work().await.unwrap() == Progress::Busy {};
    work().await;
    assert_eq!(site.asked(), ["devices @bob:nancy.example"]);
    assert_eq!(site.town.accounts.list_asked(&bob).unwrap(), None, "Nancy is down");
    site.others.script().lists.insert(bob.clone(), list_of_bob(3));
    work().await;
    assert!(site.asked().is_empty(), "not so soon");
    site.clock.advance(std::time::Duration::from_secs(60));
    work().await;
    assert_eq!(site.asked(), ["devices @bob:nancy.example"]);
    assert!(site.sees_bob(&alice).await && site.asked().is_empty());
    // He leaves: his list is kept for nobody, stale or not.
    for stale in [false, true] {
        if stale {
            site.town.accounts.receive_device_list(&nancy(), missed.clone(), true).await.unwrap();
        } else {
            site.member_abroad(&bob, &room, "leave").await;
        }
        assert_eq!(site.town.accounts.kept_lists(None, 10).unwrap(), [&*bob]);
        work().await;
        assert!(site.town.accounts.kept_lists(None, 10).unwrap().is_empty());
    }
    assert!(site.asked().is_empty());
}
