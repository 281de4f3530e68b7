//! The format of events, version by version: field types, sizes, depth.

use serde_json::{Value, json};

use super::*;
use crate::{
    Pdu,
    fixture::{ALICE, Room, telling_versions, version},
};

fn object(event: &Value) -> CanonicalJsonObject {
    crate::canonical_event(&event.to_string()).unwrap()
}

/// A message in a room of the version, as JSON to spoil.
fn message(version: RoomVersion) -> Value {
    let room = Room::new(version, ALICE);
    let event = room.seal(room.draft(ALICE, "m.room.message", None, json!({"body": "Bonjour"}))).unwrap();
    serde_json::from_str(event.json()).unwrap()
}

fn spoiled(version: RoomVersion, field: &str, value: Option<Value>) -> Result<Pdu> {
    let mut event = message(version);
    match value {
        Some(value) => event[field] = value,
        None => drop(event.as_object_mut().unwrap().remove(field)),
    }
    Pdu::parse(&event.to_string(), version)
}

#[test]
fn our_own_events_pass_in_every_version() {
    for version in RoomVersion::all() {
        let event = message(version);
        check_format(&object(&event), version).unwrap();
        assert!(Pdu::parse(&event.to_string(), version).is_ok(), "{version}");
    }
}

/// Hazard E1: a depth beyond 2^53 − 1 broke all outbound federation of whoever took it.
#[test]
fn depth_is_an_integer_that_json_can_carry() {
    for version in telling_versions() {
        for good in [json!(0), json!(1), json!(9_007_199_254_740_991_u64)] {
            assert!(spoiled(version, "depth", Some(good)).is_ok(), "{version}");
        }
        let bad = ["9007199254740992", "9223372036854775807", "-1", "1.0", "\"5\"", "null", "[]", "1e3"];
        for bad in bad {
            let event = message(version);
            let depth = format!("\"depth\":{}", event["depth"]);
            let json = event.to_string().replace(&depth, &format!("\"depth\":{bad}"));
            assert!(json.contains(bad));
            assert!(Pdu::parse(&json, version).is_err(), "{version} {bad}");
        }
        assert!(spoiled(version, "depth", None).is_err());
    }
}

#[test]
fn every_field_has_its_type() {
    let required = ["auth_events", "content", "depth", "origin_server_ts", "prev_events", "room_id", "sender", "type"];
    for version in telling_versions() {
        for field in required {
            assert!(matches!(spoiled(version, field, None), Err(Error::Malformed(_))), "{version} without {field}");
            for wrong in [json!(null), json!(true), json!({"a": "b"}), json!(["a"]), json!("a"), json!(-1)] {
                let fits = field == "type" && wrong.is_string() || field == "content" && wrong.is_object();
                let result = spoiled(version, field, Some(wrong.clone()));
                assert_eq!(result.is_ok(), fits, "{version} {field}: {wrong}");
            }
        }
        for field in ["hashes", "signatures", "unsigned"] {
            for wrong in [json!(null), json!([]), json!("x"), json!(1)] {
                assert!(spoiled(version, field, Some(wrong)).is_err(), "{version} {field}");
            }
        }
        for wrong in [json!(null), json!(1), json!({})] {
            assert!(spoiled(version, "state_key", Some(wrong)).is_err());
        }
        for sender in ["alice:one.example", "@alice", "@alice:", "@alice:one example", "@alice:one.example\0"] {
            assert!(spoiled(version, "sender", Some(sender.into())).is_err(), "{sender}");
        }
        // Foreign fields are let through, hashed and kept.
        assert!(spoiled(version, "org.example.extra", Some(json!([1]))).is_ok());
    }
}

/// Hazard E9: bytes count, not characters.
#[test]
fn sizes_are_counted_in_bytes_and_of_free_text_in_old_versions_in_characters() {
    for version in telling_versions() {
        let is_old = version < RoomVersion::V11;
        for (state_key, fits) in [
            ("k".repeat(255), true),
            ("k".repeat(256), false),
            ("é".repeat(127), true),
            ("😀".repeat(255), is_old),
            ("😀".repeat(256), false),
        ] {
            let result = spoiled(version, "state_key", Some(state_key.clone().into()));
            assert_eq!(result.is_ok(), fits, "{version} {} bytes", state_key.len());
            if !fits {
                assert!(matches!(result, Err(Error::TooLarge(_))));
            }
        }
        for field in ["type", "sender", "room_id"] {
            let long = format!("@{}:one.example", "a".repeat(256));
            assert!(matches!(spoiled(version, field, Some(long.into())), Err(Error::TooLarge(_))), "{field}");
        }
        let mut event = message(version);
        event["content"]["body"] = "".into();
        let room_for = EVENT_BYTES_MAX - canonical_string(&object(&event)).len();
        for (length, fits) in [(room_for, true), (room_for + 1, false), (room_for + 2, false)] {
            event["content"]["body"] = "x".repeat(length).into();
            let result = check_format(&object(&event), version);
            assert_eq!(result.is_ok(), fits, "{version} {length}");
            if !fits {
                assert!(matches!(result, Err(Error::TooLarge(_))));
            }
        }
    }
}

