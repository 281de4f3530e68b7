//! `GET /rooms/{roomId}/context/{eventId}`.

use std::sync::Arc;

use kernel::Position;
use rooms::{Boundary, Event};
use ruma_client_api::context::get_context::v3::{Request, Response};
use ruma_common::serde::Raw;
use ruma_events::AnyStateEvent;
use store::Direction;
use web::{Caller, Result};

use super::{
    filter::Wanted,
    messages::{PAGE_MAX, senders},
    shown::Shown,
    verbatim::Verbatim,
};
use crate::Town;

pub(super) async fn context(town: Arc<Town>, caller: Caller, ask: Verbatim<Request>) -> Result<Response> {
    let (room, user) = (&ask.ask.room_id, &caller.user);
    let event = town.rooms.visible_event(room, user, &ask.ask.event_id)?;
    let filter = Wanted::new(&town, user, &ask, ask.ask.filter.clone())?;
    let limit = filter.limit(ask.ask.limit.into(), PAGE_MAX);
    let mut shown = Shown::new(&town, &caller, room)?;
    let wanted = |event: &Event| filter.wants(event);
    let (just_before, just_after) = (Boundary::just_before(&event), Boundary::just_after(&event));
    let viewer = &mut shown.viewer;
    let before = town.rooms.page_of_all(viewer, just_before, None, Direction::Backward, limit / 2, wanted).await?;
    let after = town.rooms.page(viewer, just_after, None, Direction::Forward, limit - limit / 2, wanted)?;
    let last = after.events.last().unwrap_or(&event);

    let mut response = Response::new();
    response.start = Some(before.next.unwrap_or(Boundary::at(Position::START)).to_string());
    response.end = Some(after.next.unwrap_or(Boundary::just_after(last)).to_string());
    let all: Vec<_> = before.events.iter().rev().chain([&event]).chain(&after.events).cloned().collect();
    response.state = state(&town, &mut shown, last, filter.lazy_loads_members().then_some(&all))?;
    response.events_before = shown.all(&before.events)?;
    response.event = Some(Raw::from_json(shown.bundled(&event)?));
    response.events_after = shown.all(&after.events)?;
    Ok(response)
}

/// The room's state at the last event; of members only the senders of `lazily`, if that is given.
fn state(
    town: &Town,
    shown: &mut Shown<'_>,
    last: &Event,
    lazily: Option<&Vec<Arc<Event>>>,
) -> Result<Vec<Raw<AnyStateEvent>>> {
    let mut state = match lazily {
        Some(events) => senders(town, shown, events)?,
        None => Vec::new(),
    };
    for event in town.rooms.state_events(last.pdu.room_id(), last.room_state)? {
        if lazily.is_none() || event.pdu.kind() != "m.room.member" {
            state.push(Raw::from_json(shown.event(&event)?));
        }
    }
    Ok(state)
}
