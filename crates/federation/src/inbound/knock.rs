//! `make_knock` and `send_knock`: users of other servers ask to be let in.

use std::sync::Arc;

use ruma_federation_api::membership::{
    RawStrippedState, create_knock_event::v1 as send_knock, prepare_knock_event::v1 as make_knock,
};
use web::Homeserver;

use super::{
    events::{raw, raws},
    join::{room_version, versions},
};
use crate::Town;

pub(super) async fn make_knock(
    town: Arc<Town>,
    origin: Homeserver,
    ask: make_knock::Request,
) -> web::Result<make_knock::Response> {
    let template = town.rooms.make_knock(&origin, &ask.room_id, &ask.user_id, &versions(ask.ver)).await?;
    Ok(make_knock::Response::new(room_version(template.room_version)?, raw(template.event)?))
}

pub(super) async fn send_knock(
    town: Arc<Town>,
    origin: Homeserver,
    ask: send_knock::Request,
) -> web::Result<send_knock::Response> {
    let shown = town.rooms.send_knock(&origin, &ask.room_id, &ask.event_id, ask.pdu.get()).await?;
    Ok(send_knock::Response::new(raws(shown)?.into_iter().map(RawStrippedState::Pdu).collect()))
}
