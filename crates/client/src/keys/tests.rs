//! Encryption keys and to-device messages over HTTP, with real signatures.

mod others;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use http::Method;
use kernel::id::UserId;
use ruma_common::canonical_json::CanonicalJsonObject;
use serde_json::{Value, json};

use crate::testing::{BASE_URL, Person, TestSite};

const V3: &str = "/_matrix/client/v3";

/// The key pair of this number.
pub(crate) fn pair(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn public(pair: &SigningKey) -> String {
    STANDARD_NO_PAD.encode(pair.verifying_key())
}

/// The object with a signature (spec appendices, "Signing JSON").
pub(crate) fn signed(mut object: Value, user: &UserId, key: &str, pair: &SigningKey) -> Value {
    let signed_part: CanonicalJsonObject = serde_json::from_value(object.clone()).unwrap();
    let text = serde_json::to_string(&signed_part).unwrap();
    let signature = STANDARD_NO_PAD.encode(pair.sign(text.as_bytes()).to_bytes());
    object["signatures"] = json!({ user.as_str(): { key: signature } });
    object
}

pub(crate) fn device_keys(person: &Person, pair: &SigningKey) -> Value {
    let (user, device) = (&person.user, &person.device);
    let key = format!("ed25519:{device}");
    let keys = json!({
        "user_id": user, "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": { (key.as_str()): public(pair), format!("curve25519:{device}"): public(pair) },
    });
    signed(keys, user, &key, pair)
}

/// `POST /keys/device_signing/upload` of keys made from this number.
pub(crate) fn cross_signing(user: &UserId, number: u8) -> Value {
    let (master, own, users) = (pair(number), pair(number + 1), pair(number + 2));
    let key = |usage: &str, pair: &SigningKey| json!({ "user_id": user, "usage": [usage], "keys": { format!("ed25519:{}", public(pair)): public(pair) } });
    let by_master = format!("ed25519:{}", public(&master));
    json!({
        "master_key": key("master", &master),
        "self_signing_key": signed(key("self_signing", &own), user, &by_master, &master),
        "user_signing_key": signed(key("user_signing", &users), user, &by_master, &master),
    })
}

#[tokio::test]
async fn device_keys_are_uploaded_queried_and_claimed_once() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (upload, query, claim) = (format!("{V3}/keys/upload"), format!("{V3}/keys/query"), format!("{V3}/keys/claim"));
    let keys = device_keys(&alice, &pair(1));
    let one_time = json!({ "key": public(&pair(2)), "signatures": {} });
    let body = json!({ "device_keys": keys, "one_time_keys": { "signed_curve25519:AAAA": one_time } });
    let counts = site.post(&alice, &upload, body.clone()).await.ok();
    assert_eq!(counts, json!({ "one_time_key_counts": { "signed_curve25519": 1 } }));
    // Clients ask how many are left by an empty upload, and repeat uploads whose answer they missed.
    assert_eq!(site.post(&alice, &upload, json!({})).await.ok(), counts);
    assert_eq!(site.post(&alice, &upload, body).await.ok(), counts);

    let ask = json!({ "device_keys": { alice.user.as_str(): [], "@nobody:metz.example": [], "@x:nancy.example": [] } });
    let found = site.post(&bob, &query, ask).await.ok();
    let device = &found["device_keys"][alice.user.as_str()]["ALICE1"];
    assert_eq!((&device["keys"], &device["signatures"]), (&keys["keys"], &keys["signatures"]));
    assert_eq!(device["unsigned"]["device_display_name"], "ALICE1 in a test");
    assert!(found["device_keys"]["@nobody:metz.example"].is_null());
    assert!(found["failures"]["nancy.example"].is_object());

    let ask = json!({ "one_time_keys": { alice.user.as_str(): { "ALICE1": "signed_curve25519" } } });
    let claimed = site.post(&bob, &claim, ask.clone()).await.ok();
    assert_eq!(claimed["one_time_keys"][alice.user.as_str()]["ALICE1"]["signed_curve25519:AAAA"], one_time);
    assert_eq!(site.post(&bob, &claim, ask).await.ok()["one_time_keys"], json!({}));
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused_and_change_nothing() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let upload = format!("{V3}/keys/upload");
    let before = site.town.accounts.position();
    let of_bob = device_keys(&bob, &pair(1));
    site.post(&alice, &upload, json!({ "device_keys": of_bob })).await.refused(400, "M_INVALID_PARAM");
    let mut forged = device_keys(&alice, &pair(1));
    forged["algorithms"] = json!(["m.other"]);
    site.post(&alice, &upload, json!({ "device_keys": forged })).await.refused(400, "M_INVALID_SIGNATURE");
    let wrong = json!({ "one_time_keys": { "signed_curve25519:AAAA": 7 } });
    site.post(&alice, &upload, wrong).await.refused(400, "M_BAD_JSON");
    site.post(&alice, &upload, json!({ "one_time_keys": { "no-key-id": "x" } })).await.refused(400, "M_BAD_JSON");
    site.ask(Method::POST, None, &upload, Some(json!({}))).await.refused(401, "M_MISSING_TOKEN");
    assert_eq!(site.town.accounts.position(), before);
}

