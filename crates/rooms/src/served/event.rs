//! A single event (spec, `GET /event`).

use std::sync::Arc;

use kernel::id::{EventId, RoomId, ServerName};

use crate::{Error, Event, Result, Rooms, auth_chain::AT_A_TIME, room::Room, tables::EVENTS, visibility::ServerViewer};

impl Rooms {
    /// The event of a room that both servers are in; what a redaction leaves of it, if the server may not see it. Of events
    /// without a place in their room only state is told, which others rest on.
    ///
    /// # Errors
    /// [`Error::NoSuchEvent`], alike for an event that is not there, is refused by the rules, or is of another room.
    pub fn event_for(&self, origin: &ServerName, id: &EventId) -> Result<String> {
        let (room, event) = self.shared_event(origin, id)?.ok_or(Error::NoSuchEvent)?;
        match self.check_server(&room.id, origin) {
            Err(Error::Denied(_)) => return Err(Error::NoSuchEvent),
            other => other?,
        }
        if event.verdict.is_rejected() || (event.verdict.is_outlier() && !event.pdu.is_state()) {
            return Err(Error::NoSuchEvent);
        }
        Ok(ServerViewer::new(self, room, origin).shown(&event)?.into_json())
    }

    /// The event, if it is of a room that the server has members in.
    fn shared_event(&self, server: &ServerName, id: &EventId) -> Result<Option<(Arc<Room>, Arc<Event>)>> {
        for rooms in self.rooms_with_server(server)?.chunks(AT_A_TIME) {
            let keys: Vec<(&RoomId, &EventId)> = rooms.iter().map(|room| (room.as_ref(), id)).collect();
            let rows = self.inner.scope.multi_get(&EVENTS, &keys)?;
            let Some((room, _)) = rooms.iter().zip(rows).find(|(_, row)| row.is_some()) else { continue };
            let room = self.inner.room(room)?;
            let event = self.inner.event(&room, id)?;
            return Ok(event.map(|event| (room, event)));
        }
        Ok(None)
    }
}
