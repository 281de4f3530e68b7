//! The rooms that the caller and another user are both in (spec v1.19, `GET /mutual_rooms`; MSC2666).

use std::sync::Arc;

use kernel::{
    Kind,
    id::{OwnedRoomId, UserId},
};
use rooms::Membership;
use ruma_client_api::membership::get_mutual_rooms::{unstable, v1};

use crate::Town;

/// Rooms of one answer.
const PAGE: usize = 100;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(mutual_rooms);
    routes.user(mutual_rooms_unstable);
}

async fn mutual_rooms(town: Arc<Town>, caller: web::Caller, ask: v1::Request) -> web::Result<v1::Response> {
    let mutual = mutual(&town, &caller.user, &ask.user_id)?;
    let count = u32::try_from(mutual.len()).unwrap_or(u32::MAX);
    let (page, next_batch) = page(mutual, ask.from.as_deref());
    let mut response = v1::Response::new(count.into(), page);
    response.next_batch = next_batch;
    Ok(response)
}

async fn mutual_rooms_unstable(
    town: Arc<Town>,
    caller: web::Caller,
    ask: unstable::Request,
) -> web::Result<unstable::Response> {
    let (page, next_batch) = page(mutual(&town, &caller.user, &ask.user_id)?, ask.from.as_deref());
    let mut response = unstable::Response::new(page);
    response.next_batch = next_batch;
    Ok(response)
}

/// In the order of their ids.
fn mutual(town: &Town, caller: &UserId, user: &UserId) -> web::Result<Vec<OwnedRoomId>> {
    if caller == user {
        return Err(web::Error::new(Kind::InvalidParam, "You share all of your rooms with yourself"));
    }
    let mut rooms = town.rooms.joined_rooms(caller)?;
    rooms.sort_unstable();
    let mut mutual = Vec::new();
    for room in rooms {
        if town.rooms.membership(&room, user)? == Some(Membership::Join) {
            mutual.push(room);
        }
    }
    Ok(mutual)
}

/// The rooms after `from`, the last of an earlier page, and where the next page begins.
fn page(mutual: Vec<OwnedRoomId>, from: Option<&str>) -> (Vec<OwnedRoomId>, Option<String>) {
    let mut rest = mutual.into_iter().filter(|room| from.is_none_or(|from| room.as_str() > from));
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let next = rest.next().and_then(|_| page.last().map(ToString::to_string));
    (page, next)
}
