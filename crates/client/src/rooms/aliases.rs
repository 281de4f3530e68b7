//! `/directory/room/{roomAlias}` and `GET /rooms/{roomId}/aliases`.

use std::sync::Arc;

use http::StatusCode;
use kernel::{Kind, id::RoomAliasId};
use rooms::{Membership, Standing};
use ruma_client_api::{
    alias::{create_alias, delete_alias, get_alias},
    room::aliases,
};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn create(
    town: Arc<Town>,
    caller: Caller,
    ask: create_alias::v3::Request,
) -> Result<create_alias::v3::Response> {
    check_alias(&ask.room_alias)?;
    if town.rooms.membership(&ask.room_id, &caller.user)? != Some(Membership::Join) {
        return Err(rooms::Error::NotMember.into());
    }
    match town.rooms.set_alias(&caller.user, &ask.room_alias, &ask.room_id).await {
        Ok(()) => Ok(create_alias::v3::Response::new()),
        // The status and errcode that the specification gives this endpoint alone.
        Err(error @ rooms::Error::AliasTaken) => {
            Err(Error::custom(StatusCode::CONFLICT, "M_UNKNOWN", error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Anybody may ask for an alias of this server; other servers are asked only for those who are signed in.
pub(super) async fn resolve(
    town: Arc<Town>,
    caller: Option<Caller>,
    ask: get_alias::v3::Request,
) -> Result<get_alias::v3::Response> {
    if caller.is_none() && ask.room_alias.server_name() != town.server_name {
        return Err(Error::missing_token());
    }
    let (room, servers) = town.rooms.resolve_alias_anywhere(&ask.room_alias).await?;
    Ok(get_alias::v3::Response::new(room, servers))
}

pub(super) async fn delete(
    town: Arc<Town>,
    caller: Caller,
    ask: delete_alias::v3::Request,
) -> Result<delete_alias::v3::Response> {
    town.rooms.delete_alias(&town.actor(&caller.user)?, &ask.room_alias).await?;
    Ok(delete_alias::v3::Response::new())
}

pub(super) async fn list(town: Arc<Town>, caller: Caller, ask: aliases::v3::Request) -> Result<aliases::v3::Response> {
    match town.rooms.standing(&ask.room_id, &caller.user)? {
        Standing::Present => Ok(aliases::v3::Response::new(town.rooms.aliases(&ask.room_id)?)),
        Standing::Left { .. } => Err(rooms::Error::NotMember.into()),
    }
}

/// What nobody could type or tell apart is no alias.
fn check_alias(alias: &RoomAliasId) -> Result<()> {
    let name = alias.alias();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::new(Kind::InvalidParam, "An alias has a name without blanks or control characters"));
    }
    Ok(())
}
