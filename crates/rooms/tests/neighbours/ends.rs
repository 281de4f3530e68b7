//! Rooms whose graph ends in many events.

use events::Pdu;
use kernel::{
    Position, Progress, Worker,
    id::{OwnedEventId, RoomId, ServerName},
};
use rooms::{Actor, Boundary, Merger, Preset};
use serde_json::{Value, json};
use store::Direction;

use crate::{neighbour::Neighbour, town::Town};

const METZ: &str = "metz.example";
const LYON: &str = "lyon.example";

impl Town {
    async fn merge(&self) {
        let merger = Merger(self.rooms.clone());
        while merger.work().await.unwrap() == Progress::Busy {}
    }

    /// What the event cites as what came before it, as another server is told.
    fn cited(&self, origin: &ServerName, id: &OwnedEventId) -> Vec<OwnedEventId> {
        let event: Value = serde_json::from_str(&self.rooms.event_for(origin, id).unwrap()).unwrap();
        serde_json::from_value(event["prev_events"].clone()).unwrap()
    }

    fn shown(&self, room: &RoomId, reader: &Actor) -> Vec<String> {
        let mut viewer = self.rooms.viewer(room, &reader.user).unwrap();
        let start = Boundary::at(Position::START);
        let page = self.rooms.page(&mut viewer, start, None, Direction::Forward, 1_000, |_| true).unwrap();
        page.events.iter().map(|event| event.pdu.kind().to_owned()).collect()
    }
}

/// Forks of one event, one of them a change of state.
fn forks(lyon: &Neighbour<'_>, room: &RoomId, from: &Pdu, count: usize) -> Vec<Pdu> {
    let bob = lyon.user("bob");
    let mut forks: Vec<Pdu> = (1..count).map(|n| lyon.message(room, &[from], &bob, &n.to_string())).collect();
    let named = json!({ "membership": "join", "displayname": "Bob" });
    forks.push(lyon.event(room, &[from], &bob, "m.room.member", Some(bob.as_str()), named));
    forks
}

#[tokio::test]
async fn many_ends_are_brought_together_by_an_event_that_nobody_is_shown() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let room = town.room(&anne, "12", Preset::PublicChat).await;
    let last = town.say(&anne, &room, "before").await;
    let last = town.event(&room, &anne.user, &last);
    let join = lyon.become_member(&room, &lyon.user("bob"), "join", &last.pdu).await;

    // A few ends are nobody's trouble: the next event follows them.
    let few = forks(&lyon, &room, &join, 10);
    lyon.send(&few.iter().collect::<Vec<_>>()).await;
    town.merge().await;
    let next = town.say(&anne, &room, "next").await;
    assert_eq!(town.cited(lyon.name(), &next).len(), 10);

    // More are brought together, though nobody says anything.
    let next = town.event(&room, &anne.user, &next);
    let many = forks(&lyon, &room, &next.pdu, 33);
    lyon.send(&many.iter().collect::<Vec<_>>()).await;
    let (shown, state) = (town.shown(&room, &anne), town.rooms.current_root(&room).unwrap());
    town.merge().await;
    assert_eq!(town.shown(&room, &anne), shown, "clients are shown nothing new");
    assert_eq!(town.rooms.current_root(&room).unwrap(), state);
    let last = town.say(&anne, &room, "last").await;
    let [dummy] = &town.cited(lyon.name(), &last)[..] else { panic!("one end was left") };
    assert!(town.rooms.visible_event(&room, &anne.user, dummy).is_err());
    let (cited, told) = (town.cited(lyon.name(), dummy), town.rooms.event_for(lyon.name(), dummy).unwrap());
    assert!(told.contains("org.matrix.dummy_event"), "other servers are");
    assert_eq!(cited.len(), 33 - 20 + 1);
    let others: Vec<&OwnedEventId> =
        cited.iter().filter(|id| many.iter().all(|fork| fork.event_id() != **id)).collect();
    let [first] = others[..] else { panic!("one follows the others") };
    assert_eq!(town.cited(lyon.name(), first).len(), 20);
}

#[tokio::test]
async fn who_writes_to_a_room_of_too_many_ends_follows_them_all() {
    let town = Town::new(METZ);
    let lyon = Neighbour::of(&town, LYON);
    let anne = town.actor("anne");
    let room = town.room(&anne, "11", Preset::PublicChat).await;
    let last = town.say(&anne, &room, "before").await;
    let last = town.event(&room, &anne.user, &last);
    let join = lyon.become_member(&room, &lyon.user("bob"), "join", &last.pdu).await;
    let many = forks(&lyon, &room, &join, 45);
    lyon.send(&many.iter().collect::<Vec<_>>()).await;
    let next = town.say(&anne, &room, "next").await;
    let (mut reached, mut waiting) = (Vec::new(), vec![next]);
    while let Some(id) = waiting.pop() {
        if id != join.event_id() && !reached.contains(&id) {
            let cited = town.cited(lyon.name(), &id);
            assert!(cited.len() <= 20);
            waiting.extend(cited);
            reached.push(id);
        }
    }
    assert!(many.iter().all(|fork| reached.contains(&fork.event_id().to_owned())));
}
