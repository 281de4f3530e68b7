//! What redaction keeps in each room version, and who may redact.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    Draft, Verified, canonical_event,
    fixture::{ALICE, BOB, CAROL, Room, public_keys, version},
    verify,
};

/// What each version keeps of the content, beside the versions' common keys (spec, "Redactions" of each version).
#[test]
fn each_version_keeps_what_its_table_says() {
    let all = |keys: &[&str]| -> Value { keys.iter().map(|key| ((*key).to_owned(), json!({"signed": 1}))).collect() };
    // Type, keys always kept, then key and the versions that keep it.
    type Rule = (&'static str, &'static [&'static str], &'static [(&'static str, std::ops::RangeInclusive<usize>)]);
    let rules: [Rule; 9] = [
        (
            "m.room.member",
            &["membership"],
            &[("join_authorised_via_users_server", 9..=12), ("third_party_invite", 11..=12), ("displayname", 0..=0)],
        ),
        ("m.room.create", &["creator"], &[("room_version", 11..=12), ("anything", 11..=12)]),
        ("m.room.join_rules", &["join_rule"], &[("allow", 8..=12), ("other", 0..=0)]),
        (
            "m.room.power_levels",
            &["ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"],
            &[("invite", 11..=12), ("notifications", 0..=0)],
        ),
        ("m.room.history_visibility", &["history_visibility"], &[("other", 0..=0)]),
        ("m.room.aliases", &[], &[("aliases", 1..=5)]),
        ("m.room.redaction", &[], &[("redacts", 11..=12), ("reason", 0..=0)]),
        ("m.room.message", &[], &[("body", 0..=0), ("redacts", 0..=0)]),
        ("m.room.server_acl", &[], &[("allow", 0..=0), ("deny", 0..=0)]),
    ];
    for number in 1..=12 {
        let version = version(number);
        let room = Room::busy(version);
        for (kind, always, sometimes) in &rules {
            let keys: Vec<&str> = always.iter().copied().chain(sometimes.iter().map(|(key, _)| *key)).collect();
            let mut draft = room.draft(BOB, kind, Some(""), all(&keys));
            if *kind == "m.room.create" && version.room_id_is_create_event() {
                draft.room_id = None;
            }
            let event = room.seal(draft).unwrap();
            let redacted = redact(&event, version).unwrap();
            let content: Value = redacted.content_as().unwrap();
            for key in always.iter() {
                assert!(content.get(key).is_some(), "{version} {kind} {key}");
            }
            for (key, kept) in sometimes.iter() {
                assert_eq!(content.get(key).is_some(), kept.contains(&number), "{version} {kind} {key}");
            }
        }
        let invite = json!({"membership": "invite", "third_party_invite": {"signed": {"a": 1}, "display_name": "x"}});
        let event = room.seal(room.draft(BOB, "m.room.member", Some(CAROL), invite)).unwrap();
        let content: Value = redact(&event, version).unwrap().content_as().unwrap();
        let kept = if number >= 11 { json!({"signed": {"a": 1}}) } else { Value::Null };
        assert_eq!(content["third_party_invite"], kept, "{version}");
    }
}

#[test]
fn a_redacted_event_keeps_its_id_and_signatures_and_changes_no_more() {
    let keys = public_keys(&["one.example", "two.example", "three.example"]);
    for number in 1..=12 {
        let version = version(number);
        let room = Room::busy(version);
        let mut events: Vec<Arc<Pdu>> = room.events.values().cloned().collect();
        events.push(room.seal(room.draft(CAROL, "m.room.message", None, json!({"body": "canary"}))).unwrap());
        for event in events {
            // Top-level fields of no version go, and so do those that versions before 11 kept.
            let mut json: Value = serde_json::from_str(event.json()).unwrap();
            json["unsigned"] = json!({"age": 1});
            let unredacted = Pdu::parse(&json.to_string(), version).unwrap();
            let once = redact(&unredacted, version).unwrap();
            assert_eq!(once.event_id(), event.event_id());
            assert!(once.unsigned().is_none() && !once.json().contains("canary"));
            let twice = redact(&once, version).unwrap();
            assert_eq!(once.json(), twice.json());
            // What comes from elsewhere redacted has the same id and verifies.
            assert_eq!(Pdu::parse(once.json(), version).unwrap().event_id(), event.event_id());
            let verdict = verify(&canonical_event(once.json()).unwrap(), &keys, version).unwrap();
            let unchanged = once.content().get() == event.content().get();
            assert_eq!(verdict, if unchanged { Verified::All } else { Verified::Redacted }, "{version} {event:?}");
        }
    }
}

#[test]
fn old_versions_keep_three_more_fields() {
    for number in 1..=12 {
        let version = version(number);
        let room = Room::busy(version);
        let event = room.seal(room.draft(BOB, "m.room.message", None, json!({}))).unwrap();
        let mut json: Value = serde_json::from_str(event.json()).unwrap();
        for field in ["origin", "membership", "prev_state", "redacts", "org.example.field"] {
            json[field] = "x".into();
        }
        let redacted = redact(&Pdu::parse(&json.to_string(), version).unwrap(), version).unwrap();
        let redacted: Value = serde_json::from_str(redacted.json()).unwrap();
        for field in ["origin", "membership", "prev_state"] {
            assert_eq!(redacted.get(field).is_some(), number < 11, "{version} {field}");
        }
        assert!(redacted.get("redacts").is_none() && redacted.get("org.example.field").is_none());
    }
}

/// Hazard F12.
#[test]
fn who_may_redact_what() {
    for number in [1, 2, 3, 6, 10, 11, 12] {
        let version = version(number);
        let mut room = Room::busy(version);
        let eve = "@eve:three.example";
        room.send(eve, "m.room.member", Some(eve), json!({"membership": "join"}));
        let create = room.state_event("m.room.create", "").unwrap();
        let levels = room.state_event("m.room.power_levels", "");
        let powers = PowerLevels::read(version, &create, levels.as_deref());
        let target = room.send(CAROL, "m.room.message", None, json!({"body": "x"}));
        let other = room.send(CAROL, "m.room.message", None, json!({"body": "y"}));
        let redaction = |sender: &str, of: &Pdu| {
            let draft = room.draft(sender, "m.room.redaction", None, json!({}));
            room.seal(Draft { redacts: Some(of.event_id().to_owned()), ..draft }).unwrap()
        };
        for (sender, may) in [(CAROL, true), (eve, true), (BOB, true), (ALICE, true), ("@dan:four.example", false)] {
            let redaction = redaction(sender, &target);
            assert_eq!(may_redact(version, &redaction, &target, &powers), may, "{version} {sender}");
            // Never another event than the one named, nor by a rejected redaction, nor across rooms.
            assert!(!may_redact(version, &redaction, &other, &powers));
            let rejected = (*redaction).clone().with_rejected(true);
            assert!(!may_redact(version, &rejected, &target, &powers));
        }
        let foreign = Room::with_create_content(version, BOB, json!({"other": 1}));
        let draft = foreign.draft(BOB, "m.room.redaction", None, json!({}));
        let room_id = if number == 12 { foreign.id.clone() } else { "!other:two.example".try_into().unwrap() };
        let draft = Draft { redacts: Some(target.event_id().to_owned()), room_id: Some(room_id), ..draft };
        let foreign = foreign.seal(draft).unwrap();
        assert!(!may_redact(version, &foreign, &target, &powers), "{version}");
        // A message is no redaction, whatever it says.
        let message =
            room.seal(room.draft(ALICE, "m.room.message", None, json!({"redacts": target.event_id()}))).unwrap();
        assert!(!may_redact(version, &message, &target, &powers));
    }
}
