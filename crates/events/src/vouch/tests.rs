//! Invitations and joins to vouch for, and all that a hostile server could send in their place.

use kernel::id::{OwnedEventId, OwnedRoomId};
use ruma_common::canonical_json::redact;
use serde_json::{Value, json};

use super::*;
use crate::{
    Verified, canonical_event,
    fixture::{ALICE, BOB, Room, public_keys, signer, telling_versions, user, version},
    verify,
};

const DAN: &str = "@dan:four.example";

/// This server, on which Dan is.
fn ours() -> Signer {
    signer(user(DAN).server_name())
}

/// The keys of the others, and nothing of ours.
fn theirs() -> PublicKeys {
    public_keys(&["one.example", "two.example", "three.example"])
}

/// An event as a server that does as it likes could send it: `spoil` is done to it, then that server signs it.
fn sent_by(by: &str, version: RoomVersion, mut event: Value, spoil: impl FnOnce(&mut Value)) -> Result<Pdu> {
    for field in ["hashes", "signatures"] {
        event.as_object_mut().unwrap().remove(field);
    }
    spoil(&mut event);
    let mut object = canonical_event(&event.to_string()).unwrap();
    let server = <&ServerName>::try_from(by).unwrap();
    signer(server).hash_and_sign(&mut object, &version.rules().redaction).unwrap();
    Pdu::from_object(&object, version)
}

fn json_of(event: &Pdu) -> Value {
    serde_json::from_str(event.json()).unwrap()
}

/// A room of Alice's, and her invitation of Dan as JSON.
fn invitation(version: RoomVersion) -> (Room, Value) {
    let room = Room::busy(version);
    let content = json!({"membership": "invite", "displayname": "Dan", "is_direct": true, "reason": "Viens"});
    let invite = room.seal(room.draft(ALICE, "m.room.member", Some(DAN), content)).unwrap();
    (room, json_of(&invite))
}

struct Expected {
    origin: &'static str,
    room_id: OwnedRoomId,
    event_id: OwnedEventId,
    user: &'static str,
}

impl Expected {
    fn of(event: &Pdu) -> Self {
        Self {
            origin: "one.example",
            room_id: event.room_id().to_owned(),
            event_id: event.event_id().to_owned(),
            user: DAN,
        }
    }

    fn borrow(&self) -> InviteExpectation<'_> {
        InviteExpectation {
            origin: <&ServerName>::try_from(self.origin).unwrap(),
            room_id: &self.room_id,
            event_id: &self.event_id,
            user: user(self.user),
        }
    }
}

/// Asserts that nothing was signed.
#[track_caller]
fn refused(version: RoomVersion, event: &Pdu, expected: &Expected, keys: &PublicKeys) -> Error {
    let ours = ours();
    let error = ours.vouch_for_invite(event, version, keys, &expected.borrow()).unwrap_err();
    assert_eq!(ours.signatures_made(), 0);
    error
}

#[test]
fn an_invitation_of_our_user_gets_our_signature_beside_its_own() {
    for version in RoomVersion::all() {
        let (room, json) = invitation(version);
        let invite = Pdu::parse(&json.to_string(), version).unwrap();
        let ours = ours();
        let vouched = ours.vouch_for_invite(&invite, version, &theirs(), &Expected::of(&invite).borrow()).unwrap();
        assert_eq!(ours.signatures_made(), 1);
        assert_eq!(vouched.event_id(), invite.event_id());
        let mut expected = json.clone();
        expected["signatures"]["four.example"] = json_of(&vouched)["signatures"]["four.example"].clone();
        assert_eq!(json_of(&vouched), expected, "{version}: nothing else is changed");
        // Both signatures are over the event as it is redacted, by ruma's word.
        let keys = public_keys(&["one.example", "four.example"]);
        let object = canonical_event(vouched.json()).unwrap();
        assert_eq!(verify(&object, &keys, version), Ok(Verified::All), "{version}");
        let redacted = redact(object, &version.rules().redaction, None).unwrap();
        keys.verify_all(&redacted).unwrap();
        // And it reads as any event does.
        assert_eq!(Pdu::parse(vouched.json(), version).unwrap().event_id(), invite.event_id());
        crate::authorise_stateless(version, &vouched, room.fetch()).unwrap();
    }
}

