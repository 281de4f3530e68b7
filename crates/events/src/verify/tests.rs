//! Signatures and hashes: who must have signed, and what happens to an altered event.

use serde_json::{Value, json};

use super::*;
use crate::{
    Pdu, canonical_event,
    fixture::{ALICE, BOB, Room, public_keys, version},
};

fn parsed(event: &Value) -> CanonicalJsonObject {
    canonical_event(&event.to_string()).unwrap()
}

fn json_of(event: &Pdu) -> Value {
    serde_json::from_str(event.json()).unwrap()
}

#[test]
fn what_we_sign_verifies_and_what_is_altered_does_not() {
    let keys = public_keys(&["one.example"]);
    for number in 1..=12 {
        let version = version(number);
        let room = Room::new(version, ALICE);
        let event = room.seal(room.draft(ALICE, "m.room.message", None, json!({"body": "Bonjour"}))).unwrap();
        let json = json_of(&event);
        assert_eq!(verify(&parsed(&json), &keys, version), Ok(Verified::All), "{version}");
        // The content alone: maybe a redaction.
        let mut altered = json.clone();
        altered["content"]["body"] = "Bonsoir".into();
        assert_eq!(verify(&parsed(&altered), &keys, version), Ok(Verified::Redacted), "{version}");
        // Not signed, so that anybody may add to it.
        let mut altered = json.clone();
        altered["unsigned"] = json!({"age": 1});
        assert_eq!(verify(&parsed(&altered), &keys, version), Ok(Verified::All), "{version}");
        // What a redaction keeps is signed.
        for (field, value) in [
            ("depth", json!(99)),
            ("origin_server_ts", json!(1)),
            ("room_id", json!("!other:one.example")),
            ("type", json!("m.room.encrypted")),
            ("state_key", json!("")),
            ("prev_events", json!([])),
            ("hashes", json!({"sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"})),
            ("sender", json!("@mallory:one.example")),
        ] {
            let mut altered = json.clone();
            altered[field] = value;
            let verdict = verify(&parsed(&altered), &keys, version);
            assert!(matches!(verdict, Err(Error::InvalidSignature(_))), "{version} {field}: {verdict:?}");
        }
    }
}

/// Hazards F4, F5.
#[test]
fn the_right_server_must_have_signed_with_a_known_key() {
    let keys = public_keys(&["one.example", "two.example"]);
    for number in 1..=12 {
        let version = version(number);
        let room = Room::new(version, ALICE);
        let event = room.seal(room.draft(ALICE, "m.room.message", None, json!({}))).unwrap();
        let json = json_of(&event);
        let signature = json["signatures"]["one.example"]["ed25519:1"].as_str().unwrap().to_owned();
        let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
        for signatures in [
            json!({}),
            json!({"one.example": {}}),
            json!({"two.example": {"ed25519:1": signature}}),
            json!({"one.example": {"ed25519:2": signature}}),
            json!({"one.example": {"rsa:1": signature}}),
            json!({"one.example": {"ed25519:1": format!("{flipped}{}", &signature[1..])}}),
            json!({"one.example": {"ed25519:1": "AAAA"}}),
            json!({"one.example": {"ed25519:1": ""}}),
        ] {
            let mut altered = json.clone();
            altered["signatures"] = signatures.clone();
            let verdict = verify(&parsed(&altered), &keys, version);
            assert!(matches!(verdict, Err(Error::InvalidSignature(_))), "{version} {signatures}: {verdict:?}");
        }
        let none = PublicKeys::default();
        assert!(matches!(verify(&parsed(&json), &none, version), Err(Error::InvalidSignature(_))));
        let wrong = public_keys(&["two.example"]);
        assert!(matches!(verify(&parsed(&json), &wrong, version), Err(Error::InvalidSignature(_))));
        for field in ["signatures", "hashes"] {
            let mut altered = json.clone();
            altered.as_object_mut().unwrap().remove(field);
            assert!(matches!(verify(&parsed(&altered), &keys, version), Err(Error::Malformed(_))), "{field}");
        }
    }
}

/// Hazard F21: who vouched for a join to a restricted room signs it too, since version 8.
#[test]
fn who_must_sign() {
    for number in 1..=12 {
        let version = version(number);
        let room = Room::busy(version);
        let signers = |content: Value| {
            let event = room.seal(room.draft(BOB, "m.room.member", Some(BOB), content)).unwrap();
            let signers = required_signers(&canonical_event(event.json()).unwrap(), version).unwrap();
            signers.into_iter().map(|server| server.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(signers(json!({"membership": "join"})), ["two.example"]);
        let vouched = signers(json!({"membership": "join", "join_authorised_via_users_server": ALICE}));
        assert_eq!(vouched.contains(&"one.example".to_owned()), number >= 8, "{version}");
        // An invitation by e-mail is vouched for by its token; the inviter's server may not know of it.
        let by_email = signers(json!({"membership": "invite", "third_party_invite": {"signed": {}}}));
        assert_eq!(by_email.len(), usize::from(version.ids_are_given()), "{version}");
    }
}

#[test]
fn the_keys_to_fetch_are_those_of_who_must_have_signed() {
    for number in 1..=12 {
        let version = version(number);
        let room = Room::busy(version);
        let content = json!({"membership": "join", "join_authorised_via_users_server": ALICE});
        let mut json = json_of(&room.seal(room.draft(BOB, "m.room.member", Some(BOB), content)).unwrap());
        let keys_of = |json: &Value| {
            let keys = signing_keys_of(&parsed(json), version).unwrap();
            keys.into_iter().map(|(server, id)| format!("{server} {id}")).collect::<Vec<_>>()
        };
        assert_eq!(keys_of(&json), ["two.example ed25519:1"], "{version}");
        json["signatures"]["one.example"] = json!({"ed25519:a": "x", "ed25519:b": 5});
        json["signatures"]["evil.example"] = json!({"ed25519:a": "x"});
        json["signatures"]["two.example"]["rsa:1"] = "x".into();
        json["signatures"]["two.example"]["ed25519:a b"] = "x".into();
        let restricted = ["one.example ed25519:a", "one.example ed25519:b", "two.example ed25519:1"];
        let expected = if version.has_restricted_joins() { &restricted[..] } else { &restricted[2..] };
        assert_eq!(keys_of(&json), expected, "{version}");
        for n in 0..100 {
            json["signatures"]["two.example"][format!("ed25519:{n}")] = "x".into();
        }
        json["signatures"]["one.example"] = json!([]);
        assert_eq!(keys_of(&json).len(), KEYS_PER_SIGNER_MAX);
        json["sender"] = "nobody".into();
        assert!(matches!(signing_keys_of(&parsed(&json), version), Err(Error::Malformed(_))));
    }
}
