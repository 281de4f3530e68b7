//! `GET /rooms/{roomId}/event/{eventId}`.

use std::sync::Arc;

use ruma_client_api::room::get_room_event::v3::{Request, Response};
use ruma_common::serde::Raw;
use web::{Caller, Result};

use super::shown::Shown;
use crate::Town;

pub(super) async fn event(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let event = town.rooms.visible_event(&ask.room_id, &caller.user, &ask.event_id)?;
    let mut shown = Shown::new(&town, &caller, &ask.room_id)?;
    Ok(Response::new(Raw::from_json(shown.bundled(&event)?)))
}