/// What servers write that is of no consequence does not keep their invitations out.
#[test]
fn harmless_fields_are_let_through() {
    for version in telling_versions() {
        let (_, json) = invitation(version);
        let event = sent_by("one.example", version, json, |event| {
            event["origin"] = "one.example".into();
            event["prev_state"] = json!([]);
            event["org.example.extra"] = json!({"a": [1]});
            event["content"]["org.example.extra"] = 1.into();
            event["unsigned"] = json!({"age": 5, "invite_room_state": []});
            if version.ids_are_given() {
                // As Synapse cites what it has just made.
                event["prev_events"][0][1] = json!({});
            }
            event["signatures"] = json!({"four.example": {"ed25519:1": "junk", "ed25519:x": "junk"}});
        })
        .unwrap();
        let vouched = ours().vouch_for_invite(&event, version, &theirs(), &Expected::of(&event).borrow()).unwrap();
        let keys = public_keys(&["one.example", "four.example"]);
        let object = canonical_event(vouched.json()).unwrap();
        keys.verify_all(&redact(object, &version.rules().redaction, None).unwrap()).unwrap();
        let signatures = &json_of(&vouched)["signatures"]["four.example"];
        assert_eq!(signatures.as_object().unwrap().len(), 1, "what others wrote under our name is gone");
    }
}

/// Hazard F1: whatever a server signs and sends as an invitation, only an invitation gets our signature.
#[test]
fn nothing_but_the_invitation_expected_is_signed() {
    type Spoil = fn(&mut Value);
    let spoils: &[(&str, Spoil)] = &[
        ("another type", |event| event["type"] = "m.room.power_levels".into()),
        ("no state", |event| drop(event.as_object_mut().unwrap().remove("state_key"))),
        ("nobody", |event| event["state_key"] = "".into()),
        ("another user of ours", |event| event["state_key"] = "@eve:four.example".into()),
        ("a user of theirs", |event| event["state_key"] = BOB.into()),
        ("a join", |event| event["content"]["membership"] = "join".into()),
        ("a leave", |event| event["content"]["membership"] = "leave".into()),
        ("a ban", |event| event["content"]["membership"] = "ban".into()),
        ("a knock", |event| event["content"]["membership"] = "knock".into()),
        ("no membership", |event| event["content"] = json!({})),
        ("a membership of another type", |event| event["content"]["membership"] = json!(["invite"])),
        ("a restricted join", |event| event["content"]["join_authorised_via_users_server"] = DAN.into()),
        ("an odd restricted join", |event| event["content"]["join_authorised_via_users_server"] = json!(1)),
        ("by address", |event| event["content"]["third_party_invite"] = json!({"signed": {"token": "x"}})),
        ("by odd address", |event| event["content"]["third_party_invite"] = json!(null)),
        ("of another server's user", |event| event["sender"] = BOB.into()),
        ("of a user of ours", |event| event["sender"] = DAN.into()),
    ];
    for version in telling_versions() {
        let (_, json) = invitation(version);
        for (what, spoil) in spoils {
            let event = sent_by("one.example", version, json.clone(), spoil).unwrap();
            let error = refused(version, &event, &Expected::of(&event), &theirs());
            assert!(matches!(error, Error::NotVouched(_)), "{version} {what}: {error:?}");
        }
        let event = sent_by("one.example", version, json.clone(), |_| {}).unwrap();
        let right = Expected::of(&event);
        let other_room =
            if version.room_id_is_create_event() { "!".to_owned() + &"a".repeat(43) } else { "!a:b".into() };
        let other_event =
            if version.ids_are_given() { "$a:one.example".into() } else { "$".to_owned() + &"a".repeat(43) };
        for wrong in [
            Expected { origin: "two.example", ..Expected::of(&event) },
            Expected { user: "@eve:four.example", ..Expected::of(&event) },
            Expected { user: BOB, ..Expected::of(&event) },
            Expected { room_id: other_room.as_str().try_into().unwrap(), ..Expected::of(&event) },
            Expected { event_id: other_event.as_str().try_into().unwrap(), ..Expected::of(&event) },
        ] {
            assert!(matches!(refused(version, &event, &wrong, &theirs()), Error::NotVouched(_)), "{version}");
        }
        // Elsewhere, Dan is nobody.
        let elsewhere = signer(<&ServerName>::try_from("five.example").unwrap());
        let result = elsewhere.vouch_for_invite(&event, version, &theirs(), &right.borrow());
        assert!(matches!(result, Err(Error::NotVouched(_))) && elsewhere.signatures_made() == 0);
    }
}

