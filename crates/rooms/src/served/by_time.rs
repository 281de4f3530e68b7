//! Finding an event by its time (spec, `GET /timestamp_to_event`).

use kernel::{
    Timestamp,
    id::{OwnedEventId, RoomId, ServerName},
};
use store::Direction;

use crate::{Error, Result, Rooms, ends::says_nothing, visibility::ServerViewer};

impl Rooms {
    /// The event that the server may see closest to a moment, at or after it, or at or before it, and when it was sent.
    ///
    /// # Errors
    /// [`Error::Denied`] to a server that is not in the room, [`Error::NoSuchEvent`] if there is none.
    pub fn event_by_time_for(
        &self,
        origin: &ServerName,
        room: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> Result<(OwnedEventId, Timestamp)> {
        let room = self.served(origin, room)?;
        let mut viewer = ServerViewer::new(self, room.clone(), origin);
        let found = self
            .closest(&room, at, direction, |event| Ok(!says_nothing(&event.pdu) && viewer.sees(event)?))?
            .ok_or(Error::NoSuchEvent)?;
        Ok((found.pdu.event_id().to_owned(), found.pdu.origin_server_ts()))
    }
}
