//! `GET /rooms/{roomId}/hierarchy`.

use std::sync::Arc;

use kernel::Kind;
use rooms::{SpaceQuery, SpaceRoom};
use ruma_client_api::space::{
    SpaceHierarchyRoomsChunk,
    get_hierarchy::v1::{Request, Response},
};
use ruma_common::serde::Raw;
use serde_json::value::RawValue;
use web::{Caller, Error, Result};

use super::summary::summary_of;
use crate::Town;

/// Rooms of one page.
const PAGE_MAX: usize = 50;

pub(super) async fn hierarchy(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let small = |asked| usize::try_from(u64::from(asked)).unwrap_or(usize::MAX);
    let query = SpaceQuery { depth_max: ask.max_depth.map(small), suggested_only: ask.suggested_only };
    let skip = ask.from.as_deref().map(|token| read_token(token, &query)).transpose()?.unwrap_or(0);
    let limit = ask.limit.map_or(PAGE_MAX, small).clamp(1, PAGE_MAX);
    let page = town.rooms.space(&ask.room_id, &caller.user, &query, skip, limit).await?;
    let mut response = Response::new();
    response.rooms = page.rooms.into_iter().map(chunk).collect::<Result<_>>()?;
    response.next_batch = page.more.then(|| token(skip + response.rooms.len(), &query));
    Ok(response)
}

fn chunk(room: SpaceRoom) -> Result<SpaceHierarchyRoomsChunk> {
    let raw = |json: String| RawValue::from_string(json).map_err(|error| rooms::Error::Damaged(error.to_string()));
    let children = room.children.into_iter().map(|child| Ok(Raw::from_json(raw(child)?))).collect::<Result<_>>()?;
    Ok(SpaceHierarchyRoomsChunk::new(summary_of(&room.room_id, &room.summary), children))
}

/// How many rooms were shown, and the question that they answer: a token goes with one question only.
fn token(shown: usize, query: &SpaceQuery) -> String {
    let depth = query.depth_max.map_or_else(|| "-".to_owned(), |depth| depth.to_string());
    format!("h{shown}_{depth}_{}", u8::from(query.suggested_only))
}

fn read_token(text: &str, query: &SpaceQuery) -> Result<usize> {
    let shown = text.strip_prefix('h').and_then(|rest| rest.split('_').next()).and_then(|digits| digits.parse().ok());
    let shown = shown.filter(|shown| token(*shown, query) == text);
    shown.ok_or_else(|| Error::new(Kind::InvalidParam, "The token is not of this request"))
}
