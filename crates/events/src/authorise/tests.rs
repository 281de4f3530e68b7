//! Pairs of an event that a rule allows and one that it refuses, for each rule, in the versions where the rules changed.

mod membership;

use serde_json::{Value, json};

use super::*;
use crate::{
    Draft,
    fixture::{ALICE, BOB, CAROL, Room, telling_versions, version},
};

const DAN: &str = "@dan:four.example";

fn member(membership: &str) -> Value {
    json!({ "membership": membership })
}

#[track_caller]
fn denied(result: Result<Arc<Pdu>>) {
    assert!(matches!(result, Err(Error::Denied(_))), "{result:?}");
}

#[test]
fn a_create_event_begins_a_room() {
    for version in telling_versions() {
        let room = Room::new(version, ALICE);
        let create = || room.create_draft(ALICE, json!({}));
        let check = |draft: Draft| {
            let event = room.seal(draft)?;
            authorise_stateless(version, &event, room.fetch())?;
            authorise(version, &event, |_, _| None)?;
            Ok(event)
        };
        check(Draft { prev_events: vec![], ..create() }).unwrap();
        denied(check(create()));
        let with = |key: &str, value: Value| {
            let mut draft = Draft { prev_events: vec![], ..create() };
            draft.content.insert(key.into(), value.try_into().unwrap());
            check(draft)
        };
        // Hazard F13: the rules are those of the version that the create event names.
        for other in [json!("99"), json!(null), json!(12), json!(if version.as_str() == "11" { "12" } else { "11" })] {
            denied(with("room_version", other));
        }
        let mut without = Draft { prev_events: vec![], ..create() };
        without.content.remove("room_version");
        assert_eq!(check(without).is_ok(), version == RoomVersion::V1);
        let mut nameless = Draft { prev_events: vec![], ..create() };
        nameless.content.remove("creator");
        assert_eq!(check(nameless).is_ok(), version.creator_is_sender(), "{version}");
        if version.room_id_is_create_event() {
            with("additional_creators", json!([BOB])).unwrap();
            denied(with("additional_creators", json!(["bob"])));
            denied(with("additional_creators", json!(BOB)));
        } else {
            let elsewhere = Some("!room:two.example".try_into().unwrap());
            denied(check(Draft { prev_events: vec![], room_id: elsewhere, ..create() }));
        }
        // Hazard S2: a room has one.
        let second = room.seal(Draft { prev_events: vec![], depth: 7, ..create() }).unwrap();
        let known = |kind: &str, key: &str| room.state_event(kind, key);
        assert!(matches!(authorise(version, &second, known), Err(Error::Denied(_))));
        authorise(version, &room.state_event("m.room.create", "").unwrap(), known).unwrap();
    }
}

#[test]
fn auth_events_are_those_that_are_asked_for() {
    for version in telling_versions() {
        let room = Room::busy(version);
        let message = || room.draft(ALICE, "m.room.message", None, json!({}));
        room.check(message()).unwrap();
        let with = |id: &OwnedEventId| {
            let mut draft = message();
            draft.auth_events.push(id.clone());
            draft
        };
        let id_of = |kind: &str, key: &str| room.state[&(kind.to_owned(), key.to_owned())].clone();
        denied(room.check(with(&id_of("m.room.join_rules", ""))));
        denied(room.check(with(&id_of("m.room.member", BOB))));
        // Two for one key: the current power levels and older ones.
        let mut twice = room.clone();
        let levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        twice.send(ALICE, "m.room.power_levels", Some(""), levels);
        let mut draft = twice.draft(ALICE, "m.room.message", None, json!({}));
        draft.auth_events.push(id_of("m.room.power_levels", ""));
        denied(twice.check(draft));
        // One that nobody has.
        let unknown = if version.ids_are_given() { None } else { Some(format!("${}", "a".repeat(43))) };
        if let Some(unknown) = unknown {
            denied(room.check(with(&unknown.try_into().unwrap())));
            // A rejected one.
            let mut rejected = room.clone();
            let levels = rejected.state_event("m.room.power_levels", "").unwrap();
            let spoiled = (*levels).clone().with_rejected(true);
            rejected.events.insert(levels.event_id().to_owned(), Arc::new(spoiled));
            denied(rejected.check(message()));
        }
        // Hazard E15: one that is no state.
        let mut chatty = room.clone();
        let chat = chatty.send(ALICE, "m.room.message", None, json!({}));
        let mut draft = chatty.draft(ALICE, "m.room.message", None, json!({}));
        draft.auth_events.push(chat.event_id().to_owned());
        denied(chatty.check(draft));
        // The create event is cited up to version 11, and must not be since.
        let create = id_of("m.room.create", "");
        let mut draft = message();
        if version.room_id_is_create_event() {
            draft.auth_events.push(create);
            assert!(matches!(room.check(draft), Err(Error::Malformed(_))));
        } else {
            draft.auth_events.retain(|id| *id != create);
            denied(room.check(draft));
        }
    }
}

