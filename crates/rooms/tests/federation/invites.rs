//! Invites across towns: sent, accepted, declined, taken back.

use events::RoomVersion;
use kernel::{
    Fault, Kind,
    id::{OwnedRoomId, RoomId, UserId},
};
use rooms::{Actor, CreateRoom, Membership, Preset, Render};
use serde_json::Value;

use crate::{
    joins::VERSIONS,
    wire::{Network, Town},
};

struct Towns {
    network: Network,
    metz: Town,
    nancy: Town,
    anne: Actor,
    bob: Actor,
}

fn towns() -> Towns {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    Towns { network, metz, nancy, anne, bob }
}

impl Towns {
    /// A room that Bob is invited to, and nothing asked about it yet.
    async fn invited(&self, version: &str) -> OwnedRoomId {
        let room = self.metz.room(&self.anne, version, Preset::PrivateChat).await;
        self.metz.rooms.invite(&self.anne, &room, &self.bob, None, true).await.unwrap();
        self.network.deliver().await;
        self.network.calls();
        room
    }
}

/// The stripped state as a sync shows it.
fn stripped(town: &Town, room: &RoomId, user: &UserId) -> Vec<Value> {
    let rooms = town.rooms.rooms_of(user).unwrap();
    rooms[room].room.stripped.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// How the user's membership ended outside the room, as a sync shows it.
fn shown_outside(town: &Town, room: &RoomId, user: &UserId) -> Value {
    let event = town.rooms.outside_event(user, room).unwrap().unwrap();
    let mut viewer = town.rooms.viewer(room, user).unwrap();
    assert!(viewer.sees(&event).unwrap());
    assert_eq!(town.rooms.visible_event(room, user, event.pdu.event_id()).unwrap().pdu.json(), event.pdu.json());
    serde_json::from_str(town.rooms.render(&mut viewer, &event, Render::default()).unwrap().get()).unwrap()
}

#[tokio::test]
async fn an_invite_is_signed_by_both_towns_and_is_the_way_in() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = metz.room(anne, version, Preset::PrivateChat).await;
        metz.rooms.invite(anne, &room, bob, Some("Réunion"), true).await.unwrap();
        assert_eq!(network.calls(), ["invite metz.example nancy.example"], "{version}");
        assert_eq!(metz.membership(&room, &bob.user), Some(Membership::Invite));
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Invite));
        let invite = metz.rooms.current_state(&room, "m.room.member", bob.user.as_str()).unwrap().unwrap();
        let json: Value = serde_json::from_str(invite.pdu.json()).unwrap();
        assert_eq!(json["signatures"].as_object().unwrap().len(), 2, "{version}");
        let shown = stripped(nancy, &room, &bob.user);
        let create = shown.iter().find(|event| event["type"] == "m.room.create").unwrap();
        assert!(create["origin_server_ts"].is_u64(), "{version}");
        assert!(shown.iter().any(|event| event["content"]["name"] == "Mairie"), "{version}");
        assert!(shown.iter().any(|event| event["state_key"] == anne.user.as_str()), "{version}: who invites is shown");
        assert_eq!(shown.last().unwrap()["content"]["is_direct"], true, "{version}");
        network.deliver().await;
        assert_eq!(network.calls(), [""; 0], "{version}: an invite goes to nobody else");

        nancy.join(bob, &room, &[]).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
        let join = nancy.rooms.current_state(&room, "m.room.member", bob.user.as_str()).unwrap().unwrap();
        assert_eq!(join.replaces.as_deref(), Some(invite.pdu.event_id()), "{version}");
        let mut viewer = nancy.rooms.viewer(&room, &bob.user).unwrap();
        let shown = nancy.rooms.render(&mut viewer, &join, Render::default()).unwrap();
        let shown: Value = serde_json::from_str(shown.get()).unwrap();
        assert_eq!(shown["unsigned"]["prev_content"]["is_direct"], true, "{version}");
        assert_eq!(shown["unsigned"]["prev_sender"], anne.user.as_str(), "{version}");
        assert!(nancy.rooms.outside_event(&bob.user, &room).unwrap().is_none(), "{version}");
    }
}

