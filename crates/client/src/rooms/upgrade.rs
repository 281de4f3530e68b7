//! `POST /rooms/{roomId}/upgrade`.

use std::sync::Arc;

use ruma_client_api::room::upgrade_room::v3::{Request, Response};
use web::{Caller, Result};

use crate::Town;

pub(super) async fn upgrade(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let actor = town.actor(&caller.user)?;
    let version = ask.new_version.as_str();
    let replacement = town.rooms.upgrade(&actor, &ask.room_id, version, &ask.additional_creators).await?;
    Ok(Response::new(replacement))
}
