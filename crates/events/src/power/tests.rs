//! Power levels, also malformed, against what ruma reads in them.

use std::sync::Arc;

use proptest::prelude::*;
use ruma_state_res::events::{RoomPowerLevelsEvent, RoomPowerLevelsIntField as Field};
use serde_json::json;

use super::*;
use crate::fixture::{ALICE, BOB, CAROL, Room, telling_versions, user, version};

fn read(room: &Room, content: Value) -> PowerLevels {
    let create = room.state_event("m.room.create", "").unwrap();
    let levels = room.seal(room.draft(ALICE, "m.room.power_levels", Some(""), content)).unwrap();
    PowerLevels::read(room.version, &create, Some(&levels))
}

#[test]
fn levels_are_those_of_the_event_and_otherwise_the_defaults() {
    for version in telling_versions() {
        let room = Room::new(version, ALICE);
        let levels = read(
            &room,
            json!({
                "users": {BOB: 50, CAROL: -1}, "users_default": 5, "events": {"m.room.topic": 7, "m.room.message": 3},
                "events_default": 1, "state_default": 60, "ban": 61, "kick": 62, "invite": 63, "redact": 64,
                "notifications": {"room": 65},
            }),
        );
        assert_eq!(levels.of(user(BOB)), Power::Finite(50));
        assert_eq!(levels.of(user(CAROL)), Power::Finite(-1));
        assert_eq!(levels.of(user("@dan:four.example")), Power::Finite(5));
        assert_eq!((levels.ban, levels.kick, levels.invite, levels.redact), (61, 62, 63, 64));
        assert_eq!(levels.needed_for("m.room.topic", true), 7);
        assert_eq!(levels.needed_for("m.room.name", true), 60);
        assert_eq!(levels.needed_for("m.room.message", false), 3);
        assert_eq!(levels.needed_for("m.sticker", false), 1);
        assert_eq!(levels.needed_to_notify("room"), 65);
        assert_eq!(levels.needed_to_notify("other"), 50);
        assert!(levels.may_send(user(BOB), "m.room.topic", true) && !levels.may_send(user(BOB), "m.room.name", true));

        let levels = read(&room, json!({}));
        assert_eq!((levels.ban, levels.kick, levels.invite, levels.redact), (50, 50, 0, 50));
        assert_eq!((levels.needed_for("m.room.name", true), levels.needed_for("m.sticker", false)), (50, 0));
        // With a power levels event that leaves them out, creators are nobody before version 12.
        let expected = if version == RoomVersion::V12 { Power::Infinite } else { Power::Finite(0) };
        assert_eq!(levels.of(user(ALICE)), expected, "{version}");
    }
    assert!(Power::Infinite > Power::Finite(i64::MAX));
}

/// Hazard S6.
#[test]
fn without_the_event_the_creator_has_the_power() {
    for version in telling_versions() {
        let content = json!({"additional_creators": [BOB, 1, "junk"], "creator": ALICE});
        let room = Room::new(version, ALICE);
        let create = room.seal(room.create_draft(ALICE, content)).unwrap();
        let levels = PowerLevels::read(version, &create, None);
        let (alice, bob) = match version {
            RoomVersion::V12 => (Power::Infinite, Power::Infinite),
            _ => (Power::Finite(100), Power::Finite(0)),
        };
        assert_eq!((levels.of(user(ALICE)), levels.of(user(BOB))), (alice, bob), "{version}");
        assert_eq!(levels.of(user(CAROL)), Power::Finite(0));
        assert_eq!((levels.state_default, levels.events_default, levels.invite), (50, 0, 0));
    }
}

#[test]
fn old_versions_take_numbers_in_quotes() {
    for version in telling_versions() {
        let room = Room::new(version, ALICE);
        let levels = read(&room, json!({"ban": "70", "users": {BOB: " +30 "}, "events": {"m.room.topic": "-5"}}));
        let old = version < RoomVersion::V10;
        assert_eq!(levels.ban, if old { 70 } else { 50 });
        assert_eq!(levels.of(user(BOB)), Power::Finite(if old { 30 } else { 0 }));
        assert_eq!(levels.needed_for("m.room.topic", true), if old { -5 } else { 50 });
    }
}

fn any_level() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-200_i64..200).prop_map(Value::from),
        1 => (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        1 => (-200_i64..200).prop_map(|level| Value::from(format!(" {level}"))),
        1 => prop::sample::select(vec![json!(null), json!(true), json!([]), json!({}), json!("x"), json!(""), json!([50])]),
    ]
}

fn any_levels() -> impl Strategy<Value = Value> {
    const FIELDS: [&str; 7] = ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"];
    let fields = prop::collection::btree_map(prop::sample::select(&FIELDS[..]), any_level(), 0..7);
    let users = prop::collection::btree_map(prop::sample::select(vec![ALICE, BOB, CAROL, "junk"]), any_level(), 0..4);
    let events = prop::collection::btree_map(
        prop::sample::select(vec!["m.room.message", "m.room.topic", "org.example.x"]),
        any_level(),
        0..3,
    );
    let odd_map = prop::sample::select(vec![json!(null), json!([1]), json!("x"), json!(5)]);
    (fields, users, events, any_level(), prop::option::weighted(0.2, odd_map)).prop_map(
        |(fields, users, events, room, odd)| {
            let mut content = json!({"notifications": {"room": room}});
            for (field, level) in fields {
                content[field] = level;
            }
            content["users"] = odd.clone().unwrap_or_else(|| json!(users));
            content["events"] = odd.unwrap_or_else(|| json!(events));
            content
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Hazard E6: what the authorisation rules can read, we read alike; what they cannot is the default, field by field.
    #[test]
    fn junk_is_the_default_and_the_rest_is_read_as_the_rules_read_it(
        number in prop::sample::select(vec![1_usize, 6, 9, 10, 11, 12]),
        content in any_levels(),
    ) {
        let version = version(number);
        let rules = &version.rules().authorization;
        let room = Room::new(version, ALICE);
        let ours = read(&room, content.clone());
        let event = room.seal(room.draft(ALICE, "m.room.power_levels", Some(""), content)).unwrap();
        let theirs = RoomPowerLevelsEvent::new(Arc::clone(&event));
        for (field, level) in [
            (Field::UsersDefault, ours.users_default), (Field::EventsDefault, ours.events_default),
            (Field::StateDefault, ours.state_default), (Field::Ban, ours.ban), (Field::Kick, ours.kick),
            (Field::Invite, ours.invite), (Field::Redact, ours.redact),
        ] {
            let default = field.default_value();
            let expected = theirs.get_as_int_or_default(field, rules).unwrap_or(default);
            prop_assert_eq!(level, i64::from(expected), "{}", field);
        }
        if let Ok(Some(users)) = theirs.users(rules) {
            let users: HashMap<_, _> = users.iter().map(|(user, level)| (user.clone(), i64::from(*level))).collect();
            prop_assert_eq!(&ours.users, &users);
        }
        if let Ok(Some(events)) = theirs.events(rules) {
            for (kind, level) in events {
                prop_assert_eq!(ours.events.get(&kind.to_string()), Some(&i64::from(level)));
            }
        }
    }
}
