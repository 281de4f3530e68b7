//! Joining a room by way of a server that is in it.

use kernel::{
    Fault, Kind, Position,
    id::{RoomId, UserId},
};
use rooms::{Boundary, Membership, Preset};
use serde_json::json;
use store::Direction;

use crate::wire::{Network, Town};

/// The versions at which the rules or the format changed most.
pub(crate) const VERSIONS: [&str; 6] = ["1", "6", "8", "10", "11", "12"];

#[tokio::test]
async fn a_room_is_joined_through_another_town_and_is_one_room_then() {
    for version in VERSIONS {
        let network = Network::default();
        let (metz, nancy, toul) =
            (network.town("metz.example"), network.town("nancy.example"), network.town("toul.example"));
        let (anne, bob, chloe) = (metz.actor("anne"), nancy.actor("bob"), toul.actor("chloe"));
        let room = metz.room(&anne, version, Preset::PublicChat).await;
        metz.say(&anne, &room, "before").await;
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        // The second town comes in by the first that did: what it tells is as good.
        network.deliver().await;
        toul.join(&chloe, &room, &[&nancy]).await.unwrap();
        network.deliver().await;
        nancy.say(&bob, &room, "bonjour").await;
        network.deliver().await;
        metz.set(&anne, &room, "m.room.topic", json!({ "topic": "Budget" })).await;
        network.deliver().await;
        for town in [&metz, &nancy, &toul] {
            assert_eq!(town.state(&room), metz.state(&room), "{version} {}", town.name);
            assert_eq!(town.rooms.member_counts(&room).unwrap(), (3, 0), "{version} {}", town.name);
            assert_eq!(town.rooms.servers(&room).unwrap().len(), 3, "{version} {}", town.name);
        }
        assert!(network.calls().iter().all(|call| !call.starts_with("refused")), "{version}");
        names_are_ours(&nancy, &room, &bob.user);
    }
}

fn names_are_ours(town: &Town, room: &RoomId, user: &UserId) {
    let member = town.rooms.member(room, user).unwrap().unwrap();
    assert_eq!(member.display_name.as_deref(), Some("bob [nancy.example]"));
}

/// What a first sync is made of: the state before the timeline, and the join with a gap before it.
#[tokio::test]
async fn the_join_begins_the_room_with_its_state_before_it() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    let room = metz.room(&anne, "11", Preset::PublicChat).await;
    let before = metz.state(&room);
    nancy.join(&bob, &room, &[&metz]).await.unwrap();
    let mut viewer = nancy.rooms.viewer(&room, &bob.user).unwrap();
    let news = nancy.rooms.news(&mut viewer, Position::START, nancy.rooms.position(), 10, |_| true).unwrap();
    assert!(news.limited, "history is missing before the join");
    let [join] = news.events.as_slice() else { panic!("the join alone: {:?}", news.events) };
    assert_eq!(join.membership(), Some(Membership::Join));
    let state = nancy.rooms.root_at(&room, news.before.position).unwrap();
    assert_eq!(state, join.state_before);
    let told = nancy.rooms.state_events(&room, state).unwrap();
    let told: std::collections::HashMap<_, _> =
        told.iter().map(|event| (event.pdu.state_entry().unwrap(), event.pdu.event_id().to_owned())).collect();
    assert_eq!(told, before);
    assert!(metz.event(&room, join.pdu.event_id()).is_some(), "the town that let him in has the same event");
    assert_eq!(network.calls(), ["make_join nancy.example metz.example", "send_join nancy.example metz.example"]);
    assert!(nancy.outgoing().is_empty(), "the town that let him in tells the others");
}

