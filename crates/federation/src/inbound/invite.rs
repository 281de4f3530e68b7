//! `invite`: a user of another server invites one of this. The old form bears no room version, and is for the oldest rooms.

use std::sync::Arc;

use kernel::id::{EventId, RoomId, UserId};
use rooms::OfferedInvite;
use ruma_federation_api::membership::create_invite::v2::{Request, Response};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use web::{Homeserver, Json, Visit};

use super::{events::raw, submitted::Submitted};
use crate::{
    Town,
    peers::{STRIPPED_EVENTS_MAX, stripped_text},
};

/// The version of rooms that servers speak of by [`invite_v1`].
const OLDEST_VERSION: &str = "1";

pub(super) async fn invite(town: Arc<Town>, origin: Homeserver, ask: Request) -> web::Result<Response> {
    let offered = OfferedInvite {
        event: ask.event.get().to_owned(),
        room_version: ask.room_version.to_string(),
        stripped: ask.invite_room_state.into_iter().take(STRIPPED_EVENTS_MAX).filter_map(stripped_text).collect(),
    };
    let event = receive(&town, &origin, &ask.room_id, &ask.event_id, offered).await?;
    Ok(Response::new(raw(event)?))
}

/// ruma's type would keep some fields of the event only, and not what its signature covers.
pub(super) async fn invite_v1(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    #[derive(Default, Deserialize)]
    struct Unsigned {
        #[serde(default)]
        invite_room_state: Vec<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Invite {
        #[serde(default)]
        unsigned: Unsigned,
    }
    let Invite { unsigned } = visit.json()?;
    let Submitted { room, event_id, event } = Submitted::read(&visit)?;
    let stripped = unsigned.invite_room_state.iter().take(STRIPPED_EVENTS_MAX);
    let offered = OfferedInvite {
        event: event.to_owned(),
        room_version: OLDEST_VERSION.to_owned(),
        stripped: stripped.map(|event| event.get().to_owned()).collect(),
    };
    let event = receive(&town, &origin, &room, &event_id, offered).await?;
    Json::of(&json!([200, { "event": raw(event)? }]))
}

async fn receive(
    town: &Town,
    origin: &Homeserver,
    room: &RoomId,
    event_id: &EventId,
    offered: OfferedInvite,
) -> web::Result<String> {
    let is_user = |user: &UserId| town.accounts.is_active(user).unwrap_or(false);
    Ok(town.rooms.receive_invite(origin, room, event_id, offered, is_user).await?)
}
