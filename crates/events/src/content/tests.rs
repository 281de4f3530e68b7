//! Contents with fields that are absent, odd or of a wrong type.

use std::sync::Arc;

use kernel::id::ServerName;
use serde_json::{Value, json};

use super::*;
use crate::{
    Pdu, PowerLevels, RoomVersion,
    fixture::{ALICE, BOB, Room, version},
};

fn event(kind: &str, content: Value) -> Arc<Pdu> {
    let room = Room::new(RoomVersion::V11, ALICE);
    room.seal(room.draft(ALICE, kind, Some(""), content)).unwrap()
}

/// Everything that the server reads of an event's content, in one.
fn read_all(event: &Pdu) -> String {
    let create = CreateContent::of(event);
    let creators: Vec<_> = [1, 11, 12].into_iter().map(|number| create.creators(event, version(number))).collect();
    let powers = PowerLevels::read(RoomVersion::V12, event, Some(event));
    let mut users: Vec<_> = powers.users.iter().collect();
    users.sort();
    let numbers = (powers.ban, powers.users_default, powers.needed_for("x", true), powers.needed_to_notify("room"));
    format!(
        "{:?}",
        (
            (
                create,
                creators,
                users,
                numbers,
                event.membership(),
                MemberContent::of(event),
                JoinRulesContent::of(event)
            ),
            (history_visibility(event), guests_may_join(event), CanonicalAliasContent::of(event)),
            (encryption_algorithm(event), name(event), topic(event), avatar_url(event), replacement_room(event)),
            (event.kind() == "m.room.server_acl").then(|| ServerAcl::of(event)),
        )
    )
}

/// Hazards E5, E6, E7: each field of each state event that we read, with each wrong type. What is odd reads as if it were
/// absent, and takes nothing else with it.
#[test]
fn a_field_of_a_wrong_type_is_as_good_as_absent() {
    let known = [
        (
            "m.room.create",
            json!({"creator": ALICE, "room_version": "11", "type": "m.space", "m.federate": false,
            "predecessor": {"room_id": "!a:b", "event_id": "$a:b"}, "additional_creators": [BOB]}),
        ),
        (
            "m.room.member",
            json!({"membership": "join", "displayname": "Alice", "avatar_url": "mxc://a/b", "reason": "r",
            "is_direct": true, "join_authorised_via_users_server": BOB, "third_party_invite": {"display_name": "x"}}),
        ),
        (
            "m.room.join_rules",
            json!({"join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": "!a:b"}]}),
        ),
        ("m.room.history_visibility", json!({"history_visibility": "joined"})),
        ("m.room.guest_access", json!({"guest_access": "can_join"})),
        ("m.room.canonical_alias", json!({"alias": "#a:b", "alt_aliases": ["#c:d"]})),
        ("m.room.encryption", json!({"algorithm": "m.megolm.v1.aes-sha2"})),
        ("m.room.name", json!({"name": "n"})),
        ("m.room.topic", json!({"topic": "t"})),
        ("m.room.avatar", json!({"url": "mxc://a/b"})),
        ("m.room.tombstone", json!({"replacement_room": "!a:b"})),
        ("m.room.server_acl", json!({"allow": ["*"], "deny": ["evil"], "allow_ip_literals": false})),
        (
            "m.room.power_levels",
            json!({"users": {BOB: 1}, "users_default": 1, "events": {"x": 1}, "ban": 1,
            "notifications": {"room": 1}}),
        ),
    ];
    let junk = [
        json!(null),
        json!(true),
        json!(-7),
        json!("\u{0} junk"),
        json!([]),
        json!({}),
        json!([null, [1], {"a": []}, 5]),
        json!({"room_id": 5, "room": null, "signed": [], "display_name": []}),
        json!(["!a:b", "$a:b"]),
    ];
    for (kind, content) in &known {
        let good = read_all(&event(kind, content.clone()));
        for field in content.as_object().unwrap().keys() {
            let mut without = content.clone();
            without.as_object_mut().unwrap().remove(field);
            let absent = read_all(&event(kind, without));
            assert_ne!(absent, good, "{kind} {field} is not read at all");
            let good_value = &content[field];
            let fits = |junk: &Value| {
                junk.is_boolean() && good_value.is_boolean()
                    || junk.is_number() && good_value.is_number()
                    || junk.pointer("/0").is_some_and(Value::is_string) && *kind == "m.room.server_acl"
            };
            for junk in junk.iter().filter(|junk| !fits(junk)) {
                let mut odd = content.clone();
                odd[field] = junk.clone();
                let read = read_all(&event(kind, odd));
                // Free text may be junk, and a version that is not a word is none rather than the first.
                let free = (junk.is_string() && read.contains("junk")) || field == "room_version";
                // An object, if an empty one.
                let object = junk.is_object() && field == "third_party_invite";
                assert!(read == absent || free || object, "{kind} {field} {junk}:\n{read}\n{absent}");
            }
        }
    }
}

