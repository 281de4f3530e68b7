//! `POST /knock/{roomIdOrAlias}`.

use std::sync::Arc;

use ruma_client_api::knock::knock_room::v3::{Request, Response};
use web::{Caller, Result};

use super::join::way_to;
use crate::Town;

pub(super) async fn knock(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let (room, via) = way_to(&town, ask.room_id_or_alias, ask.via).await?;
    town.rooms.knock(&town.actor(&caller.user)?, &room, &via, ask.reason.as_deref()).await?;
    Ok(Response::new(room))
}