#[tokio::test]
async fn an_invite_is_declined_as_often_as_it_comes() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = towns.invited(version).await;
        for _ in 0..3 {
            nancy.rooms.leave(bob, &room, Some("non merci")).await.unwrap();
            assert_eq!(
                network.calls(),
                ["make_leave nancy.example metz.example", "send_leave nancy.example metz.example"]
            );
            assert_eq!(metz.membership(&room, &bob.user), Some(Membership::Leave), "{version}");
            assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Leave), "{version}");
            let shown = shown_outside(nancy, &room, &bob.user);
            assert_eq!(
                (&shown["content"]["membership"], &shown["content"]["reason"]),
                (&"leave".into(), &"non merci".into())
            );
            // Leaving once more is no mistake, and asks nobody.
            nancy.rooms.leave(bob, &room, None).await.unwrap();
            assert_eq!(network.calls(), [""; 0]);
            metz.rooms.invite(anne, &room, bob, None, false).await.unwrap();
            network.calls();
            assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Invite), "{version}");
        }
        nancy.rooms.leave(bob, &room, None).await.unwrap();
        nancy.rooms.forget(&bob.user, &room).await.unwrap();
        assert!(nancy.rooms.rooms_of(&bob.user).unwrap()[&room].room.forgotten);
    }
}

/// The room is empty, the other town gone: the invite is over for him all the same, and nothing of ours is signed for it.
#[tokio::test]
async fn an_invite_is_declined_also_when_nobody_is_there_to_hear_it() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = towns.invited(version).await;
        let signed = nancy.signer.signatures_made();
        metz.rooms.leave(anne, &room, None).await.unwrap();
        nancy.rooms.leave(bob, &room, None).await.unwrap();
        assert_eq!(network.calls(), ["make_leave nancy.example metz.example"], "{version}");
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Leave), "{version}");
        assert_eq!(shown_outside(nancy, &room, &bob.user)["sender"], bob.user.as_str());
        let other = towns.invited(version).await;
        network.unplug(metz);
        nancy.rooms.leave(bob, &other, None).await.unwrap();
        assert_eq!(nancy.own_membership(&other, &bob.user), Some(Membership::Leave), "{version}");
        assert_eq!(nancy.signer.signatures_made(), signed + 1, "{version}: the second invite, and no leave");
    }
}

#[tokio::test]
async fn the_inviter_takes_an_invite_back_and_nobody_else() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = towns.invited(version).await;
        metz.rooms.kick(anne, &room, &bob.user, Some("erreur")).await.unwrap();
        network.deliver().await;
        assert_eq!(network.calls(), [""; 0], "{version}");
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Leave), "{version}");
        assert_eq!(shown_outside(nancy, &room, &bob.user)["sender"], anne.user.as_str());

        // A member of whom Nancy knows nothing: it cannot tell that they may.
        let (room, alix) = (metz.room(anne, version, Preset::PublicChat).await, metz.actor("alix"));
        metz.set(anne, &room, "m.room.power_levels", levels(version, anne)).await;
        metz.rooms.join(&alix, &room, None).await.unwrap();
        metz.rooms.invite(&alix, &room, bob, None, false).await.unwrap();
        metz.rooms.kick(anne, &room, &bob.user, None).await.unwrap();
        network.calls();
        network.deliver().await;
        assert_eq!(network.calls().len(), 1, "{version}: it is refused");
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Invite), "{version}");
    }
}

/// Everybody invites, Anne rules.
pub(crate) fn levels(version: &str, anne: &Actor) -> Value {
    let creators_stand_above = RoomVersion::parse(version).unwrap().privileges_creators();
    let users =
        if creators_stand_above { serde_json::json!({}) } else { serde_json::json!({ anne.user.as_str(): 100 }) };
    serde_json::json!({ "users": users, "invite": 0 })
}

/// The invite comes twice then: by itself, and as an event of the room.
#[tokio::test]
async fn somebody_is_invited_to_a_room_that_their_town_is_in() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = towns.invited(version).await;
        nancy.join(bob, &room, &[]).await.unwrap();
        network.deliver().await;
        let (carol, dan) = (nancy.actor("carol"), nancy.actor("dan"));
        for (invitee, comes) in [(&carol, true), (&dan, false)] {
            metz.rooms.invite(anne, &room, invitee, None, false).await.unwrap();
            assert_eq!(nancy.membership(&room, &invitee.user), Some(Membership::Invite), "{version}");
            network.deliver().await;
            network.calls();
            if comes {
                nancy.join(invitee, &room, &[]).await.unwrap();
            } else {
                nancy.rooms.leave(invitee, &room, None).await.unwrap();
            }
            assert_eq!(network.calls(), [""; 0], "{version}: what is of this town is done here");
            network.deliver().await;
            assert_eq!(network.calls(), [""; 0], "{version}: nothing is refused");
            assert_eq!(metz.state(&room), nancy.state(&room), "{version}");
        }
        assert_eq!(metz.membership(&room, &carol.user), Some(Membership::Join));
        assert_eq!(metz.membership(&room, &dan.user), Some(Membership::Leave));
    }
}