/// What a redaction keeps and an invitation has no use for: our signature would cover it.
#[test]
fn what_we_do_not_know_of_is_not_signed() {
    type Spoil = fn(&mut Value);
    let spoils: &[(&str, Spoil)] = &[
        ("origin", |event| event["origin"] = "two.example".into()),
        ("origin", |event| event["origin"] = json!({"type": "m.room.create"})),
        ("prev_state", |event| event["prev_state"] = json!([["$a:b", {}]])),
        ("prev_state", |event| event["prev_state"] = json!("x")),
        ("membership", |event| event["membership"] = "invite".into()),
        ("hashes", |event| event["hashes"] = json!({"sha512": "x"})),
    ];
    for version in telling_versions() {
        let (_, json) = invitation(version);
        for (field, spoil) in spoils {
            let event = sent_by("one.example", version, json.clone(), spoil).unwrap();
            let kept = version.rules().redaction.keep_origin_membership_prev_state || *field == "hashes";
            let ours = ours();
            let result = ours.vouch_for_invite(&event, version, &theirs(), &Expected::of(&event).borrow());
            assert_eq!(ours.signatures_made(), u64::from(!kept), "{version} {field}");
            assert_eq!(matches!(result, Err(Error::NotVouched(_))), kept, "{version} {field}: {result:?}");
        }
        if version.ids_are_given() {
            let given_by_another = |event: &mut Value| event["event_id"] = "$x:two.example".into();
            let event = sent_by("one.example", version, json.clone(), given_by_another).unwrap();
            let error = refused(version, &event, &Expected::of(&event), &theirs());
            assert!(matches!(error, Error::NotVouched(_)), "{error:?}");
            let more_hashes = |event: &mut Value| event["prev_events"][0][1]["md5"] = "x".into();
            let event = sent_by("one.example", version, json.clone(), more_hashes).unwrap();
            let error = refused(version, &event, &Expected::of(&event), &theirs());
            assert!(matches!(error, Error::NotVouched(_)), "{error:?}");
        }
    }
}

/// Hazard F4.
#[test]
fn its_own_server_must_have_signed_it_as_it_is() {
    for version in telling_versions() {
        let (_, json) = invitation(version);
        let by_third = sent_by("three.example", version, json.clone(), |_| {}).unwrap();
        let error = refused(version, &by_third, &Expected::of(&by_third), &theirs());
        assert!(matches!(error, Error::InvalidSignature(_)), "{version}: {error:?}");

        let whole = Pdu::parse(&json.to_string(), version).unwrap();
        for keys in [PublicKeys::default(), public_keys(&["two.example", "four.example"])] {
            let error = refused(version, &whole, &Expected::of(&whole), &keys);
            assert!(matches!(error, Error::InvalidSignature(_)), "{version}: {error:?}");
        }
        for signatures in [json!({}), json!({"one.example": {}}), json!({"one.example": {"ed25519:1": "AAAA"}})] {
            let mut unsigned = json.clone();
            unsigned["signatures"] = signatures;
            let event = Pdu::parse(&unsigned.to_string(), version).unwrap();
            let error = refused(version, &event, &Expected::of(&event), &theirs());
            assert!(matches!(error, Error::InvalidSignature(_)), "{version}: {error:?}");
        }
        // Altered on the way, if only where signatures do not reach.
        let mut altered = json.clone();
        altered["content"]["reason"] = "Rien".into();
        let event = Pdu::parse(&altered.to_string(), version).unwrap();
        let error = refused(version, &event, &Expected::of(&event), &theirs());
        assert!(matches!(error, Error::NotVouched(_)), "{version}: {error:?}");
    }
}