#[tokio::test]
async fn the_first_cross_signing_keys_are_free_and_others_need_a_confirmation() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let path = format!("{V3}/keys/device_signing/upload");
    let query = json!({ "device_keys": { alice.user.as_str(): [] } });
    let (first, second) = (cross_signing(&alice.user, 10), cross_signing(&alice.user, 20));
    site.post(&alice, &path, first.clone()).await.ok();
    site.post(&alice, &path, first.clone()).await.ok();
    let seen = site.post(&bob, &format!("{V3}/keys/query"), query.clone()).await.ok();
    assert_eq!(seen["master_keys"][alice.user.as_str()]["keys"], first["master_key"]["keys"]);
    assert!(seen["user_signing_keys"].is_null(), "only its owner sees it");

    let stages = site.post(&alice, &path, second.clone()).await.refused(401, "");
    let flows = json!([{ "stages": ["m.oauth"] }, { "stages": ["org.matrix.cross_signing_reset"] }]);
    assert_eq!(stages["flows"], flows);
    let url = format!("{BASE_URL}/account/?action=org.matrix.cross_signing_reset");
    assert_eq!(stages["params"]["m.oauth"]["url"], url);
    assert_eq!(stages["params"]["org.matrix.cross_signing_reset"]["url"], url);
    // Nothing that a client says replaces the person's own confirmation.
    let before = site.town.accounts.position();
    for auth in claims_to_have_confirmed(&alice.user, &stages["session"]) {
        let mut body = second.clone();
        body["auth"] = auth;
        site.post(&alice, &path, body).await.refused(401, "");
    }
    assert_eq!(site.town.accounts.position(), before);
    let own = site.post(&alice, &format!("{V3}/keys/query"), query.clone()).await.ok();
    assert_eq!(own["master_keys"][alice.user.as_str()]["keys"], first["master_key"]["keys"]);
    assert_eq!(own["user_signing_keys"][alice.user.as_str()]["keys"], first["user_signing_key"]["keys"]);

    site.town.accounts.open_reset_window(&alice.user).await.unwrap();
    site.post(&alice, &path, second.clone()).await.ok();
    site.post(&alice, &path, first).await.refused(401, "");
    let seen = site.post(&bob, &format!("{V3}/keys/query"), query).await.ok();
    assert_eq!(seen["master_keys"][alice.user.as_str()]["keys"], second["master_key"]["keys"]);
}

/// Hazard A2: elsewhere, an `auth` of a password that nobody had passed.
fn claims_to_have_confirmed(user: &UserId, session: &Value) -> Vec<Value> {
    let identifier = json!({ "type": "m.id.user", "user": user });
    let mut claims =
        vec![json!({ "session": session }), json!({ "session": "x" }), json!({ "session": "" }), json!({})];
    for kind in ["m.oauth", "org.matrix.cross_signing_reset", "m.login.dummy", "m.login.sso", "m.login.terms", ""] {
        claims.push(json!({ "type": kind, "session": session }));
    }
    for password in [json!(""), json!("x"), json!("*"), json!("!"), json!(null), json!(0), json!([]), json!({})] {
        claims.push(json!({ "type": "m.login.password", "session": session, "identifier": identifier, "user": user,
            "password": password }));
    }
    claims.push(json!({ "type": "m.login.password", "session": session, "identifier": identifier }));
    claims.push(json!({ "type": "m.login.token", "session": session, "token": "" }));
    claims
}

