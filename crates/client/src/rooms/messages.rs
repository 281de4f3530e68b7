//! `GET /rooms/{roomId}/messages`.

use std::{collections::HashSet, sync::Arc};

use kernel::Position;
use rooms::{Boundary, Event, Standing};
use ruma_client_api::message::get_message_events::v3::{Request, Response};
use ruma_common::{
    api::{Direction, IncomingRequest, Metadata, error::DeserializationError},
    serde::Raw,
};
use web::{Caller, Result};

use super::{filter::Wanted, shown::Shown, verbatim::Verbatim};
use crate::{Town, sync::Token};

/// Events of one page, whatever is asked for.
pub(super) const PAGE_MAX: usize = 1_000;

pub(super) async fn messages(town: Arc<Town>, caller: Caller, ask: Ask) -> Result<Response> {
    let Ask(ask) = ask;
    let wanted = Wanted::new(&town, &caller.user, &ask, ask.ask.filter.clone())?;
    let (room, direction) = (&ask.ask.room_id, ask.ask.dir);
    let standing = town.rooms.standing(room, &caller.user)?;
    let from = match &ask.ask.from {
        Some(token) => Token::boundary(token)?,
        None => beginning(&town, &standing, direction),
    };
    let to = ask.ask.to.as_deref().map(Token::boundary).transpose()?;
    let limit = wanted.limit(ask.ask.limit.into(), PAGE_MAX);
    let mut shown = Shown::new(&town, &caller, room)?;
    let (viewer, direction) = (&mut shown.viewer, store_direction(direction));
    let page = town.rooms.page_of_all(viewer, from, to, direction, limit, |event| wanted.wants(event)).await?;
    let mut response = Response::new();
    response.start = from.to_string();
    response.end = page.next.map(|next| next.to_string());
    if wanted.lazy_loads_members() {
        response.state = senders(&town, &mut shown, &page.events)?;
    }
    response.chunk = shown.all(&page.events)?;
    Ok(response)
}

/// Where a page begins whose caller does not say: at the room's first event, or at the last that they may see.
fn beginning(town: &Town, standing: &Standing, direction: Direction) -> Boundary {
    Boundary::at(match (direction, standing) {
        (Direction::Forward, _) => Position::START,
        (Direction::Backward, Standing::Left { position, .. }) => *position,
        (Direction::Backward, Standing::Present) => town.rooms.position(),
    })
}

pub(super) fn store_direction(direction: Direction) -> store::Direction {
    match direction {
        Direction::Forward => store::Direction::Forward,
        Direction::Backward => store::Direction::Backward,
    }
}

/// The member event of each sender, as it was when they sent the first of these events; a room's creator became a member
/// with the second.
pub(super) fn senders<T>(town: &Town, shown: &mut Shown<'_>, events: &[Arc<Event>]) -> Result<Vec<Raw<T>>> {
    let mut oldest_first: Vec<&Event> = events.iter().map(AsRef::as_ref).collect();
    oldest_first.sort_unstable_by_key(|event| (event.position, event.order));
    let (mut members, mut found) = (Vec::new(), HashSet::new());
    for event in oldest_first {
        let (room, sender) = (event.pdu.room_id(), event.pdu.sender());
        if !found.contains(sender)
            && let Some(member) = town.rooms.state_event(room, event.room_state, "m.room.member", sender.as_str())?
        {
            found.insert(sender);
            members.push(Raw::from_json(shown.event(&member)?));
        }
    }
    Ok(members)
}

/// The request; a missing `dir` means forward, as clients and other servers have always had it.
pub(super) struct Ask(Verbatim<Request>);

impl Metadata for Ask {
    const METHOD: http::Method = Request::METHOD;
    const RATE_LIMITED: bool = Request::RATE_LIMITED;
    type Authentication = <Request as Metadata>::Authentication;
    type PathBuilder = <Request as Metadata>::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = Request::PATH_BUILDER;
}

impl IncomingRequest for Ask {
    type EndpointError = <Request as IncomingRequest>::EndpointError;
    type OutgoingResponse = Response;

    fn try_from_http_request_inner(
        mut request: http::Request<&[u8]>,
        path_args: &[&str],
    ) -> std::result::Result<Self, DeserializationError> {
        let query = request.uri().query().unwrap_or_default();
        if !query.split('&').any(|pair| pair.starts_with("dir=")) {
            let separator = if query.is_empty() { "" } else { "&" };
            let amended = format!("{}?{query}{separator}dir=f", request.uri().path());
            if let Ok(uri) = amended.parse() {
                *request.uri_mut() = uri;
            }
        }
        Verbatim::try_from_http_request_inner(request, path_args).map(Self)
    }
}
