//! Replies, edits and reactions that come later than younger ones, as history does: they stand where they belong.

use events::Pdu;
use kernel::{
    Clock, Timestamp,
    id::{EventId, OwnedEventId, RoomId},
};
use rooms::{Actor, Aggregations, Boundary, RelationQuery};
use serde_json::{Value, json};
use store::Direction;

use crate::{chain::Chain, history::shared_room, neighbour::Neighbour, town::Town};

const THREAD: &str = "m.thread";
const EDIT: &str = "m.replace";

fn relating(rel_type: &str, to: &EventId) -> (&'static str, Option<&'static str>, Value) {
    let relation = json!({ "rel_type": rel_type, "event_id": to });
    ("m.room.message", None, json!({ "body": "related", "m.new_content": { "body": "new" }, "m.relates_to": relation }))
}

fn reaction(to: &EventId, key: &str) -> (&'static str, Option<&'static str>, Value) {
    let relation = json!({ "rel_type": "m.annotation", "event_id": to, "key": key });
    ("m.reaction", None, json!({ "m.relates_to": relation }))
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Pdu>) -> Vec<OwnedEventId> {
    events.into_iter().map(|event| event.event_id().to_owned()).collect()
}

/// A reader and their room.
struct Reader<'a> {
    town: &'a Town,
    room: &'a RoomId,
    actor: &'a Actor,
}

impl Reader<'_> {
    fn aggregations(&self, of: &EventId) -> Aggregations {
        let event = self.town.event(self.room, &self.actor.user, of);
        let mut viewer = self.town.rooms.viewer(self.room, &self.actor.user).unwrap();
        self.town.rooms.aggregations(&mut viewer, &event, |_| false).unwrap()
    }

    fn edit(&self, of: &EventId) -> Option<OwnedEventId> {
        self.aggregations(of).edit.map(|edit| edit.pdu.event_id().to_owned())
    }

    /// The last event of the thread, and how many there are.
    fn thread(&self, root: &EventId) -> (OwnedEventId, u64) {
        let thread = self.aggregations(root).thread.unwrap();
        (thread.latest.pdu.event_id().to_owned(), thread.count)
    }

    /// What relates to the event, read in pages.
    fn related(&self, to: &EventId, query: &RelationQuery, direction: Direction, limit: usize) -> Vec<OwnedEventId> {
        self.pages(limit, |from, viewer| self.town.rooms.related(viewer, to, query, from, direction, limit))
    }

    fn threads(&self, limit: usize) -> Vec<OwnedEventId> {
        self.pages(limit, |from, viewer| self.town.rooms.threads(viewer, from, limit, false))
    }

    fn pages(
        &self,
        limit: usize,
        page: impl Fn(Option<Boundary>, &mut rooms::Viewer<'_>) -> rooms::Result<rooms::Related>,
    ) -> Vec<OwnedEventId> {
        let mut viewer = self.town.rooms.viewer(self.room, &self.actor.user).unwrap();
        let (mut read, mut from) = (Vec::new(), None);
        loop {
            let page = page(from, &mut viewer).unwrap();
            assert!(page.events.len() <= limit);
            read.extend(ids(page.events.iter().map(|event| &*event.pdu)));
            // As clients hold it: as text.
            let Some(next) = page.next else { return read };
            from = Some(next.to_string().parse().unwrap());
        }
    }
}

