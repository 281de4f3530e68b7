//! `GET /joined_rooms` and `GET /rooms/{roomId}/joined_members`.

use std::{collections::BTreeMap, sync::Arc};

use rooms::Membership;
use ruma_client_api::membership::{joined_members, joined_rooms};
use web::{Caller, Result};

use crate::Town;

pub(super) async fn joined_rooms(
    town: Arc<Town>,
    caller: Caller,
    _: joined_rooms::v3::Request,
) -> Result<joined_rooms::v3::Response> {
    Ok(joined_rooms::v3::Response::new(town.rooms.joined_rooms(&caller.user)?))
}

pub(super) async fn joined_members(
    town: Arc<Town>,
    caller: Caller,
    ask: joined_members::v3::Request,
) -> Result<joined_members::v3::Response> {
    if town.rooms.membership(&ask.room_id, &caller.user)? != Some(Membership::Join) {
        return Err(rooms::Error::NotMember.into());
    }
    let mut joined = BTreeMap::new();
    for member in town.rooms.members(&ask.room_id)?.into_iter().filter(|m| m.membership == Membership::Join) {
        let mut shown = joined_members::v3::RoomMember::new();
        shown.display_name = member.display_name;
        shown.avatar_url = member.avatar_url.map(Into::into);
        joined.insert(member.user, shown);
    }
    Ok(joined_members::v3::Response::new(joined))
}
