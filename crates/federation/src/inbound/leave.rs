//! `make_leave` and `send_leave`: users of other servers leave rooms, or turn invites down, by way of this one.

use std::sync::Arc;

use ruma_federation_api::membership::{create_leave_event::v2 as send_leave, prepare_leave_event::v1 as make_leave};
use serde_json::json;
use web::{Homeserver, Json, Visit};

use super::{events::raw, join::room_version, submitted::Submitted};
use crate::Town;

pub(super) async fn make_leave(
    town: Arc<Town>,
    origin: Homeserver,
    ask: make_leave::Request,
) -> web::Result<make_leave::Response> {
    let template = town.rooms.make_leave(&origin, &ask.room_id, &ask.user_id).await?;
    Ok(make_leave::Response::new(Some(room_version(template.room_version)?), raw(template.event)?))
}

pub(super) async fn send_leave(
    town: Arc<Town>,
    origin: Homeserver,
    ask: send_leave::Request,
) -> web::Result<send_leave::Response> {
    town.rooms.send_leave(&origin, &ask.room_id, &ask.event_id, ask.pdu.get()).await?;
    Ok(send_leave::Response::new())
}

/// The old form (deprecated in the specification), which wraps its answer into a list.
pub(super) async fn send_leave_v1(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    let Submitted { room, event_id, event } = Submitted::read(&visit)?;
    town.rooms.send_leave(&origin, &room, &event_id, event).await?;
    Json::of(&json!([200, {}]))
}
