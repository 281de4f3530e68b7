//! The public room directory: `GET` and `POST /publicRooms`, `GET` and `PUT /directory/list/room/{roomId}`.

use std::{mem, sync::Arc};

use directory::{PublicRoom, RoomsFilter, RoomsPage};
use kernel::{Kind, id::ServerName};
use ruma_client_api::directory::{
    get_public_rooms, get_public_rooms_filtered, get_room_visibility, set_room_visibility,
};
use ruma_client_api::room::Visibility;
use ruma_common::{directory::PublicRoomsChunk, room::JoinRuleKind};
use serde::Serialize;
use web::{Caller, Error, Json, Result};

use super::summary::summary_of;
use crate::Town;

/// Rooms of a page whose caller names no limit.
const PAGE_DEFAULT: u64 = 100;

pub(super) async fn public_rooms(town: Arc<Town>, _: Caller, ask: get_public_rooms::v3::Request) -> Result<Json> {
    check_server(&town, ask.server.as_deref())?;
    let limit = limit(ask.limit.map(Into::into));
    Json::of(&Page::from(town.directory.public_rooms(&RoomsFilter::default(), limit, ask.since.as_deref())?))
}

pub(super) async fn search_public_rooms(
    town: Arc<Town>,
    _: Caller,
    ask: get_public_rooms_filtered::v3::Request,
) -> Result<Json> {
    check_server(&town, ask.server.as_deref())?;
    let types: Vec<_> = ask.filter.room_types.iter().map(|kind| kind.as_str().map(str::to_owned)).collect();
    let filter = RoomsFilter {
        term: ask.filter.generic_search_term.as_deref(),
        room_types: (!types.is_empty()).then(|| types.iter().map(Option::as_deref).collect()),
    };
    let limit = limit(ask.limit.map(Into::into));
    Json::of(&Page::from(town.directory.public_rooms(&filter, limit, ask.since.as_deref())?))
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

/// The answer to both. It is not ruma's, which leaves out the join rule of rooms where it is `public`: not every client knows
/// that none means this one.
#[derive(Serialize)]
struct Page {
    chunk: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_batch: Option<String>,
    total_room_count_estimate: usize,
}

#[derive(Serialize)]
struct Listed {
    join_rule: JoinRuleKind,
    /// With its own join rule taken out.
    #[serde(flatten)]
    room: PublicRoomsChunk,
}

impl From<RoomsPage> for Page {
    fn from(page: RoomsPage) -> Self {
        let listed = |room: &Arc<PublicRoom>| {
            let mut room: PublicRoomsChunk = summary_of(&room.room, &room.summary).into();
            Listed { join_rule: mem::take(&mut room.join_rule), room }
        };
        Self {
            chunk: page.rooms.iter().map(listed).collect(),
            next_batch: page.next,
            prev_batch: page.previous,
            total_room_count_estimate: page.total,
        }
    }
}