#[test]
fn lists_keep_what_can_be_read_of_them() {
    let alias = CanonicalAliasContent::of(&event(
        "m.room.canonical_alias",
        json!({"alt_aliases": [1, "#a:b", null, "x", "#c:d"]}),
    ));
    assert_eq!(alias.alt_aliases.iter().map(|alias| alias.as_str()).collect::<Vec<_>>(), ["#a:b", "#c:d"]);
    let allow = json!([{"type": "m.room_membership", "room_id": "!a:b"}, {"type": "other", "room_id": "!c:d"}, 5,
        {"type": "m.room_membership"}, {"room_id": "!e:f"}, {"type": "m.room_membership", "room_id": "!g:h", "x": 1}]);
    let rules =
        JoinRulesContent::of(&event("m.room.join_rules", json!({"join_rule": "knock_restricted", "allow": allow})));
    assert_eq!(rules.join_rule, JoinRule::KnockRestricted);
    assert_eq!(rules.allowed_rooms.iter().map(|room| room.as_str()).collect::<Vec<_>>(), ["!a:b", "!g:h"]);
}

#[test]
fn words_are_written_as_they_are_read() {
    for rule in ["public", "invite", "knock", "restricted", "knock_restricted", "private"] {
        let read = JoinRulesContent::of(&event("m.room.join_rules", json!({ "join_rule": rule }))).join_rule;
        assert_eq!(read.as_str(), rule);
    }
    for visibility in ["world_readable", "shared", "invited", "joined"] {
        let content = json!({ "history_visibility": visibility });
        assert_eq!(history_visibility(&event("m.room.history_visibility", content)).as_str(), visibility);
    }
    for membership in ["join", "invite", "knock", "leave", "ban"] {
        let read = event("m.room.member", json!({ "membership": membership })).membership();
        assert_eq!(read.map(Membership::as_str), Some(membership));
    }
    assert_eq!(event("m.room.member", json!({"membership": "JOIN"})).membership(), None);
    assert_eq!(event("m.room.message", json!({"membership": "join"})).membership(), None);
    assert_eq!(name(&event("m.room.name", json!({"name": ""}))), None);
}

/// Hazard F7 and the specification's words on `m.room.server_acl`.
#[test]
fn server_acls() {
    let acl = |content: Value| ServerAcl::of(&event("m.room.server_acl", content));
    let allows = |acl: &ServerAcl, server: &str| acl.allows(<&ServerName>::try_from(server).unwrap());
    let denying = acl(json!({"allow": ["*"], "deny": ["evil.example", "*.Bad.example", "1?.example"]}));
    for denied in [
        "evil.example",
        "Evil.EXAMPLE",
        "evil.example:8448",
        "evil.example.",
        "Evil.Example.:1",
        "a.bad.example",
        "x.y.BAD.example:1",
        "10.example",
    ] {
        assert!(!allows(&denying, denied), "{denied}");
    }
    for allowed in
        ["good.example", "bad.example", "notevil.example", "evil.example.org", "100.example", "1.2.3.4", "[::1]"]
    {
        assert!(allows(&denying, allowed), "{allowed}");
    }
    let listed = acl(json!({"allow": ["*.ville.fr", "one.example"], "allow_ip_literals": false}));
    assert!(allows(&listed, "matrix.ville.fr") && allows(&listed, "ONE.example:443"));
    assert!(!allows(&listed, "ville.fr") && !allows(&listed, "two.example") && !allows(&listed, "evilville.fr"));
    let no_literals = acl(json!({"allow": ["*"], "allow_ip_literals": false}));
    assert!(
        !allows(&no_literals, "1.2.3.4") && !allows(&no_literals, "[::1]:8448") && allows(&no_literals, "a.example")
    );
    for nobody in [json!({}), json!({"allow": []}), json!({"allow": "*"}), json!({"allow": [1]})] {
        assert!(!allows(&acl(nobody), "one.example"));
    }
    // Names beyond ASCII go by what the network knows them as.
    let punycode =
        acl(json!({"allow": ["*"], "deny": ["xn--vil-9la.example", "évil.example", "[::1]", "[2001:db8:*"]}));
    for denied in ["xn--vil-9la.example", "XN--Vil-9LA.example:443", "[::1]", "[::1]:8448", "[2001:DB8::5]"] {
        assert!(!allows(&punycode, denied), "{denied}");
    }
    assert!(allows(&punycode, "vil.example") && allows(&punycode, "[::2]"));
    assert!(<&ServerName>::try_from("évil.example").is_err(), "is no server's name at all");
    // Anything but a clear no lets addresses in.
    for odd in [json!(null), json!("false"), json!(0), json!([])] {
        assert!(allows(&acl(json!({"allow": ["*"], "allow_ip_literals": odd})), "1.2.3.4"));
    }
    // A pattern made to be slow is not.
    let slow = acl(json!({"allow": ["*a".repeat(100)]}));
    let long = format!("{}b", "a".repeat(229));
    assert!(!allows(&slow, &long));
}
