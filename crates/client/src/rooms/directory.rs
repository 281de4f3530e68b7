//! The public room directory: `GET` and `POST /publicRooms`, `GET` and `PUT /directory/list/room/{roomId}`.

use std::sync::Arc;

use directory::RoomsFilter;
use kernel::{Kind, id::ServerName};
use ruma_client_api::directory::{
    get_public_rooms, get_public_rooms_filtered, get_room_visibility, set_room_visibility,
};
use ruma_client_api::room::Visibility;
use web::{Caller, Error, Json, Result};

use crate::Town;

/// Rooms of a page whose caller names no limit.
const PAGE_DEFAULT: u64 = 100;

pub(super) async fn public_rooms(town: Arc<Town>, _: Caller, ask: get_public_rooms::v3::Request) -> Result<Json> {
    page(&town, ask.server.as_deref(), &RoomsFilter::default(), ask.limit.map(Into::into), ask.since.as_deref()).await
}

pub(super) async fn search_public_rooms(
    town: Arc<Town>,
    _: Caller,
    ask: get_public_rooms_filtered::v3::Request,
) -> Result<Json> {
    let types: Vec<_> = ask.filter.room_types.iter().map(|kind| kind.as_str().map(str::to_owned)).collect();
    let filter = RoomsFilter {
        term: ask.filter.generic_search_term.as_deref(),
        room_types: (!types.is_empty()).then(|| types.iter().map(Option::as_deref).collect()),
    };
    page(&town, ask.server.as_deref(), &filter, ask.limit.map(Into::into), ask.since.as_deref()).await
}

/// A page of this server's list, or of another's.
async fn page(
    town: &Town,
    server: Option<&ServerName>,
    filter: &RoomsFilter<'_>,
    limit: Option<u64>,
    since: Option<&str>,
) -> Result<Json> {
    let limit = usize::try_from(limit.unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX);
    let page = match server.filter(|server| **server != *town.server_name) {
        Some(other) => town.directory.public_rooms_of(other, filter, limit, since).await?,
        None => town.directory.public_rooms(filter, limit, since)?.into(),
    };
    Json::of(&page)
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
