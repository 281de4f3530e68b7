//! The rules of `m.room.member`: who may be what in a room, by whose word.

use super::*;
use crate::{
    canonical::canonical_string,
    canonical_content_of,
    fixture::{signer, user},
};

#[test]
fn joining() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        assert!(room.may(DAN, "m.room.member", Some(DAN), member("join")), "a public room");
        assert!(!room.may(ALICE, "m.room.member", Some(DAN), member("join")), "for another");
        assert!(!room.may(DAN, "m.room.member", None, member("join")), "without a state key");
        assert!(!room.may(DAN, "m.room.member", Some("dan"), member("join")), "as nobody");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), json!({})), "without a membership");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("admin")), "an unknown membership");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), json!({"membership": 1})), "one of another type");
        room.send(ALICE, "m.room.member", Some(DAN), member("ban"));
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("join")), "while banned");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("leave")), "nor leave");
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "invite"}));
        let eve = "@eve:five.example";
        assert!(!room.may(eve, "m.room.member", Some(eve), member("join")), "a private room");
        room.send(CAROL, "m.room.member", Some(eve), member("invite"));
        assert!(room.may(eve, "m.room.member", Some(eve), member("join")), "when invited");
        assert!(room.may(CAROL, "m.room.member", Some(CAROL), member("join")), "again, with another name");
    }
}

#[test]
fn inviting() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        assert!(room.may(CAROL, "m.room.member", Some(DAN), member("invite")));
        assert!(!room.may(DAN, "m.room.member", Some("@eve:five.example"), member("invite")), "from outside");
        assert!(!room.may(CAROL, "m.room.member", Some(BOB), member("invite")), "who is here");
        let mut levels: Value = room.state_event("m.room.power_levels", "").unwrap().content_as().unwrap();
        levels["invite"] = 50.into();
        room.send(ALICE, "m.room.power_levels", Some(""), levels);
        assert!(room.may(BOB, "m.room.member", Some(DAN), member("invite")));
        assert!(!room.may(CAROL, "m.room.member", Some(DAN), member("invite")), "without the power");
        room.send(ALICE, "m.room.member", Some(DAN), member("ban"));
        assert!(!room.may(BOB, "m.room.member", Some(DAN), member("invite")), "who is banned");
    }
}

#[test]
fn leaving_kicking_and_banning() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        assert!(room.may(CAROL, "m.room.member", Some(CAROL), member("leave")));
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("leave")), "who is not there");
        assert!(room.may(BOB, "m.room.member", Some(CAROL), member("leave")), "a kick");
        assert!(room.may(BOB, "m.room.member", Some(CAROL), member("ban")));
        for membership in ["leave", "ban"] {
            assert!(!room.may(CAROL, "m.room.member", Some(BOB), member(membership)), "without the power");
            assert!(!room.may(BOB, "m.room.member", Some(ALICE), member(membership)), "who has more power");
            assert!(!room.may(DAN, "m.room.member", Some(CAROL), member(membership)), "from outside");
        }
        room.send(BOB, "m.room.member", Some(CAROL), member("ban"));
        assert!(room.may(ALICE, "m.room.member", Some(CAROL), member("leave")), "an unban");
        assert!(!room.may(CAROL, "m.room.member", Some(CAROL), member("leave")), "of oneself");
    }
}

#[test]
fn knocking_since_version_7() {
    for number in [1, 6, 7, 10, 11, 12] {
        let mut room = Room::busy(version(number));
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("knock")), "a public room");
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "knock"}));
        assert_eq!(room.may(DAN, "m.room.member", Some(DAN), member("knock")), number >= 7, "{number}");
        assert!(!room.may(BOB, "m.room.member", Some(DAN), member("knock")), "for another");
        assert!(!room.may(BOB, "m.room.member", Some(BOB), member("knock")), "who is here");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("join")), "a knock is no key");
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "knock_restricted"}));
        assert_eq!(room.may(DAN, "m.room.member", Some(DAN), member("knock")), number >= 10, "{number}");
    }
}

#[test]
fn restricted_rooms_since_version_8() {
    for number in [1, 6, 8, 10, 11, 12] {
        let mut room = Room::busy(version(number));
        let allow = json!([{"type": "m.room_membership", "room_id": "!other:one.example"}]);
        room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "restricted", "allow": allow}));
        let join = |by: Value| json!({"membership": "join", "join_authorised_via_users_server": by});
        let may = |by: Value| room.may(DAN, "m.room.member", Some(DAN), join(by));
        assert_eq!(may(json!(ALICE)), number >= 8, "{number}");
        assert_eq!(may(json!(CAROL)), number >= 8, "{number}: everybody may invite here");
        assert!(!may(json!(DAN)), "by oneself");
        assert!(!may(json!("@nobody:one.example")), "by one who is not there");
        assert!(!may(json!(1)));
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("join")));
        let stays = room.may(CAROL, "m.room.member", Some(CAROL), member("join"));
        assert_eq!(stays, number >= 8, "{number}: older versions do not know the rule at all");
    }
}

#[test]
fn a_room_without_join_rules_is_open_to_the_invited() {
    for version in telling_versions() {
        let mut room = Room::new(version, ALICE);
        assert!(!room.may(BOB, "m.room.member", Some(BOB), member("join")));
        room.send(ALICE, "m.room.member", Some(BOB), member("invite"));
        room.send(BOB, "m.room.member", Some(BOB), member("join"));
        assert!(room.may(BOB, "m.room.member", Some(BOB), member("join")), "with another name");
        assert!(!room.may(CAROL, "m.room.member", Some(CAROL), member("knock")));
    }
}

