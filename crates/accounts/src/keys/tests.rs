//! What is taken, what is shown to whom, and that no key is given out twice.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    Kind, Position,
    id::{DeviceId, OwnedUserId, UserId},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    Accounts, ClaimRequest, Error, PublicKeys, SessionKind, Tokens,
    testing::{
        Pen, Town, cross_signing, cross_signing_key, curve_key, device, device_keys, one_time_keys, town, upload_device,
    },
};

async fn town_with(users: &[&str]) -> (Town, Vec<OwnedUserId>) {
    let town = town();
    let mut ids = Vec::new();
    for name in users {
        let user = town.person(name).await;
        let tokens: Tokens = town.session(&user, "DEVICE").await;
        assert!(matches!(tokens.kind, SessionKind::Oauth { .. }));
        ids.push(user);
    }
    (town, ids)
}

fn claim(user: &UserId, device: &str) -> ClaimRequest {
    ClaimRequest {
        user: user.to_owned(),
        device: device.into(),
        algorithm: one_time::ONE_TIME_KEY_ALGORITHM.to_owned(),
    }
}

async fn upload(accounts: &Accounts, user: &UserId, keys: KeyUpload) -> crate::Result<BTreeMap<String, u64>> {
    accounts.upload_keys(user, device("DEVICE"), keys).await
}

fn query(accounts: &Accounts, caller: &UserId, user: &UserId) -> UserKeys {
    accounts.query_keys(Some(caller), user, &[]).unwrap().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Hazard E11.
#[tokio::test]
async fn device_keys_of_the_wrong_shape_are_refused_and_nothing_is_stored() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    let good = device_keys(alice, "DEVICE", &Pen::new(1));
    let with = |path: &str, value: Value| {
        let mut keys = good.clone();
        *keys.pointer_mut(path).unwrap() = value;
        keys.to_string()
    };
    let mut bad = vec![
        "[]".to_owned(),
        "{".to_owned(),
        json!({"user_id": alice, "device_id": "DEVICE"}).to_string(),
        with("/user_id", json!("@bob:town1.test")),
        with("/device_id", json!("OTHER")),
        with("/algorithms", json!("m.olm")),
        with("/algorithms", json!([1])),
        with("/keys", json!([])),
        with("/keys/ed25519:DEVICE", json!(7)),
        with("/keys/ed25519:DEVICE", json!("short")),
        with("/keys/curve25519:DEVICE", json!("*".repeat(43))),
        with("/signatures", json!("none")),
        with(&format!("/signatures/{alice}/ed25519:DEVICE"), json!("A".repeat(86))),
        // Signed, but not this.
        with("/algorithms", json!(["m.other"])),
    ];
    for (field, value) in [("x", json!(1.5)), ("x", json!(1_u64 << 60)), ("x", json!("y".repeat(1_000_000)))] {
        let mut keys = good.clone();
        keys[field] = value;
        bad.push(keys.to_string());
    }
    let before = town.rows().len();
    for text in bad {
        let keys = KeyUpload { device_keys: Some(text.clone()), ..KeyUpload::default() };
        assert!(upload(&town.accounts, alice, keys).await.is_err(), "{}", &text[..text.len().min(200)]);
    }
    assert_eq!(town.rows().len(), before);
    // A device without its own signature is taken, as every server does.
    let mut unsigned = good.clone();
    unsigned["signatures"] = json!({});
    let keys = KeyUpload { device_keys: Some(unsigned.to_string()), ..KeyUpload::default() };
    upload(&town.accounts, alice, keys).await.unwrap();
}

