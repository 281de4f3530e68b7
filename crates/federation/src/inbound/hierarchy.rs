//! `hierarchy`: a space and the rooms in it, one step deep.

use std::sync::Arc;

use kernel::{Kind, id::RoomId};
use serde::Deserialize;
use web::{Error, Homeserver, Json, Visit};

use super::events::read;
use crate::Town;

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    suggested_only: bool,
}

/// Rooms write the answer: ruma's type leaves out the join rule of rooms where it is `public`.
pub(super) async fn hierarchy(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    let room = RoomId::parse(visit.param("room_id"));
    let room = room.map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))?;
    let Query { suggested_only } = visit.query()?;
    Ok(Json::text(read(&town, move |rooms| rooms.hierarchy_for(&origin, &room, suggested_only)).await?))
}