/// Hazard E9 for our own: what is too large is not signed.
#[test]
fn a_draft_that_is_too_large_is_not_sealed() {
    for version in telling_versions() {
        let room = Room::new(version, ALICE);
        for length in [65_500, 65_535, 70_000] {
            let draft = room.draft(ALICE, "m.room.message", None, json!({"body": "x".repeat(length)}));
            assert!(matches!(room.seal(draft), Err(Error::TooLarge(_))), "{version} {length}");
        }
        let draft = room.draft(ALICE, "m.room.topic", Some(&"é".repeat(128)), json!({}));
        assert!(matches!(room.seal(draft), Err(Error::TooLarge(_))));
    }
}

/// Ids of each version in turn, as an event of that version would cite them.
fn cited(id: &str, version: RoomVersion) -> Value {
    if version.ids_are_given() { json!([id, {"sha256": "x"}]) } else { json!(id) }
}

fn good_id(version: RoomVersion, salt: char) -> String {
    if version.ids_are_given() { format!("${salt}:one.example") } else { format!("${}{salt}", "x".repeat(42)) }
}

/// Hazard E12.
#[test]
fn citations_are_few_different_and_of_the_version() {
    for version in RoomVersion::all() {
        let ids: Vec<_> = ('A'..='Z').map(|salt| cited(&good_id(version, salt), version)).collect();
        for (field, max) in [("prev_events", 20), ("auth_events", 10)] {
            assert!(spoiled(version, field, Some(ids[..max].into())).is_ok(), "{version} {field}");
            let over = spoiled(version, field, Some(ids[..=max].into()));
            assert!(matches!(over, Err(Error::TooLarge(_))), "{version} {field}");
            let twice = json!([ids[0], ids[1], ids[0]]);
            assert!(matches!(spoiled(version, field, Some(twice)), Err(Error::Malformed(_))), "{version} {field}");
            let bad = [
                "",
                "$",
                "x",
                "$not a hash",
                "$not-43-characters",
                "!room:one.example",
                "@alice:one.example",
                "$+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/",
                "$\0",
            ];
            for id in bad {
                assert!(spoiled(version, field, Some(json!([cited(id, version)]))).is_err(), "{version} {field} {id}");
            }
            for odd in [json!([null]), json!([1]), json!([{}]), json!([[]]), json!([[ids[0], {}, {}]]), json!({})] {
                assert!(spoiled(version, field, Some(odd.clone())).is_err(), "{version} {field} {odd}");
            }
        }
    }
    // Each alphabet in the versions that have it, and only there.
    let plus = format!("${}", "+/a".repeat(14) + "b");
    let minus = format!("${}", "-_a".repeat(14) + "b");
    for version in RoomVersion::all() {
        assert_eq!(is_event_id(&plus, version), version == RoomVersion::V3, "{version}");
        assert_eq!(is_event_id(&minus, version), version > RoomVersion::V3, "{version}");
        assert_eq!(is_event_id("$143273582443PhrSn:example.org", version), version < RoomVersion::V3, "{version}");
        assert!(!is_event_id("$:example.org", version) && !is_event_id("$a:", version));
    }
}

#[test]
fn an_event_does_not_cite_itself_nor_bear_an_id_that_is_computed() {
    for version in [version(1), version(2)] {
        let own = message(version)["event_id"].as_str().unwrap().to_owned();
        for field in ["prev_events", "auth_events"] {
            assert!(spoiled(version, field, Some(json!([cited(&own, version)]))).is_err());
        }
        assert!(spoiled(version, "event_id", None).is_err());
        assert!(spoiled(version, "event_id", Some("nonsense".into())).is_err());
    }
    for version in RoomVersion::all().filter(|version| !version.ids_are_given()) {
        // Where the id is a hash, an event that cites itself cannot be made; one that names itself is refused.
        assert!(spoiled(version, "event_id", Some(good_id(version, 'a').into())).is_err(), "{version}");
    }
}

/// Hazard S2: since version 12 the create event and its room are one.
#[test]
fn rooms_of_version_12_are_named_after_their_create_event() {
    let room = Room::new(RoomVersion::V12, ALICE);
    let create = room.state_event("m.room.create", "").unwrap();
    let mut named: Value = serde_json::from_str(create.json()).unwrap();
    assert!(named.get("room_id").is_none());
    named["room_id"] = create.room_id().as_str().into();
    assert!(matches!(Pdu::parse(&named.to_string(), RoomVersion::V12), Err(Error::Malformed(_))));
    for room_id in ["!room:one.example", "!short", "!", &format!("!{}", "+".repeat(43))] {
        assert!(spoiled(RoomVersion::V12, "room_id", Some(room_id.into())).is_err(), "{room_id}");
    }
    let create_id = format!("${}", room.id.strip_sigil());
    assert_eq!(create_id, create.event_id().as_str());
    let mut citing: Value = message(RoomVersion::V12);
    citing["auth_events"] = json!([create_id]);
    assert!(Pdu::parse(&citing.to_string(), RoomVersion::V12).is_err());
    // Earlier versions let the create event's room be named anything of the sender's server.
    for version in telling_versions().filter(|version| *version != RoomVersion::V12) {
        assert!(spoiled(version, "room_id", Some("!short".into())).is_ok());
        assert!(spoiled(version, "room_id", Some("room:one.example".into())).is_err());
    }
}