#[tokio::test]
async fn one_time_keys_of_the_wrong_shape_are_refused_and_nothing_is_stored() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    let ok = json!({"key": curve_key(1), "signatures": {}}).to_string();
    let bad = [
        ("signed_curve25519:A", "{\"key\":\"x\",\"signatures\":{}}".to_owned()),
        ("signed_curve25519:A", json!({"key": curve_key(1)}).to_string()),
        ("signed_curve25519:A", json!({"key": curve_key(1), "signatures": {}, "n": 1.5}).to_string()),
        ("signed_curve25519:A", json!({"key": curve_key(1), "signatures": {}, "n": "y".repeat(5_000)}).to_string()),
        ("signed_curve25519:A", "7".to_owned()),
        ("signed_curve25519:A", "null".to_owned()),
        ("signed_curve25519", ok.clone()),
        (":A", ok.clone()),
        ("signed_curve25519:", ok.clone()),
    ];
    let before = town.rows().len();
    for (name, text) in bad {
        let mut keys = KeyUpload { one_time_keys: one_time_keys(0..3), ..KeyUpload::default() };
        keys.one_time_keys.insert(name.to_owned(), text.clone());
        assert!(upload(&town.accounts, alice, keys).await.is_err(), "{name} {text}");
        let fallback_keys = BTreeMap::from([(name.to_owned(), text)]);
        assert!(upload(&town.accounts, alice, KeyUpload { fallback_keys, ..KeyUpload::default() }).await.is_err());
    }
    let many = KeyUpload { one_time_keys: one_time_keys(0..1_001), ..KeyUpload::default() };
    assert!(matches!(upload(&town.accounts, alice, many).await, Err(Error::TooMany { .. })));
    assert_eq!(town.rows().len(), before);
    let none = town.accounts.upload_keys(alice, device("GHOST"), KeyUpload::default()).await;
    assert!(matches!(none, Err(Error::NoSuchDevice)));
}

#[tokio::test]
async fn an_upload_may_be_repeated_but_a_key_not_be_changed() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    let one_time = |keys| KeyUpload { one_time_keys: keys, ..KeyUpload::default() };
    let count = |counts: BTreeMap<String, u64>| counts["signed_curve25519"];
    assert_eq!(count(upload(&town.accounts, alice, one_time(one_time_keys(0..3))).await.unwrap()), 3);
    let before = town.accounts.position();
    assert_eq!(count(upload(&town.accounts, alice, one_time(one_time_keys(0..3))).await.unwrap()), 3);
    assert_eq!(town.accounts.position(), before, "nothing to tell");
    assert_eq!(count(upload(&town.accounts, alice, one_time(one_time_keys(2..5))).await.unwrap()), 5);
    let mut other = one_time_keys(4..7);
    other.insert("signed_curve25519:00004".to_owned(), json!({"key": curve_key(9), "signatures": {}}).to_string());
    assert!(matches!(upload(&town.accounts, alice, one_time(other)).await, Err(Error::OneTimeKeyConflict(_))));
    assert_eq!(town.accounts.one_time_key_counts(alice, device("DEVICE")).unwrap()["signed_curve25519"], 5);
}

#[tokio::test]
async fn keys_are_given_out_in_the_order_of_their_uploads_then_the_fallback() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    for n in [7, 3] {
        upload(&town.accounts, alice, KeyUpload { one_time_keys: one_time_keys([n]), ..KeyUpload::default() })
            .await
            .unwrap();
    }
    let fallback = KeyUpload { fallback_keys: one_time_keys([99]), ..KeyUpload::default() };
    upload(&town.accounts, alice, fallback.clone()).await.unwrap();
    let unused = || town.accounts.unused_fallback_algorithms(alice, device("DEVICE")).unwrap();
    assert_eq!(unused(), ["signed_curve25519"]);
    let mut given = Vec::new();
    for _ in 0..4 {
        given.extend(
            town.accounts.claim_keys(&[claim(alice, "DEVICE")]).await.unwrap().into_iter().map(|key| key.key_id),
        );
    }
    assert_eq!(given, [7, 3, 99, 99].map(|n| format!("signed_curve25519:{n:05}")));
    assert!(unused().is_empty());
    // The same again stays used; another is unused.
    upload(&town.accounts, alice, fallback).await.unwrap();
    assert!(unused().is_empty());
    upload(&town.accounts, alice, KeyUpload { fallback_keys: one_time_keys([98]), ..KeyUpload::default() })
        .await
        .unwrap();
    assert_eq!(unused(), ["signed_curve25519"]);
    let ghost: OwnedUserId = "@ghost:town1.test".try_into().unwrap();
    let none = [claim(&ghost, "DEVICE"), claim(alice, "GHOST")];
    assert!(town.accounts.claim_keys(&none).await.unwrap().is_empty());
}

