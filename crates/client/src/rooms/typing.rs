//! `PUT /rooms/{roomId}/typing/{userId}`.

use std::{sync::Arc, time::Duration};

use kernel::Kind;
use rooms::Membership;
use ruma_client_api::typing::create_typing_event::v3::{Request, Response, Typing};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn typing(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    if ask.user_id != caller.user {
        return Err(Error::new(Kind::Forbidden, "You can say of yourself only that you type"));
    }
    if town.rooms.membership(&ask.room_id, &caller.user)? != Some(Membership::Join) {
        return Err(rooms::Error::NotMember.into());
    }
    let holds = match ask.state {
        Typing::Yes(info) => Some(info.timeout).filter(|timeout| !timeout.is_zero()),
        Typing::No => None,
    };
    let now = town.clock.now();
    let until = town.rooms.typing().set(&ask.room_id, &caller.user, holds, now);
    if holds.is_some() {
        expire_after(&town, until.since(now));
    }
    Ok(Response::new())
}

/// Wakes those who wait for the end of the notice. At most 120 seconds, so that few timers run at once.
fn expire_after(town: &Arc<Town>, holds: Duration) {
    let town = Arc::downgrade(town);
    tokio::spawn(async move {
        tokio::time::sleep(holds).await;
        if let Some(town) = town.upgrade() {
            town.rooms.typing().expire(town.clock.now());
        }
    });
}
