//! `PUT /rooms/{roomId}/typing/{userId}`.

use std::sync::Arc;

use kernel::Kind;
use ruma_client_api::typing::create_typing_event::v3::{Request, Response, Typing};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn typing(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    if ask.user_id != caller.user {
        return Err(Error::new(Kind::Forbidden, "You can say of yourself only that you type"));
    }
    let holds = match ask.state {
        Typing::Yes(info) => Some(info.timeout).filter(|timeout| !timeout.is_zero()),
        Typing::No => None,
    };
    town.rooms.set_typing(&ask.room_id, &caller.user, holds)?;
    Ok(Response::new())
}