/// Hazard K4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_claims_at_once_get_a_thousand_keys() {
    let (town, users) = town_with(&["alice", "bob"]).await;
    for user in &users {
        let keys = KeyUpload { one_time_keys: one_time_keys(0..1_000), ..KeyUpload::default() };
        upload(&town.accounts, user, keys).await.unwrap();
    }
    let claims: Vec<_> = (0..1_010)
        .map(|_| {
            let accounts = town.accounts.clone();
            let requests: Vec<_> = users.iter().map(|user| claim(user, "DEVICE")).collect();
            tokio::spawn(async move { accounts.claim_keys(&requests).await })
        })
        .collect();
    let mut given = BTreeSet::new();
    for done in claims {
        for key in done.await.unwrap().unwrap() {
            assert!(given.insert((key.user, key.key_id.clone())), "{} twice", key.key_id);
        }
    }
    assert_eq!(given.len(), 2_000);
    // On disk, not only in memory.
    let town = town.restart();
    assert!(town.accounts.claim_keys(&[claim(&users[0], "DEVICE")]).await.unwrap().is_empty());
}

#[tokio::test]
async fn new_identity_keys_end_what_the_old_ones_signed() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    upload_device(&town.accounts, alice, "DEVICE", &Pen::new(1)).await;
    upload(&town.accounts, alice, KeyUpload { one_time_keys: one_time_keys(0..5), ..KeyUpload::default() })
        .await
        .unwrap();
    let all = KeyUpload {
        device_keys: Some(device_keys(alice, "DEVICE", &Pen::new(2)).to_string()),
        one_time_keys: one_time_keys(5..7),
        ..KeyUpload::default()
    };
    assert_eq!(upload(&town.accounts, alice, all).await.unwrap()["signed_curve25519"], 2);
    let shown = query(&town.accounts, alice, alice).devices.remove(device("DEVICE")).unwrap();
    assert_eq!(json(&shown)["keys"]["ed25519:DEVICE"], Pen::new(2).public());
    assert_eq!(json(&shown)["unsigned"]["device_display_name"], "Element");
}

/// Hazard K5.
#[tokio::test]
async fn every_change_of_a_device_list_is_told_once() {
    let (town, users) = town_with(&["alice", "bob"]).await;
    let accounts = &town.accounts;
    let changes = |since| accounts.device_list_changes(since, accounts.position()).unwrap();
    upload_device(accounts, &users[0], "DEVICE", &Pen::new(1)).await;
    upload_device(accounts, &users[1], "DEVICE", &Pen::new(2)).await;
    assert_eq!(changes(Position::START), users);
    let here = accounts.position();
    assert_eq!(accounts.device_list_position(&users[1]).unwrap(), here);
    // The same keys again change nothing; a new name does.
    upload_device(accounts, &users[0], "DEVICE", &Pen::new(1)).await;
    assert!(changes(here).is_empty());
    accounts.rename_device(&users[0], device("DEVICE"), Some("Téléphone")).await.unwrap();
    assert_eq!(changes(here), users[..1]);
    let town = town.restart();
    let accounts = &town.accounts;
    assert_eq!(
        accounts.device_list_changes(Position::START, Position::END).unwrap(),
        [users[1].clone(), users[0].clone()]
    );
    accounts.end_all_sessions(&users[1]).await.unwrap();
    assert_eq!(accounts.device_list_changes(here, Position::END).unwrap(), users);
}

/// Hazard K2, for what is refused: none of the three is stored if one is wrong.
#[tokio::test]
async fn cross_signing_keys_are_taken_all_or_none() {
    let (town, users) = town_with(&["alice", "bob"]).await;
    let (alice, bob) = (&users[0], &users[1]);
    let (a, b, c, other) = (Pen::new(1), Pen::new(2), Pen::new(3), Pen::new(4));
    let good = cross_signing(alice, [&a, &b, &c]);
    let unsigned = cross_signing_key(alice, "user_signing", &c);
    let forged = other.sign(unsigned.clone(), alice, &a.public());
    let mut two_keys = cross_signing_key(alice, "master", &a);
    two_keys["keys"]["ed25519:x"] = json!("x");
    let mut misnamed = cross_signing_key(alice, "master", &a);
    misnamed["keys"] = json!({ "ed25519:other": a.public() });
    let bad = [
        CrossSigningKeys { user_signing: Some(unsigned.to_string()), ..good.clone() },
        CrossSigningKeys { user_signing: Some(forged.to_string()), ..good.clone() },
        CrossSigningKeys { master: None, ..good.clone() },
        CrossSigningKeys { master: Some(cross_signing_key(bob, "master", &a).to_string()), ..good.clone() },
        CrossSigningKeys { master: Some(cross_signing_key(alice, "self_signing", &a).to_string()), ..good.clone() },
        CrossSigningKeys { master: Some(two_keys.to_string()), ..good.clone() },
        CrossSigningKeys { master: Some(misnamed.to_string()), ..good.clone() },
        CrossSigningKeys { master: Some("{}".to_owned()), ..good.clone() },
        cross_signing(alice, [&a, &a, &c]),
    ];
    let before = town.rows().len();
    for keys in bad {
        assert!(town.accounts.upload_cross_signing(alice, keys.clone()).await.is_err(), "{keys:?}");
        assert_eq!(town.rows().len(), before);
    }
    town.accounts.upload_cross_signing(alice, good).await.unwrap();
    let own = query(&town.accounts, alice, alice);
    assert!(own.master.is_some() && own.self_signing.is_some() && own.user_signing.is_some());
    let seen = query(&town.accounts, bob, alice);
    assert!(seen.master.is_some() && seen.self_signing.is_some() && seen.user_signing.is_none());
}

