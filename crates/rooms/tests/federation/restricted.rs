//! Rooms that let in the members of others: whose word counts, and whose signature (hazard F21).

use kernel::{Fault, Kind, id::OwnedRoomId};
use rooms::{Actor, CreateRoom, Membership, NewEvent, Preset};
use serde_json::{Value, json, value::to_raw_value};

use crate::wire::{Network, Town};

const VERSIONS: [&str; 5] = ["8", "9", "10", "11", "12"];

/// A space at `town`, and a room for its members.
async fn space_and_room(town: &Town, anne: &Actor, version: &str) -> (OwnedRoomId, OwnedRoomId) {
    let space = town.room(anne, version, Preset::PublicChat).await;
    let content = json!({
        "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": space }],
    });
    let rules = NewEvent {
        event_type: "m.room.join_rules".to_owned(),
        content: to_raw_value(&content).unwrap(),
        state_key: Some(String::new()),
        redacts: None,
    };
    let request = CreateRoom {
        version: Some(version.to_owned()),
        preset: Some(Preset::PublicChat),
        initial_state: vec![rules],
        ..CreateRoom::default()
    };
    (space, town.rooms.create(anne, request).await.unwrap())
}

/// Who signed the member's event, in order, and who let them in.
fn signers(town: &Town, room: &OwnedRoomId, member: &Actor) -> (Vec<String>, Option<String>) {
    let event = town.rooms.current_state(room, "m.room.member", member.user.as_str()).unwrap().unwrap();
    let json: Value = serde_json::from_str(event.pdu.json()).unwrap();
    let authoriser = json["content"]["join_authorised_via_users_server"].as_str().map(str::to_owned);
    (json["signatures"].as_object().unwrap().keys().cloned().collect(), authoriser)
}

#[tokio::test]
async fn members_of_the_space_are_let_in_with_one_signature_more() {
    for version in VERSIONS {
        let network = Network::default();
        let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
        let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
        let (space, room) = space_and_room(&metz, &anne, version).await;
        let signed = metz.signer.signatures_made();
        let refused = nancy.join(&bob, &room, &[&metz]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{version}");
        nancy.join(&bob, &space, &[&metz]).await.unwrap();
        assert_eq!(metz.signer.signatures_made(), signed, "{version}: an open door takes no signature");
        assert_eq!(signers(&nancy, &space, &bob), (vec!["nancy.example".to_owned()], None), "{version}");
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        assert_eq!(metz.signer.signatures_made(), signed + 1, "{version}");
        for town in [&metz, &nancy] {
            let both = vec!["metz.example".to_owned(), "nancy.example".to_owned()];
            assert_eq!(signers(town, &room, &bob), (both, Some(anne.user.to_string())), "{version}");
        }
        network.deliver().await;
        // Once in, a second of Nancy comes in by Nancy's own word only if somebody there may invite.
        let carol = nancy.actor("carol");
        nancy.join(&carol, &space, &[]).await.unwrap();
        network.deliver().await;
        network.calls();
        nancy.join(&carol, &room, &[]).await.unwrap();
        assert_eq!(
            network.calls(),
            ["make_join nancy.example metz.example", "send_join nancy.example metz.example"],
            "{version}: by way of Metz, though Nancy is in the room"
        );
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
        // An invite needs nobody's word.
        nancy.rooms.leave(&carol, &room, None).await.unwrap();
        nancy.rooms.leave(&carol, &space, None).await.unwrap();
        network.deliver().await;
        metz.rooms.invite(&anne, &room, &carol, None, false).await.unwrap();
        network.deliver().await;
        nancy.join(&carol, &room, &[]).await.unwrap();
        assert_eq!(signers(&nancy, &room, &carol), (vec!["nancy.example".to_owned()], None), "{version}");
    }
}

#[tokio::test]
async fn a_town_that_cannot_judge_or_cannot_grant_sends_on_to_another() {
    for version in VERSIONS {
        let network = Network::default();
        let (metz, nancy, toul) =
            (network.town("metz.example"), network.town("nancy.example"), network.town("toul.example"));
        let (anne, bob, chloe) = (metz.actor("anne"), nancy.actor("bob"), toul.actor("chloe"));
        let (space, room) = space_and_room(&metz, &anne, version).await;
        for id in [&space, &room] {
            nancy.join(&bob, id, &[&metz]).await.unwrap();
        }
        toul.join(&chloe, &space, &[&metz]).await.unwrap();
        network.deliver().await;
        // Chloe may, but nobody at Nancy may invite.
        let refused = nancy.rooms.make_join(&toul.name, &room, &chloe.user, &[version.to_owned()]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::UnableToGrantJoin, "{version}");
        let signed = nancy.signer.signatures_made();
        toul.join(&chloe, &room, &[&nancy, &metz]).await.unwrap();
        assert_eq!(signers(&toul, &room, &chloe).1, Some(anne.user.to_string()), "{version}");
        assert_eq!(nancy.signer.signatures_made(), signed, "{version}");
        network.deliver().await;

        // Now somebody at Nancy may, but it has left the space and cannot tell who is in it.
        let users = match version {
            "12" => json!({ bob.user.as_str(): 100 }),
            _ => json!({ bob.user.as_str(): 100, anne.user.as_str(): 100 }),
        };
        metz.set(&anne, &room, "m.room.power_levels", json!({ "users": users, "invite": 100 })).await;
        toul.rooms.leave(&chloe, &room, None).await.unwrap();
        nancy.rooms.leave(&bob, &space, None).await.unwrap();
        network.deliver().await;
        let refused = nancy.rooms.make_join(&toul.name, &room, &chloe.user, &[version.to_owned()]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::UnableToAuthoriseJoin, "{version}");
        toul.join(&chloe, &room, &[&nancy, &metz]).await.unwrap();
        network.deliver().await;
        assert_eq!(signers(&nancy, &room, &chloe).1, Some(anne.user.to_string()), "{version}");

        // Nancy's own people it can judge, and lets them in itself.
        let dan = nancy.actor("dan");
        nancy.join(&dan, &space, &[&metz]).await.unwrap();
        network.calls();
        nancy.join(&dan, &room, &[]).await.unwrap();
        assert_eq!(network.calls(), [""; 0], "{version}");
        assert_eq!(
            signers(&nancy, &room, &dan),
            (vec!["nancy.example".to_owned()], Some(bob.user.to_string())),
            "{version}"
        );
        network.deliver().await;
        assert_eq!(network.calls(), [""; 0], "{version}");
        assert_eq!(metz.state(&room), nancy.state(&room), "{version}");
        assert_eq!(metz.membership(&room, &dan.user), Some(Membership::Join), "{version}");
    }
}

#[tokio::test]
async fn conditions_that_cannot_be_read_let_nobody_in() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    let (space, room) = space_and_room(&metz, &anne, "10").await;
    nancy.join(&bob, &space, &[&metz]).await.unwrap();
    for rule in ["restricted", "knock_restricted"] {
        for allow in [json!(["invalid"]), json!("invalid"), Value::Null, json!([{ "type": "m.room_membership" }])] {
            metz.set(&anne, &room, "m.room.join_rules", json!({ "join_rule": rule, "allow": allow })).await;
            let signed = metz.signer.signatures_made();
            let refused = nancy.join(&bob, &room, &[&metz]).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Forbidden, "{rule} {allow}");
            assert_eq!(metz.signer.signatures_made(), signed);
        }
    }
}
