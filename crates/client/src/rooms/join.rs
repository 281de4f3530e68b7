//! `POST /join/{roomIdOrAlias}` and `POST /rooms/{roomId}/join`.

use std::sync::Arc;

use kernel::id::{OwnedRoomId, OwnedServerName};
use ruma_client_api::membership::{join_room_by_id, join_room_by_id_or_alias};
use ruma_common::OwnedRoomOrAliasId;
use serde_json::{Map, Value};
use web::{Caller, Result};

use super::verbatim::Verbatim;
use crate::Town;

pub(super) async fn join_by_id(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<join_room_by_id::v3::Request>,
) -> Result<join_room_by_id::v3::Response> {
    let (actor, fields) = (town.actor(&caller.user)?, own_fields(&ask));
    let ask = ask.ask;
    town.rooms.join_saying(&actor, &ask.room_id, &[], ask.reason.as_deref(), fields).await?;
    Ok(join_room_by_id::v3::Response::new(ask.room_id))
}

pub(super) async fn join(
    town: Arc<Town>,
    caller: Caller,
    ask: Verbatim<join_room_by_id_or_alias::v3::Request>,
) -> Result<join_room_by_id_or_alias::v3::Response> {
    let (actor, fields) = (town.actor(&caller.user)?, own_fields(&ask));
    let ask = ask.ask;
    let (room, via) = way_to(&town, ask.room_id_or_alias, ask.via).await?;
    town.rooms.join_saying(&actor, &room, &via, ask.reason.as_deref(), fields).await?;
    Ok(join_room_by_id_or_alias::v3::Response::new(room))
}

/// What the client adds to its member event, as other servers let it.
fn own_fields<R>(ask: &Verbatim<R>) -> Map<String, Value> {
    let mut fields = ask.body();
    fields.retain(|field, _| !matches!(field.as_str(), "reason" | "third_party_signed"));
    fields
}

/// The room of this id or alias, wherever the alias is registered, and the servers by way of which it may be reached: those
/// that the client names first, then those that the alias's server names.
///
/// # Errors
/// 404 for an alias that points nowhere.
pub(super) async fn way_to(
    town: &Town,
    room: OwnedRoomOrAliasId,
    mut via: Vec<OwnedServerName>,
) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
    match OwnedRoomId::try_from(room) {
        Ok(room) => Ok((room, via)),
        Err(alias) => {
            let (room, servers) = town.rooms.resolve_alias_anywhere(&alias).await?;
            via.extend(servers);
            Ok((room, via))
        }
    }
}

/// The room of this id, or of this alias of ours.
///
/// # Errors
/// 404 for an alias that points nowhere.
pub(super) fn room_of(town: &Town, room: OwnedRoomOrAliasId) -> Result<OwnedRoomId> {
    match OwnedRoomId::try_from(room) {
        Ok(room) => Ok(room),
        Err(alias) => Ok(town.rooms.resolve_alias(&alias)?.ok_or(rooms::Error::NoSuchAlias)?),
    }
}