#[test]
fn an_invitation_is_of_the_version_that_it_is_said_to_be() {
    for (real, said) in [(1, 3), (3, 1), (3, 4), (4, 3), (10, 11), (10, 12), (11, 10), (12, 2)] {
        let (real, said) = (version(real), version(said));
        let (_, json) = invitation(real);
        let event = sent_by("one.example", real, json, |event| event["origin"] = "one.example".into()).unwrap();
        let error = refused(said, &event, &Expected::of(&event), &theirs());
        assert!(matches!(error, Error::NotVouched(_) | Error::Malformed(_)), "{real} {said}: {error:?}");
    }
}

#[test]
fn what_has_no_room_for_our_signature_is_not_signed() {
    for version in telling_versions() {
        let (_, json) = invitation(version);
        let with_reason = |length: usize| {
            let reason = |event: &mut Value| event["content"]["reason"] = "x".repeat(length).into();
            sent_by("one.example", version, json.clone(), reason).unwrap()
        };
        let free = kernel::limits::EVENT_BYTES_MAX - with_reason(0).json().len();
        let ours_takes = r#""four.example":{"ed25519:1":""},"#.len() + SIGNATURE_LENGTH;
        let fits = with_reason(free - ours_takes);
        let vouched = ours().vouch_for_invite(&fits, version, &theirs(), &Expected::of(&fits).borrow()).unwrap();
        assert_eq!(vouched.json().len(), kernel::limits::EVENT_BYTES_MAX);
        let over = with_reason(free - ours_takes + 1);
        assert!(matches!(refused(version, &over, &Expected::of(&over), &theirs()), Error::TooLarge(_)), "{version}");
    }
}

/// Bob's join to Alice's room, let in by a user of ours.
fn restricted_join(version: RoomVersion) -> Value {
    let room = Room::busy(version);
    let content = json!({"membership": "join", "displayname": "Bob", "join_authorised_via_users_server": DAN});
    json_of(&room.seal(room.draft(BOB, "m.room.member", Some(BOB), content)).unwrap())
}

/// Hazard F21: one signature more, by the server of who lets the user in, and only where the version asks for it.
#[test]
fn a_join_that_a_user_of_ours_allows_gets_our_signature() {
    for version in RoomVersion::all() {
        let json = restricted_join(version);
        let join = Pdu::parse(&json.to_string(), version).unwrap();
        let object = canonical_event(join.json()).unwrap();
        let ours = ours();
        let result = ours.vouch_for_join(&join, version, &theirs(), user(DAN));
        if !version.has_restricted_joins() {
            assert!(matches!(result, Err(Error::NotVouched(_))) && ours.signatures_made() == 0, "{version}");
            continue;
        }
        let vouched = result.unwrap();
        assert_eq!(ours.signatures_made(), 1);
        let keys = public_keys(&["two.example", "four.example"]);
        assert!(matches!(verify(&object, &keys, version), Err(Error::InvalidSignature(_))), "{version}");
        let object = canonical_event(vouched.json()).unwrap();
        assert_eq!(verify(&object, &keys, version), Ok(Verified::All), "{version}");
        assert_eq!(vouched.event_id(), join.event_id());
        let mut expected = json.clone();
        expected["signatures"]["four.example"] = json_of(&vouched)["signatures"]["four.example"].clone();
        assert_eq!(json_of(&vouched), expected, "{version}");
    }
}

