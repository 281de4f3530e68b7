//! `GET /rooms/{roomId}/relations/{eventId}`, of any relation, of one type of relation, of one type of event too.

use std::sync::Arc;

use kernel::id::{EventId, RoomId};
use rooms::{Boundary, RelationQuery};
use ruma_client_api::relations::{
    get_relating_events as of_any, get_relating_events_with_rel_type as of_rel_type,
    get_relating_events_with_rel_type_and_event_type as of_both,
};
use ruma_common::{api::Direction, serde::Raw};
use ruma_events::AnyMessageLikeEvent;
use web::{Caller, Result};

use super::{messages::store_direction, shown::Shown, verbatim::Verbatim};
use crate::{Town, sync::Token};

const PAGE_DEFAULT: u64 = 5;
const PAGE_MAX: usize = 100;

/// The three requests differ in what they filter by; this is what they share.
struct Paging {
    from: Option<String>,
    to: Option<String>,
    direction: Direction,
    limit: Option<u64>,
    query: RelationQuery,
}

#[derive(Default)]
struct Found {
    chunk: Vec<Raw<AnyMessageLikeEvent>>,
    next: Option<String>,
    previous: Option<String>,
    depth: Option<u32>,
}

macro_rules! answer {
    ($module:ident, $found:expr) => {{
        let found = $found;
        let mut response = $module::v1::Response::new(found.chunk);
        response.next_batch = found.next;
        response.prev_batch = found.previous;
        response.recursion_depth = found.depth.map(Into::into);
        Ok(response)
    }};
}

pub(super) async fn relations(
    town: Arc<Town>,
    caller: Caller,
    ask: of_any::v1::Request,
) -> Result<of_any::v1::Response> {
    let query = RelationQuery { recurse: ask.recurse, ..RelationQuery::default() };
    let paging = Paging { from: ask.from, to: ask.to, direction: ask.dir, limit: ask.limit.map(Into::into), query };
    answer!(of_any, find(&town, &caller, &ask.room_id, &ask.event_id, paging)?)
}

pub(super) async fn relations_of_type(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<of_rel_type::v1::Request>,
) -> Result<of_rel_type::v1::Response> {
    let rel_type = Some(ask.path(2).to_owned());
    let ask = ask.ask;
    let query = RelationQuery { rel_type, recurse: ask.recurse, ..RelationQuery::default() };
    let paging = Paging { from: ask.from, to: ask.to, direction: ask.dir, limit: ask.limit.map(Into::into), query };
    answer!(of_rel_type, find(&town, &caller, &ask.room_id, &ask.event_id, paging)?)
}

pub(super) async fn relations_of_both_types(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<of_both::v1::Request>,
) -> Result<of_both::v1::Response> {
    let (rel_type, event_type) = (Some(ask.path(2).to_owned()), Some(ask.path(3).to_owned()));
    let ask = ask.ask;
    let query = RelationQuery { rel_type, event_type, recurse: ask.recurse };
    let paging = Paging { from: ask.from, to: ask.to, direction: ask.dir, limit: ask.limit.map(Into::into), query };
    answer!(of_both, find(&town, &caller, &ask.room_id, &ask.event_id, paging)?)
}

fn find(town: &Town, caller: &Caller, room: &RoomId, target: &EventId, paging: Paging) -> Result<Found> {
    town.rooms.visible_event(room, &caller.user, target)?;
    let from = paging.from.as_deref().map(Token::boundary).transpose()?;
    let to = paging.to.as_deref().map(Token::boundary).transpose()?;
    let limit = usize::try_from(paging.limit.unwrap_or(PAGE_DEFAULT)).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let ignores = town.accounts.ignores(&caller.user)?;
    let mut shown = Shown::new(town, caller, room)?;
    let direction = store_direction(paging.direction);
    let mut related = town.rooms.related(&mut shown.viewer, target, &paging.query, from, direction, limit)?;
    let count = related.events.len();
    if let Some(to) = to {
        related.events.retain(|event| match paging.direction {
            Direction::Forward => Boundary::just_after(event) <= to,
            Direction::Backward => Boundary::just_after(event) > to,
        });
    }
    // What lies beyond `to` was not asked for, so neither is a page after it.
    let next = related.next.filter(|_| related.events.len() == count);
    related.events.retain(|event| !ignores.contains(event.pdu.sender()));
    Ok(Found {
        chunk: shown.all(&related.events)?,
        next: next.map(|next| next.to_string()),
        previous: paging.from,
        depth: related.depth.and_then(|depth| u32::try_from(depth).ok()),
    })
}
