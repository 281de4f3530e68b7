//! What an event rests on (spec, `GET /event_auth`).

use kernel::id::{EventId, RoomId, ServerName};

use crate::{Result, Rooms};

impl Rooms {
    /// The event's auth chain.
    ///
    /// # Errors
    /// [`Error::Denied`](crate::Error::Denied) to a server that is not in the room;
    /// [`Error::NoSuchEvent`](crate::Error::NoSuchEvent) for an event that is not the room's.
    pub fn auth_chain_for(&self, origin: &ServerName, room: &RoomId, event: &EventId) -> Result<Vec<String>> {
        let room = self.served(origin, room)?;
        let event = self.inner.valid(&room, event)?;
        let chain = self.inner.auth_chain(&room, &[event.pdu.event_id().to_owned()])?;
        self.inner.texts(&room, &chain)
    }
}