/// The first to join, on the create event alone, is its creator.
#[test]
fn the_creator_comes_first() {
    for version in telling_versions() {
        let created = Room::new(version, ALICE);
        let create = created.state_event("m.room.create", "").unwrap();
        let mut empty = created.clone();
        empty.state.retain(|key, _| key.0 == "m.room.create");
        empty.tip = Some(create.event_id().to_owned());
        assert!(empty.may(ALICE, "m.room.member", Some(ALICE), member("join")));
        assert!(!empty.may(BOB, "m.room.member", Some(BOB), member("join")), "{version}: another");
        let later = Draft { prev_events: vec![], ..empty.draft(ALICE, "m.room.member", Some(ALICE), member("join")) };
        denied(empty.check(later));
    }
}

#[test]
fn rules_that_nobody_knows_let_nobody_in() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        for rule in [json!("private"), json!("org.example.rule"), json!(""), json!(null), json!(5), json!({})] {
            room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": rule}));
            assert!(!room.may(DAN, "m.room.member", Some(DAN), member("join")), "{version} {rule}");
            assert!(!room.may(DAN, "m.room.member", Some(DAN), member("knock")), "{version} {rule}");
        }
    }
}

#[test]
fn an_invitation_may_be_declined_and_a_knock_taken_back() {
    for version in telling_versions() {
        let mut room = Room::busy(version);
        room.send(ALICE, "m.room.member", Some(DAN), member("invite"));
        assert!(room.may(DAN, "m.room.member", Some(DAN), member("leave")));
        assert!(!room.may("@eve:four.example", "m.room.member", Some(DAN), member("leave")), "by another");
        assert!(!room.may(DAN, "m.room.member", Some(DAN), member("knock")), "who is invited");
        if version.has_knocking() {
            let mut room = Room::busy(version);
            room.send(ALICE, "m.room.join_rules", Some(""), json!({"join_rule": "knock"}));
            room.send(DAN, "m.room.member", Some(DAN), member("knock"));
            assert!(room.may(DAN, "m.room.member", Some(DAN), member("knock")), "again");
            assert!(room.may(DAN, "m.room.member", Some(DAN), member("leave")));
            assert!(room.may(BOB, "m.room.member", Some(DAN), member("leave")), "refused");
            assert!(room.may(CAROL, "m.room.member", Some(DAN), member("invite")), "granted");
            room.send(ALICE, "m.room.member", Some(DAN), member("ban"));
            assert!(!room.may(DAN, "m.room.member", Some(DAN), member("knock")), "while banned");
        }
    }
}

/// The rules of `third_party_invite`: an invitation to whoever proves to a server of identities that an address is theirs.
#[test]
fn inviting_by_address() {
    let identity = signer(<&kernel::id::ServerName>::try_from("identity.example").unwrap());
    let signed = |mxid: &str, token: &str| {
        let mut signed = json!({"mxid": mxid, "token": token});
        let signature = identity.sign(&canonical_string(&canonical_content_of(signed.clone()).unwrap()));
        signed["signatures"] = json!({"identity.example": {"ed25519:1": signature}});
        signed
    };
    let invite =
        |signed: Value| json!({"membership": "invite", "third_party_invite": {"display_name": "d", "signed": signed}});
    for version in telling_versions() {
        let mut room = Room::busy(version);
        let key = identity.public_key_base64();
        let offer = json!({"display_name": "d", "key_validity_url": "x", "public_key": key, "public_keys": []});
        room.send(BOB, "m.room.third_party_invite", Some("token"), offer);
        let may = |sender: &str, content: Value| room.may(sender, "m.room.member", Some(DAN), content);
        let good = signed(DAN, "token");
        assert!(may(BOB, invite(good.clone())), "{version}");
        assert!(!may(ALICE, invite(good.clone())), "{version}: by another than who offered it");
        assert!(!may(BOB, invite(signed(DAN, "other"))), "of a token that the room does not know");
        assert!(!may(BOB, invite(signed("@eve:four.example", "token"))), "for another");
        let eve = Some("@eve:four.example");
        assert!(!room.may(BOB, "m.room.member", eve, invite(good.clone())), "to another");
        for field in ["mxid", "token", "signatures"] {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!may(BOB, invite(without)), "without {field}");
        }
        assert!(!may(BOB, json!({"membership": "invite", "third_party_invite": {}})), "unsigned");
        let mut forged = good.clone();
        forged["signatures"]["identity.example"]["ed25519:1"] = "A".repeat(86).into();
        assert!(!may(BOB, invite(forged)), "with a false signature");
        let mut rekeyed = room.clone();
        let other = signer(user(BOB).server_name()).public_key_base64();
        rekeyed.send(BOB, "m.room.third_party_invite", Some("token"), json!({"public_key": other}));
        assert!(!rekeyed.may(BOB, "m.room.member", Some(DAN), invite(good.clone())), "by a key that was not offered");
        rekeyed.send(BOB, "m.room.third_party_invite", Some("token"), json!({"public_keys": [{"public_key": key}]}));
        assert!(rekeyed.may(BOB, "m.room.member", Some(DAN), invite(good.clone())), "by one of a list");
        room.send(ALICE, "m.room.member", Some(DAN), member("ban"));
        assert!(!room.may(BOB, "m.room.member", Some(DAN), invite(good)), "who is banned");
    }
}
