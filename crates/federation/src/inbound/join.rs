//! `make_join` and `send_join`: users of other servers come into rooms by way of this one.

use std::sync::Arc;

use kernel::id::{EventId, RoomId, RoomVersionId};
use ruma_federation_api::membership::{create_join_event::v2 as send_join, prepare_join_event::v1 as make_join};
use serde_json::json;
use web::{Homeserver, Json, Visit};

use super::{
    events::{raw, raws},
    submitted::Submitted,
};
use crate::Town;

pub(super) async fn make_join(
    town: Arc<Town>,
    origin: Homeserver,
    ask: make_join::Request,
) -> web::Result<make_join::Response> {
    let template = town.rooms.make_join(&origin, &ask.room_id, &ask.user_id, &versions(ask.ver)).await?;
    let mut answer = make_join::Response::new(raw(template.event)?);
    answer.room_version = Some(room_version(template.room_version)?);
    Ok(answer)
}

pub(super) async fn send_join(
    town: Arc<Town>,
    origin: Homeserver,
    ask: send_join::Request,
) -> web::Result<send_join::Response> {
    Ok(send_join::Response::new(join(&town, &origin, &ask.room_id, &ask.event_id, ask.pdu.get()).await?))
}

/// The old form (deprecated in the specification), which wraps its answer into a list.
pub(super) async fn send_join_v1(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    let Submitted { room, event_id, event } = Submitted::read(&visit)?;
    Json::of(&json!([200, join(&town, &origin, &room, &event_id, event).await?]))
}

async fn join(
    town: &Town,
    origin: &Homeserver,
    room: &RoomId,
    event_id: &EventId,
    event: &str,
) -> web::Result<send_join::RoomState> {
    let joined = town.rooms.send_join(origin, room, event_id, event).await?;
    let mut state = send_join::RoomState::new();
    state.event = Some(raw(joined.event)?);
    state.state = raws(joined.state)?;
    state.auth_chain = raws(joined.auth_chain)?;
    state.servers_in_room = Some(joined.servers.into_iter().map(Into::into).collect());
    Ok(state)
}

pub(super) fn versions(known: Vec<RoomVersionId>) -> Vec<String> {
    known.into_iter().map(|version| version.to_string()).collect()
}

pub(super) fn room_version(version: &str) -> web::Result<RoomVersionId> {
    version.try_into().map_err(web::Error::internal)
}