/// Hazard K7.
#[tokio::test]
async fn replacing_cross_signing_keys_needs_an_open_window() {
    let (town, users) = town_with(&["alice"]).await;
    let (accounts, alice) = (&town.accounts, &users[0]);
    let pens: Vec<_> = (1..8).map(Pen::new).collect();
    let first = cross_signing(alice, [&pens[0], &pens[1], &pens[2]]);
    let second = cross_signing(alice, [&pens[3], &pens[4], &pens[5]]);
    assert!(!accounts.replaces_cross_signing(alice, &first).unwrap());
    accounts.upload_cross_signing(alice, first.clone()).await.unwrap();
    // The same again is free, also in part.
    assert!(!accounts.replaces_cross_signing(alice, &first).unwrap());
    accounts.upload_cross_signing(alice, first.clone()).await.unwrap();
    assert!(accounts.replaces_cross_signing(alice, &second).unwrap());
    let refused =
        async || matches!(accounts.upload_cross_signing(alice, second.clone()).await, Err(Error::ResetNeeded));
    assert!(refused().await);
    accounts.open_reset_window(alice).await.unwrap();
    town.advance(std::time::Duration::from_secs(600));
    assert!(refused().await);
    assert_eq!(json(&query(accounts, alice, alice).master.unwrap())["keys"].as_object().unwrap().len(), 1);

    accounts.open_reset_window(alice).await.unwrap();
    // Only a new master key: the others, which it did not sign, go.
    let alone = CrossSigningKeys { master: second.master.clone(), ..CrossSigningKeys::default() };
    accounts.upload_cross_signing(alice, alone).await.unwrap();
    assert!(!accounts.reset_window_is_open(alice).unwrap());
    let keys = query(accounts, alice, alice);
    assert!(keys.master.unwrap().contains(&pens[3].public()));
    assert_eq!((keys.self_signing, keys.user_signing), (None, None));
    assert!(refused().await, "the window served once");
}

async fn sign(town: &Town, by: &UserId, owner: &UserId, target: &str, object: &Value) -> Option<Kind> {
    let upload = BTreeMap::from([(owner.to_owned(), BTreeMap::from([(target.to_owned(), object.to_string())]))]);
    let mut failures = town.accounts.upload_signatures(by, upload).await.unwrap();
    failures.remove(owner).and_then(|mut of_owner| of_owner.remove(target)).map(|failure| failure.kind)
}

fn signatures(text: &str) -> Value {
    json(text)["signatures"].clone()
}

/// Alice's and Bob's keys: master, self-signing, user-signing, device.
async fn two_signers() -> (Town, [OwnedUserId; 2], [Vec<Pen>; 2]) {
    let (town, users) = town_with(&["alice", "bob"]).await;
    let pens: [Vec<Pen>; 2] = [(10..14).map(Pen::new).collect(), (20..24).map(Pen::new).collect()];
    for (user, pens) in users.iter().zip(&pens) {
        upload_device(&town.accounts, user, "DEVICE", &pens[3]).await;
        let keys = cross_signing(user, [&pens[0], &pens[1], &pens[2]]);
        town.accounts.upload_cross_signing(user, keys).await.unwrap();
    }
    (town, users.try_into().unwrap(), pens)
}