#[tokio::test]
async fn a_signature_is_shown_and_a_forged_one_is_reported() {
    let site = TestSite::open();
    let alice = site.person("alice").await;
    let keys = device_keys(&alice, &pair(1));
    site.post(&alice, &format!("{V3}/keys/upload"), json!({ "device_keys": keys })).await.ok();
    site.post(&alice, &format!("{V3}/keys/device_signing/upload"), cross_signing(&alice.user, 10)).await.ok();
    let mut bare = keys.clone();
    bare.as_object_mut().unwrap().remove("signatures");
    let (own, key) = (pair(11), format!("ed25519:{}", public(&pair(11))));
    let path = format!("{V3}/keys/signatures/upload");

    let forged = signed(bare.clone(), &alice.user, &key, &pair(99));
    let answer = site.post(&alice, &path, json!({ alice.user.as_str(): { "ALICE1": forged } })).await.ok();
    assert_eq!(answer["failures"][alice.user.as_str()]["ALICE1"]["errcode"], "M_INVALID_SIGNATURE");
    let good = signed(bare, &alice.user, &key, &own);
    let answer = site.post(&alice, &path, json!({ alice.user.as_str(): { "ALICE1": good } })).await.ok();
    assert_eq!(answer, json!({ "failures": {} }));
    let query = json!({ "device_keys": { alice.user.as_str(): ["ALICE1"] } });
    let seen = site.post(&alice, &format!("{V3}/keys/query"), query).await.ok();
    let signatures = &seen["device_keys"][alice.user.as_str()]["ALICE1"]["signatures"][alice.user.as_str()];
    assert_eq!(signatures[&key], good["signatures"][alice.user.as_str()][&key]);
}

