//! `event`, `event_auth` and `timestamp_to_event`: single events, what they rest on, and which was sent when.

use std::sync::Arc;

use kernel::Timestamp;
use ruma_common::{MilliSecondsSinceUnixEpoch, api::Direction as Asked};
use ruma_federation_api::{
    authorization::get_event_authorization::v1 as get_event_auth,
    event::{get_event::v1 as get_event, get_event_by_timestamp::v1 as get_by_time},
};
use store::Direction;
use web::{Error, Homeserver};

use super::events::{now, raw, raws, read};
use crate::Town;

pub(super) async fn event(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_event::Request,
) -> web::Result<get_event::Response> {
    let event = read(&town, move |rooms| rooms.event_for(&origin, &ask.event_id)).await?;
    Ok(get_event::Response::new(town.server_name.clone(), now(&town)?, raw(event)?))
}

pub(super) async fn event_auth(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_event_auth::Request,
) -> web::Result<get_event_auth::Response> {
    let chain = read(&town, move |rooms| rooms.auth_chain_for(&origin, &ask.room_id, &ask.event_id)).await?;
    Ok(get_event_auth::Response::new(raws(chain)?))
}

pub(super) async fn by_time(
    town: Arc<Town>,
    origin: Homeserver,
    ask: get_by_time::Request,
) -> web::Result<get_by_time::Response> {
    let at = Timestamp(ask.ts.0.into());
    let direction = match ask.dir {
        Asked::Forward => Direction::Forward,
        Asked::Backward => Direction::Backward,
    };
    let found = read(&town, move |rooms| rooms.event_by_time_for(&origin, &ask.room_id, at, direction));
    let (event_id, sent_at) = found.await?;
    let sent_at = sent_at.0.try_into().map(MilliSecondsSinceUnixEpoch).map_err(Error::internal)?;
    Ok(get_by_time::Response::new(event_id, sent_at))
}
