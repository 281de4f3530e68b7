//! Memberships that clients set as state: the same acts as `/join`, `/invite` and the like, by another way in.

use kernel::{
    Kind,
    id::{OwnedEventId, RoomId, UserId},
};
use rooms::{Membership, NewEvent};
use serde_json::{Map, Value, value::RawValue, value::to_raw_value};
use web::{Caller, Error, Result};

use super::invite::invitee_of;
use crate::Town;

/// What only the server says: the name that the house computed, and who vouched for a restricted join.
const NOT_THE_CLIENTS: [&str; 3] = ["displayname", "avatar_url", "join_authorised_via_users_server"];

pub(super) async fn put_membership(
    town: &Town,
    caller: &Caller,
    room: &RoomId,
    state_key: &str,
    content: &RawValue,
) -> Result<OwnedEventId> {
    let user =
        UserId::parse(state_key).map_err(|_| Error::new(Kind::InvalidParam, "The state key is not a user id"))?;
    let mut content: Map<String, Value> =
        serde_json::from_str(content.get()).map_err(|error| Error::new(Kind::BadJson, error.to_string()))?;
    content.retain(|field, _| !NOT_THE_CLIENTS.contains(&field.as_str()));
    let text = |field: &str| content.get(field).and_then(Value::as_str);
    let actor = town.actor(&caller.user)?;
    match text("membership") {
        Some("join") if user == caller.user => town.rooms.join(&actor, room, text("reason")).await?,
        Some("invite") => {
            let is_direct = content.get("is_direct") == Some(&Value::Bool(true));
            town.rooms.invite(&actor, room, &invitee_of(town, &user)?, text("reason"), is_direct).await?;
        }
        _ => {
            let event = NewEvent {
                event_type: "m.room.member".to_owned(),
                content: to_raw_value(&content).map_err(|error| Error::new(Kind::BadJson, error.to_string()))?,
                state_key: Some(state_key.to_owned()),
                redacts: None,
            };
            return Ok(town.rooms.send(&actor, room, event, None).await?);
        }
    }
    let member = town.rooms.member(room, &user)?.filter(|m| m.membership != Membership::Leave);
    Ok(member.ok_or(rooms::Error::NoSuchState)?.event_id)
}
