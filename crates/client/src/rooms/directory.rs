//! The public room directory: `GET` and `POST /publicRooms`, `GET` and `PUT /directory/list/room/{roomId}`.

use std::sync::Arc;

use directory::{PublicRoom, RoomsFilter, RoomsPage};
use kernel::{Kind, id::ServerName};
use ruma_client_api::directory::{
    get_public_rooms, get_public_rooms_filtered, get_room_visibility, set_room_visibility,
};
use ruma_client_api::room::Visibility;
use ruma_common::directory::PublicRoomsChunk;
use web::{Caller, Error, Result};

use super::summary::summary_of;
use crate::Town;

/// Rooms of a page whose caller names no limit.
const PAGE_DEFAULT: u64 = 100;

pub(super) async fn public_rooms(
    town: Arc<Town>,
    _: Caller,
    ask: get_public_rooms::v3::Request,
) -> Result<get_public_rooms::v3::Response> {
    check_server(&town, ask.server.as_deref())?;
    let page =
        town.directory.public_rooms(&RoomsFilter::default(), limit(ask.limit.map(Into::into)), ask.since.as_deref())?;
    let mut response = get_public_rooms::v3::Response::new(chunk(&page));
    response.total_room_count_estimate = u32::try_from(page.total).ok().map(Into::into);
    response.next_batch = page.next;
    response.prev_batch = page.previous;
    Ok(response)
}

pub(super) async fn search_public_rooms(
    town: Arc<Town>,
    _: Caller,
    ask: get_public_rooms_filtered::v3::Request,
) -> Result<get_public_rooms_filtered::v3::Response> {
    check_server(&town, ask.server.as_deref())?;
    let types: Vec<_> = ask.filter.room_types.iter().map(|kind| kind.as_str().map(str::to_owned)).collect();
    let filter = RoomsFilter {
        term: ask.filter.generic_search_term.as_deref(),
        room_types: (!types.is_empty()).then(|| types.iter().map(Option::as_deref).collect()),
    };
    let page = town.directory.public_rooms(&filter, limit(ask.limit.map(Into::into)), ask.since.as_deref())?;
    let mut response = get_public_rooms_filtered::v3::Response::new();
    response.chunk = chunk(&page);
    response.total_room_count_estimate = u32::try_from(page.total).ok().map(Into::into);
    response.next_batch = page.next;
    response.prev_batch = page.previous;
    Ok(response)
}

pub(super) async fn visibility(
    town: Arc<Town>,
    ask: get_room_visibility::v3::Request,
) -> Result<get_room_visibility::v3::Response> {
    town.rooms.create_event(&ask.room_id)?;
    let visibility = if town.rooms.is_published(&ask.room_id)? { Visibility::Public } else { Visibility::Private };
    Ok(get_room_visibility::v3::Response::new(visibility))
}

pub(super) async fn set_visibility(
    town: Arc<Town>,
    caller: Caller,
    ask: set_room_visibility::v3::Request,
) -> Result<set_room_visibility::v3::Response> {
    let published = match ask.visibility {
        Visibility::Public => true,
        Visibility::Private => false,
        other => return Err(Error::new(Kind::InvalidParam, format!("There is no visibility {}", other.as_str()))),
    };
    town.rooms.publish(&caller.user, &ask.room_id, published).await?;
    Ok(set_room_visibility::v3::Response::new())
}

fn check_server(town: &Town, server: Option<&ServerName>) -> Result<()> {
    match server {
        Some(other) if *other != *town.server_name => {
            Err(Error::new(Kind::NotFound, format!("This server does not know the rooms of {other}")))
        }
        _ => Ok(()),
    }
}

fn limit(asked: Option<u64>) -> usize {
    usize::try_from(asked.unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX)
}

fn chunk(page: &RoomsPage) -> Vec<PublicRoomsChunk> {
    page.rooms.iter().map(|room: &Arc<PublicRoom>| summary_of(&room.room, &room.summary).into()).collect()
}