/// Hazard K1.
#[tokio::test]
async fn signatures_that_are_false_or_of_no_relationship_are_refused_and_not_stored() {
    let (town, [alice, bob], [a, b]) = two_signers().await;
    let (alice, bob) = (&alice, &bob);
    let own_device = device_keys(alice, "DEVICE", &a[3]);
    let own_master = cross_signing_key(alice, "master", &a[0]);
    let bobs_master = cross_signing_key(bob, "master", &b[0]);
    let bobs_device = device_keys(bob, "DEVICE", &b[3]);
    let other_device = device_keys(alice, "DEVICE", &b[3]);
    let (a_master, b_master) = (a[0].public(), b[0].public());
    let before = town.rows().len();
    let refused = [
        // Forged: another pen under the right name.
        (alice, "DEVICE", b[1].sign(own_device.clone(), alice, &a[1].public()), Kind::InvalidSignature),
        (alice, &*a_master, b[3].sign(own_master.clone(), alice, "DEVICE"), Kind::InvalidSignature),
        (bob, &*b_master, a[1].sign(bobs_master.clone(), alice, &a[2].public()), Kind::InvalidSignature),
        // True, but of no relationship: the wrong one of one's keys, another's device, a key that nobody has.
        (alice, "DEVICE", a[2].sign(own_device.clone(), alice, &a[2].public()), Kind::InvalidSignature),
        (alice, &*a_master, a[1].sign(own_master.clone(), alice, &a[1].public()), Kind::InvalidSignature),
        (bob, &*b_master, a[1].sign(bobs_master.clone(), alice, &a[1].public()), Kind::InvalidSignature),
        (bob, "DEVICE", a[2].sign(bobs_device, alice, &a[2].public()), Kind::NotFound),
        (alice, "GHOST", a[1].sign(own_device.clone(), alice, &a[1].public()), Kind::NotFound),
        // Somebody else's signature, handed in by Alice.
        (bob, &*b_master, b[3].sign(bobs_master, bob, "DEVICE"), Kind::InvalidSignature),
        // None, over another object, too large, no object.
        (alice, "DEVICE", own_device, Kind::InvalidSignature),
        (alice, "DEVICE", a[1].sign(other_device, alice, &a[1].public()), Kind::InvalidSignature),
        (alice, "DEVICE", json!({ "x": "y".repeat(20_000) }), Kind::TooLarge),
        (alice, "DEVICE", json!([]), Kind::BadJson),
    ];
    for (number, (owner, target, object, kind)) in refused.into_iter().enumerate() {
        assert_eq!(sign(&town, alice, owner, target, &object).await, Some(kind), "{number}");
    }
    assert_eq!(town.rows().len(), before);
}

#[tokio::test]
async fn signatures_are_shown_to_those_whom_they_concern() {
    let (town, [alice, bob], [a, b]) = two_signers().await;
    let (accounts, alice, bob) = (&town.accounts, &alice, &bob);
    let own_device = device_keys(alice, "DEVICE", &a[3]);
    let own_master = cross_signing_key(alice, "master", &a[0]);
    let bobs_master = cross_signing_key(bob, "master", &b[0]);
    let (a_master, b_master) = (a[0].public(), b[0].public());
    let start = accounts.position();
    let taken = [
        (alice, "DEVICE", a[1].sign(own_device, alice, &a[1].public())),
        (alice, &*a_master, a[3].sign(own_master, alice, "DEVICE")),
        (bob, &*b_master, a[2].sign(bobs_master, alice, &a[2].public())),
    ];
    for (owner, target, object) in taken {
        assert_eq!(sign(&town, alice, owner, target, &object).await, None);
    }
    let by = |text: &Value, pen: &Pen| !text[alice.as_str()][format!("ed25519:{}", pen.public())].is_null();
    let shown = query(accounts, bob, alice);
    assert!(by(&signatures(&shown.devices[device("DEVICE")]), &a[1]), "everybody sees one's own signatures");
    assert!(!signatures(&shown.master.unwrap())[alice.as_str()]["ed25519:DEVICE"].is_null());
    // Whom Alice has verified is Alice's business.
    assert!(by(&signatures(&query(accounts, alice, bob).master.unwrap()), &a[2]));
    assert!(!by(&signatures(&query(accounts, bob, bob).master.unwrap()), &a[2]));
    let outside = accounts.query_keys(None, bob, &[]).unwrap().unwrap();
    assert!(!by(&signatures(&outside.master.unwrap()), &a[2]));
    assert_eq!(accounts.device_list_changes(start, Position::END).unwrap(), [&**alice]);
    assert_eq!(accounts.signed_users(alice, start, Position::END).unwrap(), [&**bob]);
    assert!(accounts.signed_users(bob, Position::START, Position::END).unwrap().is_empty());

    // A new self-signing key: what the old one signed is gone.
    accounts.open_reset_window(alice).await.unwrap();
    let new = Pen::new(30);
    accounts.upload_cross_signing(alice, cross_signing(alice, [&a[0], &new, &a[2]])).await.unwrap();
    let shown = query(accounts, bob, alice);
    assert!(!by(&signatures(&shown.devices[device("DEVICE")]), &a[1]));
    assert!(!signatures(&shown.master.unwrap())[alice.as_str()]["ed25519:DEVICE"].is_null());
}

