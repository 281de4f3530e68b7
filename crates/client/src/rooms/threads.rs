//! `GET /rooms/{roomId}/threads`.

use std::sync::Arc;

use ruma_client_api::threads::get_threads::v1::{IncludeThreads, Request, Response};
use web::{Caller, Result};

use super::shown::Shown;
use crate::{Town, sync::Token};

const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: usize = 100;

pub(super) async fn threads(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    town.rooms.standing(&ask.room_id, &caller.user)?;
    let from = ask.from.as_deref().map(Token::boundary).transpose()?;
    let limit = u64::from(ask.limit.unwrap_or(PAGE_DEFAULT.into()));
    let limit = usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let participated = ask.include == IncludeThreads::Participated;
    let mut shown = Shown::new(&town, &caller, &ask.room_id)?;
    let threads = town.rooms.threads(&mut shown.viewer, from, limit, participated)?;
    let mut response = Response::new(shown.all(&threads.events)?);
    response.next_batch = threads.next.map(|next| next.to_string());
    Ok(response)
}
