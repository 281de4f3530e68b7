//! Events of a neighbour one after the other, which it has and the town has not.

use std::collections::BTreeMap;

use events::Pdu;
use kernel::id::{OwnedEventId, OwnedRoomId, UserId};
use serde_json::{Value, json};

use crate::{neighbour::Neighbour, town::Town};

pub(crate) struct Chain<'a> {
    town: &'a Town,
    room: OwnedRoomId,
    last: Pdu,
    /// After the last event.
    state: BTreeMap<(String, String), OwnedEventId>,
}

impl<'a> Chain<'a> {
    /// Begins behind an event that is the room's end in the town.
    pub(crate) fn after(town: &'a Town, last: &Pdu) -> Self {
        let room = last.room_id().to_owned();
        let state = town.rooms.state_events(&room, town.rooms.current_root(&room).unwrap()).unwrap();
        let state = state.iter().map(|event| (event.pdu.state_entry().unwrap(), event.pdu.event_id().to_owned()));
        Self { town, room: room.clone(), last: last.clone(), state: state.collect() }
    }

    /// The next event, which the neighbours can tell with the state before it.
    pub(crate) fn push(&mut self, of: &Neighbour<'_>, sender: &UserId, what: (&str, Option<&str>, Value)) -> Pdu {
        let state = |kind: &str, key: &str| self.state.get(&(kind.to_owned(), key.to_owned())).cloned();
        let event = of.event_in(&self.room, &[&self.last], sender, what, state);
        let (script, id) = (&self.town.script, event.event_id().to_owned());
        script.events.lock().unwrap().insert(id.clone(), event.clone());
        script.states.lock().unwrap().insert(id.clone(), self.state.values().cloned().collect());
        self.last = event.clone();
        event
    }

    /// The next event becomes state, if it is any; [`Chain::push`] makes events that the rules refuse.
    pub(crate) fn add(&mut self, of: &Neighbour<'_>, sender: &UserId, what: (&str, Option<&str>, Value)) -> Pdu {
        let event = self.push(of, sender, what);
        if let Some(key) = event.state_entry() {
            self.state.insert(key, event.event_id().to_owned());
        }
        event
    }

    pub(crate) fn say(&mut self, of: &Neighbour<'_>, sender: &UserId, text: &str) -> Pdu {
        self.add(of, sender, ("m.room.message", None, json!({ "msgtype": "m.text", "body": text })))
    }

    /// The town is sent the last event, of which it is told no more than the one before: a gap opens before that.
    pub(crate) async fn send_last(&mut self, of: &Neighbour<'_>, sender: &UserId) -> [Pdu; 2] {
        let events = [self.say(of, sender, "after the gap"), self.say(of, sender, "last")];
        *self.town.script.missing.lock().unwrap() = vec![events[0].event_id().to_owned()];
        of.send(&[&events[1]]).await;
        self.town.script.calls();
        events
    }
}