#[tokio::test]
async fn what_history_tells_of_relations_stands_in_the_order_of_the_timeline() {
    let town = Town::new("metz.example");
    let lyon = Neighbour::of(&town, "lyon.example");
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let reader = Reader { town: &town, room: &room, actor: &anne };
    let mut chain = Chain::after(&town, &join);
    // Here: the beginnings of four threads.
    let roots: Vec<Pdu> = (0..4).map(|n| chain.say(&lyon, &bob, &n.to_string())).collect();
    lyon.send(&roots.iter().collect::<Vec<_>>()).await;
    let [both, old_first, old_last, live_first] = [0, 1, 2, 3].map(|n: usize| roots[n].event_id().to_owned());
    // Not here: replies and reactions on two pages of history.
    let mut related = Vec::new();
    for n in 0..120 {
        let event = match n {
            30 => chain.add(&lyon, &bob, relating(THREAD, &old_first)),
            10 | 20 | 90 => chain.add(&lyon, &bob, relating(THREAD, &old_last)),
            n if n % 20 == 5 => chain.add(&lyon, &bob, relating(THREAD, &both)),
            n if n % 30 == 7 => chain.add(&lyon, &bob, reaction(&both, &n.to_string())),
            n => chain.say(&lyon, &bob, &n.to_string()),
        };
        if matches!(n, n if n % 20 == 5 || n % 30 == 7) {
            related.push(event);
        }
    }
    // Here again.
    chain.send_last(&lyon, &bob).await;
    let live = [&live_first, &both].map(|root| chain.add(&lyon, &bob, relating(THREAD, root)));
    lyon.send(&[&live[0], &live[1]]).await;
    assert_eq!(reader.thread(&both), (live[1].event_id().to_owned(), 1));
    assert_eq!(reader.threads(10), [both.clone(), live_first.clone()]);

    town.read_back(&room, &anne, 50).await;
    related.push(live[1].clone());
    let forward = ids(&related);
    let backward: Vec<OwnedEventId> = forward.iter().rev().cloned().collect();
    for recurse in [false, true] {
        let query = RelationQuery { recurse, ..RelationQuery::default() };
        for limit in [1, 3, 100] {
            assert_eq!(reader.related(&both, &query, Direction::Forward, limit), forward, "{recurse} {limit}");
            assert_eq!(reader.related(&both, &query, Direction::Backward, limit), backward, "{recurse} {limit}");
        }
    }
    assert_eq!(reader.thread(&both), (live[1].event_id().to_owned(), 7));
    for limit in [1, 10] {
        assert_eq!(reader.threads(limit), [&both, &live_first, &old_last, &old_first].map(Clone::clone));
    }

    // A redaction takes out what history brought as it does anything else.
    let gone = related
        .iter()
        .rposition(|event| event.kind() == "m.room.message" && event.event_id() != live[1].event_id())
        .unwrap();
    let redaction = ("m.room.redaction", None, json!({ "redacts": related[gone].event_id() }));
    let redaction = chain.add(&lyon, &bob, redaction);
    lyon.send(&[&redaction]).await;
    related.remove(gone);
    assert_eq!(reader.related(&both, &RelationQuery::default(), Direction::Forward, 100), ids(&related));
    assert_eq!(reader.thread(&both).1, 6);
}

/// Spec, "Event replacements": by their time, then by their id; where they stand says nothing.
#[tokio::test]
async fn the_edit_that_counts_is_the_latest_by_its_own_time() {
    let town = Town::new("metz.example");
    let lyon = Neighbour::of(&town, "lyon.example");
    let anne = town.actor("anne");
    let (room, bob, join) = shared_room(&town, &lyon, &anne, "11").await;
    let reader = Reader { town: &town, room: &room, actor: &anne };
    let mut chain = Chain::after(&town, &join);
    let notes: Vec<Pdu> = (0..3).map(|n| chain.say(&lyon, &bob, &n.to_string())).collect();
    lyon.send(&notes.iter().collect::<Vec<_>>()).await;
    let note = |n: usize| notes[n].event_id().to_owned();
    // One is edited in the past only before, one by a clock that ran ahead, one twice at one moment.
    let earlier = chain.add(&lyon, &bob, relating(EDIT, &note(0)));
    let now = town.clock.now();
    town.clock.set(Timestamp(now.0 + 3_600_000));
    let ahead = chain.add(&lyon, &bob, relating(EDIT, &note(1)));
    town.clock.set(now);
    let moment = town.clock.now();
    let tied = chain.add(&lyon, &bob, relating(EDIT, &note(2)));
    chain.send_last(&lyon, &bob).await;
    let live: Vec<Pdu> = (0..2).map(|n| chain.add(&lyon, &bob, relating(EDIT, &note(n)))).collect();
    town.clock.set(moment);
    let tied_live = chain.add(&lyon, &bob, relating(EDIT, &note(2)));
    assert_eq!(tied.origin_server_ts(), tied_live.origin_server_ts());
    lyon.send(&[&live[0], &live[1], &tied_live]).await;
    for (n, edit) in [&live[0], &live[1], &tied_live].into_iter().enumerate() {
        assert_eq!(reader.edit(&note(n)).as_deref(), Some(edit.event_id()));
    }

    town.read_back(&room, &anne, 50).await;
    assert!(town.event(&room, &anne.user, earlier.event_id()).order > 0, "it is history");
    assert_eq!(reader.edit(&note(0)).as_deref(), Some(live[0].event_id()));
    assert_eq!(reader.edit(&note(1)).as_deref(), Some(ahead.event_id()));
    assert_eq!(reader.edit(&note(2)).as_deref(), Some(tied.event_id().max(tied_live.event_id())));

    // An edit that was redacted before it came never counts.
    let unseen =
        lyon.event_in(&room, &[&tied_live], &bob, relating(EDIT, &note(0)), |kind, key| town.state(&room, kind, key));
    let redaction =
        lyon.event(&room, &[&tied_live], &bob, "m.room.redaction", None, json!({ "redacts": unseen.event_id() }));
    lyon.send(&[&redaction]).await;
    lyon.send(&[&unseen]).await;
    assert_eq!(reader.edit(&note(0)).as_deref(), Some(live[0].event_id()));
}
