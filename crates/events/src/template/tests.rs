//! Templates of honest servers, and what hostile ones offer instead.

use serde_json::{Value, json};

use super::*;
use crate::{
    PublicKeys, Verified, authorise, authorise_stateless, canonical_event, canonical_string,
    fixture::{ALICE, BOB, Room, public_keys, signer, telling_versions, user},
    verify,
};

const DAN: &str = "@dan:four.example";

/// What the server of a room answers: the event as far as it can make it.
fn template(room: &Room, membership: &str) -> Value {
    let draft = room.draft(DAN, "m.room.member", Some(DAN), json!({"membership": membership}));
    let hash = |id: &EventId| room.events.get(id)?.reference_hash(room.version).ok();
    let object = draft.into_object(room.version, hash).unwrap();
    serde_json::from_str(&canonical_string(&object)).unwrap()
}

fn parse(room: &Room, template: &Value, membership: Membership) -> Result<MembershipTemplate> {
    MembershipTemplate::parse(&template.to_string(), room.version, &room.id, user(DAN), membership)
}

fn keys() -> PublicKeys {
    public_keys(&["four.example"])
}

fn content(value: Value) -> CanonicalJsonObject {
    crate::canonical_content_of(value).unwrap()
}

#[test]
fn an_honest_template_becomes_our_users_event() {
    for version in RoomVersion::all() {
        let room = Room::busy(version);
        let parsed = parse(&room, &template(&room, "join"), Membership::Join).unwrap();
        assert_eq!((parsed.room_version, &parsed.authoriser), (version, &None));
        let (prev_events, auth_events, depth) = (parsed.prev_events.clone(), parsed.auth_events.clone(), parsed.depth);
        let ours = signer(user(DAN).server_name());
        let profile = content(json!({"displayname": "Dan", "reason": "Bonjour", "membership": "ban"}));
        let join = parsed.seal(&ours, profile, Timestamp(42)).unwrap();
        assert_eq!(ours.signatures_made(), 1);
        assert_eq!(verify(&canonical_event(join.json()).unwrap(), &keys(), version), Ok(Verified::All));
        assert!(join.is("m.room.member", DAN) && join.sender() == DAN && join.room_id() == room.id);
        assert_eq!((join.prev_events(), join.auth_events()), (prev_events.as_slice(), auth_events.as_slice()));
        assert_eq!((join.depth(), join.origin_server_ts()), (depth, Timestamp(42)));
        let expected = json!({"displayname": "Dan", "reason": "Bonjour", "membership": "join"});
        assert_eq!(join.content_as::<Value>().unwrap(), expected);
        // The room takes it.
        authorise_stateless(version, &join, room.fetch()).unwrap();
        authorise(version, &join, |kind, key| room.state_event(kind, key)).unwrap();
    }
}

#[test]
fn leaves_and_knocks_have_templates_too() {
    for version in RoomVersion::all() {
        let room = Room::busy(version);
        for (membership, known) in [(Membership::Leave, true), (Membership::Knock, version.has_knocking())] {
            let parsed = parse(&room, &template(&room, membership.as_str()), membership);
            let Ok(parsed) = parsed else {
                assert!(!known, "{version} {membership:?}");
                continue;
            };
            assert!(known, "{version}");
            let event = parsed.seal(&signer(user(DAN).server_name()), content(json!({})), Timestamp(1)).unwrap();
            assert_eq!(event.membership(), Some(membership));
        }
    }
}

/// Hazard F2: a server that answers with another event gets nothing signed.
#[test]
fn a_template_of_anything_else_is_refused() {
    type Spoil = fn(&mut Value);
    let spoils: &[(&str, Spoil)] = &[
        ("another type", |event| event["type"] = "m.room.power_levels".into()),
        ("no type", |event| drop(event.as_object_mut().unwrap().remove("type"))),
        ("another of our users", |event| event["sender"] = "@eve:four.example".into()),
        ("another's user", |event| event["sender"] = ALICE.into()),
        ("no sender", |event| event["sender"] = json!(null)),
        ("for another", |event| event["state_key"] = BOB.into()),
        ("no state", |event| drop(event.as_object_mut().unwrap().remove("state_key"))),
        ("another room", |event| event["room_id"] = "!other:one.example".into()),
        ("no room", |event| event["room_id"] = json!(1)),
        ("a leave", |event| event["content"]["membership"] = "leave".into()),
        ("a ban", |event| event["content"]["membership"] = "ban".into()),
        ("no membership", |event| event["content"] = json!({})),
        ("no content", |event| event["content"] = json!("join")),
        ("no history", |event| event["prev_events"] = json!([])),
        ("no prev_events", |event| drop(event.as_object_mut().unwrap().remove("prev_events"))),
        ("no auth_events", |event| event["auth_events"] = json!({})),
        ("odd events", |event| event["prev_events"] = json!(["nonsense"])),
        ("odd auth events", |event| event["auth_events"] = json!([1])),
        ("twice", |event| {
            let id = event["prev_events"][0].clone();
            event["prev_events"] = json!([id, id]);
        }),
        ("no depth", |event| drop(event.as_object_mut().unwrap().remove("depth"))),
        ("negative depth", |event| event["depth"] = json!(-1)),
        ("odd depth", |event| event["depth"] = json!("5")),
        ("great depth", |event| event["depth"] = json!(9_007_199_254_740_992_u64)),
    ];
    for version in telling_versions() {
        let room = Room::busy(version);
        for (what, spoil) in spoils {
            let mut template = template(&room, "join");
            spoil(&mut template);
            let result = parse(&room, &template, Membership::Join);
            assert!(matches!(result, Err(Error::Template(_))), "{version} {what}: {result:?}");
        }
        let whole = template(&room, "join");
        for membership in [Membership::Leave, Membership::Knock, Membership::Invite, Membership::Ban] {
            assert!(parse(&room, &whole, membership).is_err());
        }
        for junk in ["", "null", "[]", "{}", "{\"type\":\"m.room.member\",\"type\":\"m.room.member\"}"] {
            let parsed = MembershipTemplate::parse(junk, version, &room.id, user(DAN), Membership::Join);
            assert!(matches!(parsed, Err(Error::Template(_))), "{junk}");
        }
        // It need not say which room.
        let mut silent = whole.clone();
        silent.as_object_mut().unwrap().remove("room_id");
        assert!(parse(&room, &silent, Membership::Join).is_ok());
    }
}