#[tokio::test]
async fn a_query_names_devices_or_wants_all() {
    let (town, users) = town_with(&["alice"]).await;
    let alice = &users[0];
    town.session(alice, "OTHER").await;
    upload_device(&town.accounts, alice, "DEVICE", &Pen::new(1)).await;
    upload_device(&town.accounts, alice, "OTHER", &Pen::new(2)).await;
    let names = |devices: &[OwnedDeviceId]| -> Vec<OwnedDeviceId> {
        town.accounts.query_keys(Some(alice), alice, devices).unwrap().unwrap().devices.into_keys().collect()
    };
    assert_eq!(names(&[]), ["DEVICE", "OTHER"]);
    assert_eq!(names(&["OTHER".into(), "GHOST".into()]), [<&DeviceId>::from("OTHER")]);
    let ghost: OwnedUserId = "@ghost:town1.test".try_into().unwrap();
    assert_eq!(town.accounts.query_keys(Some(alice), &ghost, &[]).unwrap(), None);
}

/// A user of another server: the signature is kept here and shown to its maker alone.
#[tokio::test]
async fn a_master_key_of_another_server_is_signed_for_ones_own_eyes() {
    let (town, [alice, bob], [a, _]) = two_signers().await;
    let abroad: OwnedUserId = "@carl:abroad.test".try_into().unwrap();
    let [master, self_signing, unused] = [50, 51, 52].map(Pen::new);
    let keys = cross_signing(&abroad, [&master, &self_signing, &unused]);
    let (text, key) = (json(keys.master.as_ref().unwrap()), master.public());
    let signed = a[2].sign(text.clone(), &alice, &a[2].public());
    // Their server does not answer, or knows of another key: nothing can be said.
    let before = town.rows();
    assert_eq!(sign(&town, &alice, &abroad, &key, &signed).await, Some(Kind::Unavailable));
    let answer = |key: &Pen| PublicKeys {
        master: BTreeMap::from([(abroad.clone(), cross_signing_key(&abroad, "master", key).to_string())]),
        ..PublicKeys::default()
    };
    let answers = |key: &Pen| town.others.script().keys.insert("abroad.test".try_into().unwrap(), answer(key));
    answers(&unused);
    assert_eq!(sign(&town, &alice, &abroad, &key, &signed).await, Some(Kind::NotFound));
    answers(&master);
    let forged = a[1].sign(text.clone(), &alice, &a[2].public());
    assert_eq!(sign(&town, &alice, &abroad, &key, &forged).await, Some(Kind::InvalidSignature));
    assert!(town.rows() == before);

    let start = town.accounts.position();
    assert_eq!(sign(&town, &alice, &abroad, &key, &signed).await, None);
    assert_eq!(town.accounts.signed_users(&alice, start, Position::END).unwrap(), [&*abroad]);
    assert!(town.accounts.device_list_changes(start, Position::END).unwrap().is_empty(), "it concerns nobody else");
    let by_alice = async |caller: &UserId| {
        let wanted = BTreeMap::from([(abroad.clone(), Vec::new())]);
        let within = std::time::Duration::from_secs(10);
        let answer = town.accounts.query_remote_keys(caller, &wanted, &BTreeMap::new(), within).await.unwrap();
        let master = answer.found[&abroad].master.clone().unwrap();
        !signatures(&master)[alice.as_str()][format!("ed25519:{}", a[2].public())].is_null()
    };
    assert!(by_alice(&alice).await);
    assert!(!by_alice(&bob).await);
}
