//! `state` and `state_ids`: the state of a room before one of its events, and what it rests on.

use std::sync::Arc;

use ruma_federation_api::event::{get_room_state::v1 as get_state, get_room_state_ids::v1 as get_state_ids};
use web::Homeserver;

use super::events::{raws, read};
use crate::Town;

pub(super) async fn state(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_state::Request,
) -> web::Result<get_state::Response> {
    let state = read(&town, move |rooms| rooms.state_for(&origin, &ask.room_id, &ask.event_id)).await?;
    Ok(get_state::Response::new(raws(state.auth_chain)?, raws(state.state)?))
}

pub(super) async fn state_ids(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_state_ids::Request,
) -> web::Result<get_state_ids::Response> {
    let ids = read(&town, move |rooms| rooms.state_ids_for(&origin, &ask.room_id, &ask.event_id)).await?;
    Ok(get_state_ids::Response::new(ids.auth_chain, ids.state))
}
