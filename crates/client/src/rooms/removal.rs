//! `POST /rooms/{roomId}/kick`, `/ban` and `/unban`.

use std::sync::Arc;

use ruma_client_api::membership::{ban_user, kick_user, unban_user};
use web::{Caller, Result};

use crate::Town;

pub(super) async fn kick(
    town: Arc<Town>,
    caller: Caller,
    ask: kick_user::v3::Request,
) -> Result<kick_user::v3::Response> {
    town.rooms.kick(&town.actor(&caller.user)?, &ask.room_id, &ask.user_id, ask.reason.as_deref()).await?;
    Ok(kick_user::v3::Response::new())
}

pub(super) async fn ban(town: Arc<Town>, caller: Caller, ask: ban_user::v3::Request) -> Result<ban_user::v3::Response> {
    town.rooms.ban(&town.actor(&caller.user)?, &ask.room_id, &ask.user_id, ask.reason.as_deref()).await?;
    Ok(ban_user::v3::Response::new())
}

pub(super) async fn unban(
    town: Arc<Town>,
    caller: Caller,
    ask: unban_user::v3::Request,
) -> Result<unban_user::v3::Response> {
    town.rooms.unban(&town.actor(&caller.user)?, &ask.room_id, &ask.user_id, ask.reason.as_deref()).await?;
    Ok(unban_user::v3::Response::new())
}
