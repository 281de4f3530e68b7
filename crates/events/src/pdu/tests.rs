//! Events sealed, sent and stored, against the specification's vectors.

use kernel::id::ServerName;
use serde_json::{Value, json};

use super::*;
use crate::{
    Draft, Signer,
    fixture::{ALICE, BOB, Room, signer, user},
};

/// The vectors of the specification (appendices, "Cryptographic Test Vectors").
#[test]
fn the_vectors_of_the_specification_for_signing_events() {
    let secret = ruma_common::serde::Base64::<ruma_common::serde::base64::Standard>::parse(
        "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
    )
    .unwrap();
    let domain = <&ServerName>::try_from("domain").unwrap();
    let signer = Signer::from_secret(domain.to_owned(), "1", secret.as_bytes().try_into().unwrap()).unwrap();
    assert_eq!(signer.public_key_base64(), "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI");
    for (event, hash, signature) in [
        (
            json!({"room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1_000_000,
                "signatures": {}, "hashes": {}, "type": "X", "content": {}, "prev_events": [], "auth_events": [],
                "depth": 3, "unsigned": {"age_ts": 1_000_000}}),
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            json!({"content": {"body": "Here is the message content"}, "event_id": "$0:domain", "origin": "domain",
                "origin_server_ts": 1_000_000, "type": "m.room.message", "room_id": "!r:domain",
                "sender": "@u:domain", "signatures": {}, "unsigned": {"age_ts": 1_000_000}}),
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ] {
        let mut object = canonical_event(&event.to_string()).unwrap();
        signer.hash_and_sign(&mut object, &RoomVersion::V1.rules().redaction).unwrap();
        let signed: Value = serde_json::from_str(&canonical_string(&object)).unwrap();
        assert_eq!(signed["hashes"]["sha256"], hash);
        assert_eq!(signed["signatures"]["domain"]["ed25519:1"], signature);
    }
}

#[test]
fn what_is_sealed_reads_back_the_same_from_the_wire_and_from_the_store() {
    for version in RoomVersion::all() {
        let mut room = Room::busy(version);
        let content = json!({"body": "à l'Hôtel de Ville \u{0} \"😀\"", "n": -3});
        let sealed = room.send(BOB, "m.room.message", None, content);
        let mut events: Vec<_> = room.events.values().cloned().collect();
        events.push(sealed);
        for event in events {
            // Of the event, not of its pointer, which is one of ruma's events too.
            let event: &Pdu = &event;
            let parsed = Pdu::parse(event.json(), version).unwrap();
            let id = event.event_id().to_owned();
            let stored = Pdu::from_stored(id, event.json().to_owned(), version, true).unwrap();
            for read in [&parsed, &stored] {
                assert_eq!(read.event_id(), event.event_id(), "{version}");
                assert_eq!(read.json(), event.json());
                assert_eq!(read.room_id(), &*room.id);
                assert_eq!(read.sender(), event.sender());
                assert_eq!((read.kind(), read.state_key()), (event.kind(), event.state_key()));
                assert_eq!(read.content().get(), event.content().get());
                assert_eq!(read.prev_events(), event.prev_events());
                assert_eq!(read.auth_events(), event.auth_events());
                assert_eq!((read.depth(), read.origin_server_ts()), (event.depth(), event.origin_server_ts()));
            }
            assert!(stored.rejected() && !parsed.rejected());
        }
    }
}

#[test]
fn a_redaction_names_its_target_where_the_version_has_it() {
    for version in RoomVersion::all() {
        let mut room = Room::busy(version);
        let target = room.send(ALICE, "m.room.message", None, json!({"body": "x"}));
        let draft = Draft {
            redacts: Some(target.event_id().to_owned()),
            ..room.draft(ALICE, "m.room.redaction", None, json!({"reason": "spam"}))
        };
        let redaction = room.check(draft).unwrap();
        assert_eq!(redaction.redacts(), Some(target.event_id()), "{version}");
        let json: Value = serde_json::from_str(redaction.json()).unwrap();
        let in_content = version.redacts_in_content();
        assert_eq!(json.get("redacts").is_some(), !in_content, "{version}");
        assert_eq!(json["content"].get("redacts").is_some(), in_content, "{version}");
        // In the other version's place, or as something else than an id, it names nothing.
        for junk in [json!(null), json!(1), json!("nonsense"), json!({}), json!([target.event_id().as_str()])] {
            let mut odd = json.clone();
            let place = if in_content { &mut odd["content"] } else { &mut odd };
            place["redacts"] = junk;
            let other = if in_content { &mut odd } else { &mut odd["content"] };
            other["redacts"] = target.event_id().as_str().into();
            assert_eq!(Pdu::parse(&odd.to_string(), version).unwrap().redacts(), None, "{version}");
        }
        assert_eq!(target.redacts(), None);
    }
}

#[test]
fn only_the_senders_own_server_seals_and_old_rooms_need_hashes() {
    let room = Room::busy(RoomVersion::V12);
    let draft = room.draft(ALICE, "m.room.message", None, json!({}));
    let other = signer(user(BOB).server_name());
    assert!(matches!(draft.seal(RoomVersion::V12, &other), Err(Error::Malformed(_))));
    let room = Room::busy(RoomVersion::V1);
    let draft = room.draft(ALICE, "m.room.message", None, json!({}));
    assert!(matches!(draft.seal(RoomVersion::V1, &signer(user(ALICE).server_name())), Err(Error::Malformed(_))));
}

#[test]
fn a_signing_key_is_a_secret_with_a_plain_name() {
    let server = <&ServerName>::try_from("one.example").unwrap();
    let secret = Signer::generate_secret(&kernel::random::SeededRandom::new(1));
    let signer = Signer::from_secret(server.to_owned(), "a_1", &secret).unwrap();
    assert_eq!(signer.key_id(), "ed25519:a_1");
    assert!(!format!("{signer:?}").contains(&format!("{secret:?}")));
    for (version, secret) in [("", secret), ("a:b", secret), ("é", secret), ("1", [0; 32]), ("1", [255; 32])] {
        assert!(matches!(Signer::from_secret(server.to_owned(), version, &secret), Err(Error::SigningKey(_))));
    }
    assert!(Signer::from_pkcs8(server.to_owned(), "1", b"nonsense").is_err());
}

#[test]
fn what_the_store_lost_is_told_and_never_read_as_an_event() {
    let id = EventId::parse("$x:one.example").unwrap();
    for damaged in ["", "{}", "null", "[]", "{\"room_id\":\"!a:b\"}", "\0\0\0\0"] {
        let read = Pdu::from_stored(id.clone(), damaged.into(), RoomVersion::V12, false);
        assert!(matches!(read, Err(Error::Stored(_))), "{damaged}");
    }
}

/// ruma folds the names that unstable types once had into one: two keys of state would become one. None is folded with the
/// features that we build with, and this test says so should that change.
#[test]
fn no_type_of_event_is_another_by_alias() {
    for kind in [
        "m.call.member",
        "org.matrix.msc3401.call.member",
        "m.beacon_info",
        "org.matrix.msc3672.beacon_info",
        "m.room.retention",
        "org.matrix.room.retention",
        "m.room.language",
        "m.member_hints",
        "im.vector.room.access_rules",
        "m.image",
        "org.matrix.msc1767.image",
        "m.space_order",
        "m.room.policy",
        "org.matrix.msc4284.policy",
    ] {
        assert_eq!(TimelineEventType::from(kind).to_string(), kind);
        assert_eq!(ruma_events::StateEventType::from(kind).to_string(), kind);
    }
}