/// Hazard F10: an event of another room vouches for nothing here.
#[test]
fn auth_events_are_of_the_same_room() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        let mut other = Room::with_create_content(version, BOB, json!({"other": true}));
        other.id = room.id.clone();
        let other = Room::with_create_content(version, BOB, json!({}));
        room.events.extend(other.events.clone());
        let foreign = other.state_event("m.room.member", BOB).unwrap();
        let mut draft = room.draft(BOB, "m.room.message", None, json!({}));
        let own = room.state_event("m.room.member", BOB).unwrap();
        for id in &mut draft.auth_events {
            if id == own.event_id() {
                *id = foreign.event_id().to_owned();
            }
        }
        denied(room.check(draft));
    }
}

/// Version 12: what a room's id names must be a create event.
#[test]
fn a_room_of_version_12_is_that_of_its_create_event() {
    let mut room = Room::busy(RoomVersion::V12);
    let topic = room.send(ALICE, "m.room.topic", Some(""), json!({"topic": "x"}));
    let false_id: kernel::id::OwnedRoomId = topic.event_id().as_str().replace('$', "!").try_into().unwrap();
    let draft = Draft { room_id: Some(false_id), ..room.draft(ALICE, "m.room.message", None, json!({})) };
    denied(room.check(draft));
    let unknown = format!("!{}", "a".repeat(43)).try_into().unwrap();
    let draft = Draft { room_id: Some(unknown), ..room.draft(ALICE, "m.room.message", None, json!({})) };
    denied(room.check(draft));
}

#[test]
fn a_room_may_be_closed_to_other_servers() {
    for version in telling_versions() {
        let mut room = Room::with_create_content(version, ALICE, json!({"m.federate": false}));
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "public"}));
        assert!(room.may("@other:one.example", "m.room.member", Some("@other:one.example"), member("join")));
        assert!(!room.may(BOB, "m.room.member", Some(BOB), member("join")));
    }
}

#[test]
fn power_is_not_taken_but_given() {
    for version in telling_versions() {
        let room = Room::busy(version);
        let now: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        let may = |sender: &str, path: &[&str], value: Value| {
            let mut levels = now.clone();
            let mut place = &mut levels;
            for key in path {
                place = &mut place[*key];
            }
            *place = value;
            room.may(sender, "m.room.power_levels", Some(""), levels)
        };
        assert!(!may(CAROL, &["users", CAROL], json!(0)), "not even the same: state takes 50");
        assert!(may(BOB, &["users", CAROL], json!(50)));
        assert!(!may(BOB, &["users", CAROL], json!(51)), "more than one's own");
        assert!(may(BOB, &["users", BOB], json!(0)), "one's own may be given up");
        assert!(!may(BOB, &["users", BOB], json!(51)));
        assert!(may(ALICE, &["users", BOB], json!(0)));
        assert!(may(BOB, &["events", "m.room.topic"], json!(50)));
        assert!(!may(BOB, &["events", "m.room.topic"], json!(51)));
        for field in ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"] {
            assert!(may(BOB, &[field], json!(50)), "{field}");
            assert!(!may(BOB, &[field], json!(51)), "{field}");
            let numbers_only = version >= RoomVersion::V10;
            assert_eq!(may(BOB, &[field], json!("50")), !numbers_only, "{version} {field} as text");
            assert!(!may(BOB, &[field], json!(null)) && !may(BOB, &[field], json!([])), "{version} {field}");
        }
        assert_eq!(may(BOB, &["notifications", "room"], json!(51)), version < RoomVersion::V6, "{version}");
        assert!(may(BOB, &["notifications", "room"], json!(50)));
        assert!(!may(ALICE, &["users"], json!({"alice": 100})), "for nobody");
        assert!(!may(ALICE, &["users"], json!([])));
        assert!(!may(ALICE, &["users", BOB], json!({})));
        // Creators of version 12 stand above the levels and are not in them.
        assert_eq!(may(ALICE, &["users", ALICE], json!(100)), version < RoomVersion::V12);
        assert_eq!(may(ALICE, &["users", BOB], json!(101)), version == RoomVersion::V12, "{version}");
    }
}

#[test]
fn an_equal_is_not_demoted() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        levels["users"][CAROL] = 50.into();
        room.send(ALICE, "m.room.power_levels", Some(""), levels.clone());
        levels["users"][CAROL] = 0.into();
        assert!(!room.may(BOB, "m.room.power_levels", Some(""), levels.clone()));
        assert!(room.may(CAROL, "m.room.power_levels", Some(""), levels.clone()));
        assert!(room.may(ALICE, "m.room.power_levels", Some(""), levels));
    }
}

