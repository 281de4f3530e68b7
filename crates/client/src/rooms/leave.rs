//! `POST /rooms/{roomId}/leave` and `/forget`.

use std::sync::Arc;

use http::StatusCode;
use ruma_client_api::membership::{forget_room, leave_room};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn leave(
    town: Arc<Town>,
    caller: Caller,
    ask: leave_room::v3::Request,
) -> Result<leave_room::v3::Response> {
    town.rooms.leave(&town.actor(&caller.user)?, &ask.room_id, ask.reason.as_deref()).await?;
    Ok(leave_room::v3::Response::new())
}

pub(super) async fn forget(
    town: Arc<Town>,
    caller: Caller,
    ask: forget_room::v3::Request,
) -> Result<forget_room::v3::Response> {
    match town.rooms.forget(&caller.user, &ask.room_id).await {
        Ok(()) => Ok(forget_room::v3::Response::new()),
        // The errcode that the specification gives a room that the user is still in.
        Err(rooms::Error::Invalid(reason)) => Err(Error::custom(StatusCode::BAD_REQUEST, "M_UNKNOWN", reason)),
        Err(error) => Err(error.into()),
    }
}