#[test]
fn no_other_join_is_signed() {
    type Spoil = fn(&mut Value);
    let spoils: &[(&str, Spoil)] = &[
        ("another type", |event| event["type"] = "m.room.power_levels".into()),
        ("no state", |event| drop(event.as_object_mut().unwrap().remove("state_key"))),
        ("for another", |event| event["state_key"] = ALICE.into()),
        ("by another", |event| event["sender"] = "@x:two.example".into()),
        ("an invitation", |event| event["content"]["membership"] = "invite".into()),
        ("a leave", |event| event["content"]["membership"] = "leave".into()),
        ("let in by nobody", |event| {
            drop(event["content"].as_object_mut().unwrap().remove("join_authorised_via_users_server"));
        }),
        ("let in by another of ours", |event| {
            event["content"]["join_authorised_via_users_server"] = "@eve:four.example".into();
        }),
        ("let in by another server", |event| event["content"]["join_authorised_via_users_server"] = ALICE.into()),
        ("let in by something", |event| event["content"]["join_authorised_via_users_server"] = json!([DAN])),
        ("by address", |event| event["content"]["third_party_invite"] = json!({"signed": {}})),
    ];
    for version in [version(8), version(9), RoomVersion::V10, RoomVersion::V11, RoomVersion::V12] {
        let json = restricted_join(version);
        let ours = ours();
        for (what, spoil) in spoils {
            let event = sent_by("two.example", version, json.clone(), spoil).unwrap();
            let result = ours.vouch_for_join(&event, version, &theirs(), user(DAN));
            assert!(matches!(result, Err(Error::NotVouched(_))), "{version} {what}: {result:?}");
        }
        let event = Pdu::parse(&json.to_string(), version).unwrap();
        for other in ["@eve:four.example", ALICE] {
            let result = ours.vouch_for_join(&event, version, &theirs(), user(other));
            assert!(matches!(result, Err(Error::NotVouched(_))), "{version} {other}");
        }
        let result = ours.vouch_for_join(&event, version, &public_keys(&["one.example", "four.example"]), user(DAN));
        assert!(matches!(result, Err(Error::InvalidSignature(_))), "{version}");
        let by_third = sent_by("three.example", version, json.clone(), |_| {}).unwrap();
        let result = ours.vouch_for_join(&by_third, version, &theirs(), user(DAN));
        assert!(matches!(result, Err(Error::InvalidSignature(_))), "{version}");
        assert_eq!(ours.signatures_made(), 0, "{version}");
    }
}

/// The other end of both: what comes back is taken for its signature and for nothing else.
#[test]
fn a_countersignature_is_taken_and_nothing_beside_it() {
    for version in [version(8), RoomVersion::V10, RoomVersion::V11, RoomVersion::V12] {
        let join = Pdu::parse(&restricted_join(version).to_string(), version).unwrap();
        let (dans, keys) = (user(DAN).server_name(), public_keys(&["four.example"]));
        let vouched = ours().vouch_for_join(&join, version, &theirs(), user(DAN)).unwrap();
        let mut copy = json_of(&vouched);
        copy["signatures"]["four.example"]["ed25519:other"] = "junk".into();
        copy["signatures"]["five.example"] = json!({"ed25519:1": "junk"});
        copy["unsigned"] = json!({"age": 1});
        copy["content"]["displayname"] = "Mallory".into();
        let taken = join.countersigned(&copy.to_string(), dans, version, &keys).unwrap();
        assert_eq!(taken.json(), vouched.json(), "{version}");
        assert_eq!(taken.event_id(), join.event_id());

        let refused = |copy: Value, server: &ServerName, keys: &PublicKeys| {
            let result = join.countersigned(&copy.to_string(), server, version, keys);
            assert!(matches!(result, Err(Error::InvalidSignature(_))), "{version}: {result:?}");
        };
        refused(json_of(&vouched), dans, &PublicKeys::default());
        refused(json_of(&vouched), dans, &theirs());
        refused(json_of(&join), dans, &keys);
        refused(json!({}), dans, &keys);
        let mut false_one = json_of(&vouched);
        false_one["signatures"]["four.example"] = false_one["signatures"]["two.example"].clone();
        refused(false_one, dans, &keys);
        // A true signature, of another event.
        let other =
            sent_by("two.example", version, restricted_join(version), |event| event["depth"] = 99.into()).unwrap();
        let other = ours().vouch_for_join(&other, version, &theirs(), user(DAN)).unwrap();
        refused(json_of(&other), dans, &keys);
    }
}