#[test]
fn sending_takes_membership_and_power() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        assert!(room.may(CAROL, "m.room.message", None, json!({})));
        assert!(!room.may(DAN, "m.room.message", None, json!({})), "from outside");
        assert!(room.may(BOB, "m.room.topic", Some(""), json!({})));
        assert!(!room.may(CAROL, "m.room.topic", Some(""), json!({})), "without the power");
        let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        levels["events"] = json!({"m.room.topic": 0, "m.room.message": 50, "org.example.state": 0});
        room.send(ALICE, "m.room.power_levels", Some(""), levels);
        assert!(room.may(CAROL, "m.room.topic", Some(""), json!({})));
        assert!(!room.may(CAROL, "m.room.message", None, json!({})));
        assert!(room.may(CAROL, "org.example.state", Some(CAROL), json!({})));
        assert!(!room.may(CAROL, "org.example.state", Some(BOB), json!({})), "under another's name");
        assert!(!room.may(ALICE, "org.example.state", Some(BOB), json!({})), "whatever the power");
        room.send(ALICE, "m.room.member", Some(CAROL), member("leave"));
        assert!(!room.may(CAROL, "m.room.topic", Some(""), json!({})), "after leaving");
        // A third-party invite is state that takes the power to invite, whatever state takes.
        let invite = json!({"display_name": "x"});
        assert!(room.may(BOB, "m.room.third_party_invite", Some("token"), invite.clone()));
        assert!(!room.may(CAROL, "m.room.third_party_invite", Some("token"), invite));
    }
}

#[test]
fn special_rules_of_old_versions() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        let aliases = json!({"aliases": ["#x:three.example"]});
        let own_server = room.may(CAROL, "m.room.aliases", Some("three.example"), aliases.clone());
        assert_eq!(own_server, version < RoomVersion::V6, "{version}");
        let other_server = room.may(BOB, "m.room.aliases", Some("three.example"), aliases);
        assert_eq!(other_server, version >= RoomVersion::V6, "{version}");
        let no_server = room.may(BOB, "m.room.aliases", None, json!({}));
        assert_eq!(no_server, version >= RoomVersion::V6, "{version}: without a state key");
        // Redaction is a matter of authorisation in versions 1 and 2 only.
        let target = room.send(ALICE, "m.room.message", None, json!({}));
        let redaction = |sender: &str| Draft {
            redacts: Some(target.event_id().to_owned()),
            ..room.draft(sender, "m.room.redaction", None, json!({}))
        };
        room.check(redaction(BOB)).unwrap();
        room.check(redaction(ALICE)).unwrap();
        assert_eq!(room.check(redaction(CAROL)).is_ok(), version > RoomVersion::V2, "{version}");
    }
}

/// Hazard S6: a room without power levels belongs to its creator.
#[test]
fn without_power_levels_the_creator_has_100_and_others_0() {
    for version in telling_versions() {
        let additional = if version == RoomVersion::V12 { json!({"additional_creators": [BOB]}) } else { json!({}) };
        let mut room = Room::with_create_content(version, ALICE, additional);
        room.send(ALICE, "m.room.member", Some(BOB), member("invite"));
        room.send(BOB, "m.room.member", Some(BOB), member("join"));
        room.send(BOB, "m.room.member", Some(CAROL), member("invite"));
        room.send(CAROL, "m.room.member", Some(CAROL), member("join"));
        for (sender, powerful) in [(ALICE, true), (BOB, version == RoomVersion::V12), (CAROL, false)] {
            let may = |kind: &str, key: Option<&str>, content: Value| room.may(sender, kind, key, content);
            assert!(may("m.room.message", None, json!({})));
            assert!(may("m.room.member", Some(DAN), member("invite")));
            assert_eq!(may("m.room.topic", Some(""), json!({})), powerful, "{version} {sender}");
            assert_eq!(may("m.room.power_levels", Some(""), json!({"users": {}})), powerful, "{version} {sender}");
            assert_eq!(may("m.room.member", Some(DAN), member("ban")), powerful, "{version} {sender}");
            assert_eq!(may("m.room.join_rules", Some(""), json!({"join_rule": "public"})), powerful);
            if sender != CAROL {
                assert_eq!(may("m.room.member", Some(CAROL), member("leave")), powerful, "{version} {sender}");
            }
        }
        // Between creators, neither is above the other.
        if version == RoomVersion::V12 {
            assert!(!room.may(BOB, "m.room.member", Some(ALICE), member("leave")));
            assert!(!room.may(ALICE, "m.room.member", Some(BOB), member("ban")));
        }
    }
}