/// Nothing that the other server adds is signed.
#[test]
fn only_the_place_in_history_is_taken() {
    for version in telling_versions() {
        let room = Room::busy(version);
        let mut offered = template(&room, "join");
        offered["origin_server_ts"] = json!(1);
        offered["origin"] = "one.example".into();
        offered["hashes"] = json!({"sha256": "x"});
        offered["signatures"] = json!({"one.example": {"ed25519:1": "x"}});
        offered["unsigned"] = json!({"age": 1});
        offered["redacts"] = "$x:one.example".into();
        offered["prev_state"] = json!([]);
        offered["content"]["displayname"] = "Mallory".into();
        offered["content"]["users"] = json!({"@mallory:one.example": 100});
        offered["content"]["third_party_invite"] = json!({});
        let join = |template: &Value| {
            let parsed = parse(&room, template, Membership::Join).unwrap();
            let signer = signer(user(DAN).server_name());
            parsed.seal(&signer, content(json!({"displayname": "Dan"})), Timestamp(9)).unwrap()
        };
        assert_eq!(join(&offered).json(), join(&template(&room, "join")).json(), "{version}");
    }
}

#[test]
fn who_lets_the_user_in_is_named_where_the_version_has_it() {
    for version in telling_versions() {
        let room = Room::busy(version);
        let mut offered = template(&room, "join");
        offered["content"]["join_authorised_via_users_server"] = ALICE.into();
        let parsed = parse(&room, &offered, Membership::Join).unwrap();
        let expected = version.has_restricted_joins().then(|| user(ALICE).to_owned());
        assert_eq!(parsed.authoriser, expected, "{version}");
        let ours = signer(user(DAN).server_name());
        // Ours to say, not the profile's.
        let profile = content(json!({"join_authorised_via_users_server": BOB}));
        let join = parsed.seal(&ours, profile, Timestamp(1)).unwrap();
        let named = join.content_as::<Value>().unwrap().get("join_authorised_via_users_server").cloned();
        assert_eq!(named, expected.map(|user| json!(user)), "{version}");
        for odd in [json!(1), json!("alice"), json!(null)] {
            offered["content"]["join_authorised_via_users_server"] = odd;
            assert_eq!(parse(&room, &offered, Membership::Join).is_err(), version.has_restricted_joins());
        }
        offered["content"] = json!({"membership": "leave", "join_authorised_via_users_server": ALICE});
        assert_eq!(parse(&room, &offered, Membership::Leave).unwrap().authoriser, None);
    }
}

/// Hazard E12.
#[test]
fn citations_are_bounded_and_of_the_version() {
    for version in telling_versions() {
        let room = Room::busy(version);
        let id = |n: usize| {
            let hash = format!("{n:0>43}");
            if version.ids_are_given() {
                json!([format!("${n}:one.example"), {"sha256": hash}])
            } else {
                json!(format!("${hash}"))
            }
        };
        for (field, max) in [("prev_events", PREV_EVENTS_MAX), ("auth_events", AUTH_EVENTS_MAX)] {
            let mut offered = template(&room, "join");
            offered[field] = (0..max).map(id).collect();
            assert!(parse(&room, &offered, Membership::Join).is_ok(), "{version} {field}");
            offered[field] = (0..=max).map(id).collect();
            assert!(matches!(parse(&room, &offered, Membership::Join), Err(Error::Template(_))), "{version} {field}");
            let of_another =
                if version.ids_are_given() { json!(["$".to_owned() + &"a".repeat(43)]) } else { json!(["$a:b"]) };
            offered[field] = of_another;
            assert!(parse(&room, &offered, Membership::Join).is_err(), "{version} {field}");
            if version.ids_are_given() {
                offered[field] = json!([["$a:one.example", {}]]);
                assert!(parse(&room, &offered, Membership::Join).is_ok(), "as Synapse cites what it has just made");
                for hashes in [json!([]), json!({"sha256": "x"}), json!({"sha256": 1}), json!({"md5": "a"})] {
                    offered[field] = json!([["$a:one.example", hashes]]);
                    assert!(parse(&room, &offered, Membership::Join).is_err(), "{version} {field} {hashes}");
                }
            }
        }
    }
}
