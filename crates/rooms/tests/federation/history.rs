//! What was before a town came in to a room: had from the others when somebody reads so far back.

use events::content::HistoryVisibility;
use kernel::{
    Timestamp,
    id::{OwnedEventId, RoomId},
};
use rooms::{Actor, Boundary, Preset};
use serde_json::json;
use store::Direction;

use crate::wire::{Network, Town};

impl Town {
    /// All that one reads from the room's end to its beginning, oldest first.
    async fn read(&self, room: &RoomId, reader: &Actor, limit: usize) -> Vec<OwnedEventId> {
        let mut viewer = self.rooms.viewer(room, &reader.user).unwrap();
        let (mut read, mut from) = (Vec::new(), Boundary::at(self.rooms.position()));
        for _ in 0..200 {
            let page = self.rooms.page_of_all(&mut viewer, from, None, Direction::Backward, limit, |_| true).await;
            let page = page.unwrap();
            read.extend(page.events.iter().map(|event| event.pdu.event_id().to_owned()));
            let Some(next) = page.next else {
                read.reverse();
                return read;
            };
            from = next;
        }
        panic!("the room has no beginning");
    }

    /// While no other town is in the room.
    async fn say_many(&self, actor: &Actor, room: &RoomId, count: usize) {
        for n in 0..count {
            self.clock.advance(std::time::Duration::from_secs(1));
            match n % 50 {
                10 => drop(self.set(actor, room, "m.room.topic", json!({ "topic": n.to_string() })).await),
                _ => drop(self.say(actor, room, &n.to_string()).await),
            }
            self.outgoing();
        }
    }
}

#[tokio::test]
async fn all_that_was_said_before_a_join_can_be_read() {
    for (version, count, limit) in [("12", 20, 10), ("10", 210, 200), ("1", 120, 7)] {
        let network = Network::default();
        let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
        let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
        let room = metz.room(&anne, version, Preset::PublicChat).await;
        metz.say_many(&anne, &room, count).await;
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        network.deliver().await;
        let all = metz.read(&room, &anne, 1_000).await;
        assert_eq!(nancy.read(&room, &bob, limit).await, all, "{version}");
        for id in &all {
            let (here, there) = (nancy.event(&room, id).unwrap(), metz.event(&room, id).unwrap());
            assert_eq!(here.state_before, there.state_before, "{version} {id}");
            assert_eq!(here.state_after, there.state_after, "{version} {id}");
        }
        assert_eq!(nancy.state(&room), metz.state(&room));

        // A third town has it from the second, which has more people in the room.
        nancy.join(&nancy.actor("dan"), &room, &[]).await.unwrap();
        let toul = network.town("toul.example");
        let chloe = toul.actor("chloe");
        toul.join(&chloe, &room, &[&nancy]).await.unwrap();
        network.deliver().await;
        network.calls();
        assert_eq!(toul.read(&room, &chloe, 100).await[..all.len()], all, "{version}");
        assert!(network.calls().iter().all(|call| call.ends_with("toul.example nancy.example")));
    }
}

#[tokio::test]
async fn what_was_said_while_a_town_was_away_comes_between() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    let room = metz.room(&anne, "12", Preset::PublicChat).await;
    metz.say(&anne, &room, "first").await;
    nancy.join(&bob, &room, &[&metz]).await.unwrap();
    network.deliver().await;
    metz.say(&anne, &room, "together").await;
    network.deliver().await;
    nancy.rooms.leave(&bob, &room, None).await.unwrap();
    network.deliver().await;
    metz.say_many(&anne, &room, 150).await;
    nancy.join(&bob, &room, &[&metz]).await.unwrap();
    network.deliver().await;
    metz.say(&anne, &room, "together again").await;
    network.deliver().await;
    let all = metz.read(&room, &anne, 1_000).await;
    assert_eq!(nancy.read(&room, &bob, 10).await, all);
    assert_eq!(nancy.read(&room, &bob, 1_000).await, all, "and stays so");
}

#[tokio::test]
async fn history_that_is_not_for_the_newcomer_stays_closed() {
    for visibility in [HistoryVisibility::Invited, HistoryVisibility::Joined] {
        let network = Network::default();
        let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
        let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
        let room = metz.room(&anne, "11", Preset::PublicChat).await;
        let content = json!({ "history_visibility": visibility.as_str() });
        metz.set(&anne, &room, "m.room.history_visibility", content).await;
        metz.say(&anne, &room, "between us").await;
        metz.outgoing();
        nancy.join(&bob, &room, &[&metz]).await.unwrap();
        network.deliver().await;
        let after = metz.say(&anne, &room, "welcome").await;
        network.deliver().await;
        let read = nancy.read(&room, &bob, 10).await;
        let texts: Vec<String> =
            read.iter().map(|id| nancy.event(&room, id).unwrap().pdu.content().get().to_owned()).collect();
        assert_eq!(read.last(), Some(&after));
        assert!(texts.iter().all(|text| !text.contains("between us")), "{visibility:?}");
        // Not even the town has it.
        for id in metz.read(&room, &anne, 100).await {
            let here = nancy.rooms.pdu(&room, &id).unwrap().unwrap_or_default();
            assert!(!here.contains("between us"), "{visibility:?}");
        }
    }
}

#[tokio::test]
async fn an_event_of_a_time_before_the_join_is_found_and_read_around() {
    let network = Network::default();
    let (metz, nancy) = (network.town("metz.example"), network.town("nancy.example"));
    let (anne, bob) = (metz.actor("anne"), nancy.actor("bob"));
    let room = metz.room(&anne, "12", Preset::PublicChat).await;
    metz.clock.advance(std::time::Duration::from_secs(10));
    let a = metz.say(&anne, &room, "A").await;
    metz.clock.advance(std::time::Duration::from_secs(10));
    let b = metz.say(&anne, &room, "B").await;
    metz.outgoing();
    nancy.clock.advance(std::time::Duration::from_secs(60));
    nancy.join(&bob, &room, &[&metz]).await.unwrap();
    network.deliver().await;
    let sent = |id: &OwnedEventId| metz.event(&room, id).unwrap().pdu.origin_server_ts();
    let find = async |at: u64, direction| {
        let found = nancy.rooms.event_by_time(&room, &bob.user, Timestamp(at), direction).await.unwrap();
        found.map(|event| event.pdu.event_id().to_owned())
    };
    assert_eq!(find(sent(&b).0 + 1, Direction::Backward).await, Some(b.clone()));
    assert_eq!(find(sent(&a).0 - 1, Direction::Forward).await, Some(a.clone()));
    let event = nancy.rooms.visible_event(&room, &bob.user, &b).unwrap();
    for from in [Boundary::just_before(&event), Boundary::just_after(&event)] {
        let mut viewer = nancy.rooms.viewer(&room, &bob.user).unwrap();
        let page = nancy.rooms.page_of_all(&mut viewer, from, None, Direction::Backward, 100, |_| true).await.unwrap();
        assert!(page.events.iter().any(|event| event.pdu.event_id() == a));
        assert!(page.next.is_none());
    }
}
