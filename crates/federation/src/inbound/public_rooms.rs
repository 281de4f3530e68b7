//! `publicRooms`: the rooms that this town lists, for the servers of its federation.

use std::sync::Arc;

use directory::{ListedPage, RoomsFilter};
use ruma_federation_api::directory::{get_public_rooms::v1 as list, get_public_rooms_filtered::v1 as search};
use web::{Homeserver, Json};

use crate::Town;

/// Rooms of a page whose asker names no limit.
const PAGE_DEFAULT: u64 = 100;

pub(super) async fn public_rooms(town: Arc<Town>, _: Homeserver, ask: list::Request) -> web::Result<Json> {
    let limit = limit(ask.limit.map(Into::into));
    let page = town.directory.public_rooms(&RoomsFilter::default(), limit, ask.since.as_deref())?;
    Json::of(&ListedPage::from(page))
}

pub(super) async fn search_public_rooms(town: Arc<Town>, _: Homeserver, ask: search::Request) -> web::Result<Json> {
    let types: Vec<_> = ask.filter.room_types.iter().map(|kind| kind.as_str().map(str::to_owned)).collect();
    let filter = RoomsFilter {
        term: ask.filter.generic_search_term.as_deref(),
        room_types: (!types.is_empty()).then(|| types.iter().map(Option::as_deref).collect()),
    };
    let limit = limit(ask.limit.map(Into::into));
    let page = town.directory.public_rooms(&filter, limit, ask.since.as_deref())?;
    Json::of(&ListedPage::from(page))
}

/// The directory has bounds of its own.
fn limit(asked: Option<u64>) -> usize {
    usize::try_from(asked.unwrap_or(PAGE_DEFAULT)).unwrap_or(usize::MAX)
}