#[tokio::test]
async fn a_backup_keeps_the_best_of_each_key_until_its_version_ends() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let (versions, keys) = (format!("{V3}/room_keys/version"), format!("{V3}/room_keys/keys"));
    site.get(&alice, &versions).await.refused(404, "M_NOT_FOUND");
    let description = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
        "auth_data": { "public_key": "YWJjZGVm", "signatures": {}, "io.element.extra": [1] } });
    let made = site.post(&alice, &versions, description.clone()).await.ok();
    let version = made["version"].as_str().unwrap();
    let info = site.get(&alice, &versions).await.ok();
    assert_eq!((&info["auth_data"], &info["count"]), (&description["auth_data"], &json!(0)));
    site.get(&bob, &format!("{versions}/{version}")).await.refused(404, "M_NOT_FOUND");

    let key = |index: u64, verified: bool| {
        json!({ "first_message_index": index, "forwarded_count": 0, "is_verified": verified,
            "session_data": { "ephemeral": "ZQ", "ciphertext": "Yw", "mac": "bQ" } })
    };
    let room = "!a:metz.example";
    let body = json!({ "rooms": { room: { "sessions": { "one": key(5, false), "two": key(1, true) } } } });
    let state = site.put(&alice, &format!("{keys}?version={version}"), body).await.ok();
    assert_eq!(state["count"], 2);
    let one = format!("{keys}/{room}/one?version={version}");
    site.put(&alice, &one, key(9, false)).await.ok();
    assert_eq!(site.get(&alice, &one).await.ok(), key(5, false), "a later index is worse");
    let better = site.put(&alice, &one, key(0, false)).await.ok();
    assert_ne!(better["etag"], state["etag"]);
    let of_room = site.get(&alice, &format!("{keys}/{room}?version={version}")).await.ok();
    assert_eq!(of_room, json!({ "sessions": { "one": key(0, false), "two": key(1, true) } }));
    let all = site.get(&alice, &format!("{keys}?version={version}")).await.ok();
    assert_eq!(all, json!({ "rooms": { room: of_room } }));
    site.put(&alice, &one, json!({ "first_message_index": -1 })).await.refused(400, "M_BAD_JSON");

    site.get(&alice, &format!("{keys}/{room}/none?version={version}")).await.refused(404, "M_NOT_FOUND");
    let empty = site.get(&alice, &format!("{keys}/!b:metz.example?version={version}")).await.ok();
    assert_eq!(empty, json!({ "sessions": {} }));
    site.get(&alice, &format!("{keys}?version=77")).await.refused(404, "M_NOT_FOUND");
    site.get(&alice, &keys).await.refused(400, "M_MISSING_PARAM");
    assert_eq!(site.delete(&alice, &one).await.ok()["count"], 1);

    let second = site.post(&alice, &versions, description).await.ok();
    assert_ne!(second["version"], version);
    let wrong = site.put(&alice, &one, key(0, true)).await.refused(403, "M_WRONG_ROOM_KEYS_VERSION");
    assert_eq!(wrong["current_version"], second["version"]);
    site.delete(&alice, &format!("{versions}/{}", second["version"].as_str().unwrap())).await.ok();
    site.get(&alice, &format!("{keys}?version={}", second["version"].as_str().unwrap()))
        .await
        .refused(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn messages_reach_one_device_or_all_and_a_transaction_is_done_once() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let phone = site.sign_in(&bob.user, "PHONE").await;
    let send = |txn: &str| format!("{V3}/sendToDevice/m.room_key_request/{txn}");
    let to = |device: &str, n: u8| {
        json!({ "messages": { bob.user.as_str(): { device: { "n": n } },
        "@nobody:metz.example": { "*": { "n": n } }, "@x:nancy.example": { "*": { "n": n } } } })
    };
    site.put(&alice, &send("a"), to("*", 1)).await.ok();
    site.put(&alice, &send("a"), to("*", 1)).await.ok();
    site.put(&alice, &send("b"), to("PHONE", 2)).await.ok();
    let waiting = |person: &Person| {
        let accounts = &site.town.accounts;
        let (start, end) = (kernel::Position::START, accounts.position());
        let inbox = accounts.inbox(&person.user, &person.device, start, end, 10).unwrap();
        inbox.into_iter().map(|item| item.content).collect::<Vec<_>>()
    };
    assert_eq!(waiting(&bob), [r#"{"n":1}"#]);
    assert_eq!(waiting(&phone), [r#"{"n":1}"#, r#"{"n":2}"#]);
    site.put(&alice, &send("c"), json!({ "messages": { bob.user.as_str(): { "*": 3 } } }))
        .await
        .refused(400, "M_BAD_JSON");
    assert_eq!(waiting(&bob).len(), 1);
}

#[tokio::test]
async fn changed_devices_are_told_to_those_who_share_a_room() {
    let site = TestSite::open();
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let stranger = site.person("eve").await;
    let request = rooms::CreateRoom { preset: Some(rooms::Preset::PublicChat), ..Default::default() };
    let room = site.town.rooms.create(&site.town.actor(&alice.user).unwrap(), request).await.unwrap();
    site.town.rooms.join(&site.town.actor(&bob.user).unwrap(), &room, None).await.unwrap();
    let token = |position: kernel::Position| crate::sync::Token { position, inbox: position, typing: 0 }.to_string();
    let from = token(site.town.accounts.position());
    for person in [&alice, &stranger] {
        let body = json!({ "device_keys": device_keys(person, &pair(1)) });
        site.post(person, &format!("{V3}/keys/upload"), body).await.ok();
    }
    let to = token(site.town.accounts.position());
    let path = format!("{V3}/keys/changes?from={from}&to={to}");
    assert_eq!(site.get(&bob, &path).await.ok(), json!({ "changed": [alice.user], "left": [] }));
    let path = format!("{V3}/keys/changes?from={to}&to={to}");
    assert_eq!(site.get(&bob, &path).await.ok(), json!({ "changed": [], "left": [] }));
    site.get(&bob, &format!("{V3}/keys/changes?from=x&to={to}")).await.refused(400, "M_INVALID_PARAM");

    // A new device of hers, once it has keys; and its end.
    let tablet = site.sign_in(&alice.user, "TABLET").await;
    let upload = json!({ "device_keys": device_keys(&tablet, &pair(2)) });
    site.post(&tablet, &format!("{V3}/keys/upload"), upload).await.ok();
    let added = site.get(&bob, &format!("{V3}/sync?since={to}")).await.ok();
    assert_eq!(added["device_lists"], json!({ "changed": [alice.user], "left": [] }));
    site.town.accounts.end_session(&alice.user, &tablet.device).await.unwrap();
    let gone = site.get(&bob, &format!("{V3}/sync?since={}", added["next_batch"].as_str().unwrap())).await.ok();
    assert_eq!(gone["device_lists"], json!({ "changed": [alice.user], "left": [] }));
}