#[tokio::test]
async fn servers_are_tried_in_turn_and_the_most_telling_refusal_is_told() {
    let network = Network::default();
    let towns: Vec<Town> = (0..7).map(|n| network.town(&format!("town{n}.example"))).collect();
    let metz = network.town("metz.example");
    let anne = metz.actor("anne");
    let room = metz.room(&anne, "12", Preset::PublicChat).await;
    let nancy = network.town("nancy.example");
    let bob = nancy.actor("bob");
    network.unplug(&towns[0]);
    nancy.join(&bob, &room, &[&towns[0], &towns[1], &metz]).await.unwrap();
    let asked = network.calls();
    assert_eq!(asked[0], "make_join nancy.example town0.example");
    assert_eq!(asked[1], "make_join nancy.example town1.example");
    assert_eq!(asked[2], "make_join nancy.example metz.example");
    assert_eq!(asked.len(), 4, "{asked:?}");
    // At most five are asked.
    let all: Vec<&Town> = towns.iter().collect();
    let toul = network.town("toul.example");
    let error = toul.join(&toul.actor("chloe"), &room, &all).await.unwrap_err();
    assert_eq!(network.calls().len(), 5);
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn who_comes_back_finds_the_room_as_it_has_become() {
    for version in VERSIONS {
        let network = Network::default();
        let (metz, nancy, toul) =
            (network.town("metz.example"), network.town("nancy.example"), network.town("toul.example"));
        let (anne, bob, chloe) = (metz.actor("anne"), nancy.actor("bob"), toul.actor("chloe"));
        let room = metz.room(&anne, version, Preset::PublicChat).await;
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        let then = nancy.say(&bob, &room, "à bientôt").await;
        nancy.rooms.leave(&bob, &room, None).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.rooms.servers(&room).unwrap(), std::slice::from_ref(&metz.name), "{version}");
        toul.join(&chloe, &room, &[&metz]).await.unwrap();
        metz.set(&anne, &room, "m.room.name", json!({ "name": "Mairie annexe" })).await;
        metz.rooms.ban(&anne, &room, &toul.actor("mallory").user, None).await.unwrap();
        network.deliver().await;
        network.calls();
        // Nobody sends Nancy anything meanwhile, and it takes nothing (hazard F17).
        let stray = metz.say(&anne, &room, "entre nous").await;
        let pdu = metz.rooms.pdu(&room, &stray).unwrap().unwrap();
        let before = nancy.rooms.position();
        assert!(nancy.rooms.receive(&metz.name, vec![pdu]).await[0].outcome.is_err(), "{version}");
        assert_eq!(nancy.rooms.position(), before, "{version}");

        nancy.join(&bob, &room, &[]).await.unwrap();
        network.deliver().await;
        assert_eq!(nancy.state(&room), metz.state(&room), "{version}");
        assert_eq!(nancy.rooms.member_counts(&room).unwrap(), (3, 0), "{version}");
        assert_eq!(nancy.rooms.servers(&room).unwrap(), metz.rooms.servers(&room).unwrap(), "{version}");
        assert_eq!(nancy.membership(&room, &toul.actor("mallory").user), Some(Membership::Ban), "{version}");
        assert!(nancy.event(&room, &then).is_some(), "{version}: what he knew he knows still");
        let mut viewer = nancy.rooms.viewer(&room, &bob.user).unwrap();
        let end = Boundary::at(nancy.rooms.position());
        let page = nancy.rooms.page(&mut viewer, end, None, Direction::Backward, 10, |_| true).unwrap();
        assert!(page.gap.is_some(), "{version}: what was said in between is to be fetched before the join");
        assert_eq!(page.events.len(), 1, "{version}");
    }
}

#[tokio::test]
async fn of_two_who_come_at_once_the_second_finds_the_door_open() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob, carol) = (metz.actor("anne"), nancy.actor("bob"), nancy.actor("carol"));
    let room = metz.room(&anne, "12", Preset::PublicChat).await;
    let via = [&metz];
    let (one, other) = tokio::join!(nancy.join(&bob, &room, &via), nancy.join(&carol, &room, &via));
    one.unwrap();
    other.unwrap();
    assert_eq!(network.calls(), ["make_join nancy.example metz.example", "send_join nancy.example metz.example"]);
    network.deliver().await;
    assert_eq!(metz.rooms.member_counts(&room).unwrap(), (3, 0));
    assert_eq!(nancy.state(&room), metz.state(&room));
}
