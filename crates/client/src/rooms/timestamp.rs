//! `GET /rooms/{roomId}/timestamp_to_event`.

use std::sync::Arc;

use kernel::Timestamp;
use ruma_client_api::room::get_event_by_timestamp::v1::{Request, Response};
use ruma_common::MilliSecondsSinceUnixEpoch;
use web::{Caller, Result};

use super::messages::store_direction;
use crate::Town;

pub(super) async fn timestamp_to_event(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    town.rooms.standing(&ask.room_id, &caller.user)?;
    let at = Timestamp(ask.ts.get().into());
    let event = town.rooms.event_by_time(&ask.room_id, &caller.user, at, store_direction(ask.dir)).await?;
    let event = event.ok_or(rooms::Error::NoSuchEvent)?;
    let sent = event.pdu.origin_server_ts().0.try_into().unwrap_or_default();
    Ok(Response::new(event.pdu.event_id().to_owned(), MilliSecondsSinceUnixEpoch(sent)))
}
