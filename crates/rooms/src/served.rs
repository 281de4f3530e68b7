//! What other servers are told of rooms here: only of rooms that they are in, and only what belongs to the room that they
//! name. Each question names a room and is answered alike for what is not there and for what is another room's.

mod authorization;
mod by_time;
mod event;
mod hierarchy;
mod history;
mod state;

use std::sync::Arc;

use kernel::id::{EventId, OwnedEventId, RoomId, ServerName};

use crate::{Error, Event, Inner, Result, Rooms, auth_chain::AT_A_TIME, room::Room};

impl Rooms {
    /// The room, for a server that may ask about it.
    fn served(&self, origin: &ServerName, room: &RoomId) -> Result<Arc<Room>> {
        self.check_server(room, origin)?;
        self.inner.room(room)
    }
}

impl Inner {
    /// An event that the rules let into this room.
    fn valid(&self, room: &Room, id: &EventId) -> Result<Arc<Event>> {
        self.event(room, id)?.filter(|event| !event.verdict.is_rejected()).ok_or(Error::NoSuchEvent)
    }

    /// The events as they are federated.
    pub(crate) fn texts(&self, room: &Room, ids: &[OwnedEventId]) -> Result<Vec<String>> {
        let mut texts = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_A_TIME) {
            texts.extend(self.events(room, ids)?.iter().map(|event| event.pdu.json().to_owned()));
        }
        Ok(texts)
    }
}
