//! `GET /joined_rooms` and `GET /rooms/{roomId}/joined_members`.

use std::{collections::BTreeMap, sync::Arc};

use kernel::id::OwnedUserId;
use rooms::{Member, Membership};
use ruma_client_api::membership::{joined_members, joined_rooms};
use serde::Serialize;
use web::{Caller, Json, Result};

use crate::Town;

pub(super) async fn joined_rooms(
    town: Arc<Town>,
    caller: Caller,
    _: joined_rooms::v3::Request,
) -> Result<joined_rooms::v3::Response> {
    Ok(joined_rooms::v3::Response::new(town.rooms.joined_rooms(&caller.user)?))
}

pub(super) async fn joined_members(town: Arc<Town>, caller: Caller, ask: joined_members::v3::Request) -> Result<Json> {
    if town.rooms.membership(&ask.room_id, &caller.user)? != Some(Membership::Join) {
        return Err(rooms::Error::NotMember.into());
    }
    let members = town.rooms.members(&ask.room_id)?.into_iter().filter(|m| m.membership == Membership::Join);
    let shown =
        |member: Member| (member.user, Shown { display_name: member.display_name, avatar_url: member.avatar_url });
    Json::of(&JoinedMembers { joined: members.map(shown).collect() })
}

/// Not ruma's type, which leaves out what is not set: clients are used to both fields, with null for "none".
#[derive(Serialize)]
struct JoinedMembers {
    joined: BTreeMap<OwnedUserId, Shown>,
}

#[derive(Serialize)]
struct Shown {
    display_name: Option<String>,
    avatar_url: Option<String>,
}
