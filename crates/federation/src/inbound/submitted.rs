//! An event that another server submits by the old form of an endpoint, of which ruma has no type.

use kernel::{
    Kind,
    id::{EventId, OwnedEventId, OwnedRoomId, RoomId},
};
use web::{Error, Visit};

pub(super) struct Submitted<'a> {
    pub(super) room: OwnedRoomId,
    pub(super) event_id: OwnedEventId,
    /// JSON text of an object.
    pub(super) event: &'a str,
}

impl<'a> Submitted<'a> {
    /// # Errors
    /// 400 for ids that cannot be, and what is no JSON object.
    pub(super) fn read(visit: &'a Visit) -> web::Result<Self> {
        web::check_json_object(&visit.body)?;
        let room = RoomId::parse(visit.param("room_id"));
        let event_id = EventId::parse(visit.param("event_id"));
        Ok(Self {
            room: room.map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))?,
            event_id: event_id.map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))?,
            event: std::str::from_utf8(&visit.body).map_err(|error| Error::not_json(error.to_string()))?,
        })
    }
}