#[tokio::test]
async fn a_new_room_invites_people_of_other_towns_and_is_there_without_those_who_cannot_be_reached() {
    let towns = towns();
    let Towns { network, metz, nancy, anne, bob } = &towns;
    let (carol, toul, nobody) = (nancy.actor("carol"), network.town("toul.example"), nancy.actor("nobody"));
    network.unplug(&toul);
    let invite = vec![toul.actor("x"), bob.clone(), nobody.clone(), carol.clone(), toul.actor("y"), metz.actor("alix")];
    let request =
        CreateRoom { invite, preset: Some(Preset::TrustedPrivateChat), is_direct: true, ..CreateRoom::default() };
    let room = metz.rooms.create(anne, request).await.unwrap();
    for invited in [bob, &carol] {
        assert_eq!(nancy.own_membership(&room, &invited.user), Some(Membership::Invite));
        assert_eq!(metz.membership(&room, &invited.user), Some(Membership::Invite));
    }
    assert_eq!(metz.membership(&room, &metz.actor("alix").user), Some(Membership::Invite));
    assert_eq!(metz.membership(&room, &nobody.user), None);
    let to_toul = network.calls().into_iter().filter(|call| call.ends_with("toul.example")).count();
    assert_eq!(to_toul, 1, "who cannot be reached is not asked again");
    assert_eq!(metz.rooms.member_counts(&room).unwrap(), (1, 3));
    nancy.join(bob, &room, &[]).await.unwrap();
    nancy.say(bob, &room, "bonjour").await;
    network.deliver().await;
    assert_eq!(metz.state(&room), nancy.state(&room));
}

#[tokio::test]
async fn an_invite_that_the_other_town_refuses_is_none() {
    let towns = towns();
    let Towns { metz, nancy, anne, bob, network } = &towns;
    let room = metz.room(anne, "12", Preset::PrivateChat).await;
    let state = metz.state(&room);
    let error = metz.rooms.invite(anne, &room, &nancy.actor("nobody"), None, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Forbidden);
    network.unplug(nancy);
    let error = metz.rooms.invite(anne, &room, bob, None, false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(metz.state(&room), state);
    // Who may not invite asks nobody.
    network.calls();
    let error = metz.rooms.invite(&metz.actor("alix"), &room, bob, None, false).await.unwrap_err();
    assert_eq!((error.kind(), network.calls()), (Kind::Forbidden, Vec::new()));
}

/// What was here of the room does not stand in the way of the new invite, nor of the join.
#[tokio::test]
async fn who_was_banned_is_invited_again_and_finds_the_room_as_it_is() {
    for version in VERSIONS {
        let towns = towns();
        let Towns { network, metz, nancy, anne, bob } = &towns;
        let room = towns.invited(version).await;
        nancy.join(bob, &room, &[]).await.unwrap();
        network.deliver().await;
        metz.rooms.ban(anne, &room, &bob.user, None).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Ban), "{version}");
        metz.rooms.unban(anne, &room, &bob.user, None).await.unwrap();
        metz.set(anne, &room, "m.room.name", serde_json::json!({ "name": "Mairie annexe" })).await;
        network.deliver().await;
        metz.rooms.invite(anne, &room, bob, None, false).await.unwrap();
        assert_eq!(nancy.own_membership(&room, &bob.user), Some(Membership::Invite), "{version}");
        nancy.join(bob, &room, &[]).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
        assert_eq!(nancy.rooms.member_counts(&room).unwrap(), (2, 0), "{version}");
        nancy.say(bob, &room, "me revoilà").await;
        network.calls();
        network.deliver().await;
        assert_eq!(network.calls(), [""; 0], "{version}");
    }
}
