//! Reports of rooms, events and users to the tenant's administrators: `POST …/report`.

use std::sync::Arc;

use kernel::{Kind, limits};
use rooms::Membership;
use ruma_client_api::{
    reporting::report_user,
    room::{report_content, report_room},
};
use web::{Caller, Error, Result};

use crate::Town;

pub(super) async fn report_event(
    town: Arc<Town>,
    caller: Caller,
    ask: report_content::v3::Request,
) -> Result<report_content::v3::Response> {
    let reason = ask.reason.unwrap_or_default();
    check_reason(&reason)?;
    let event = town.rooms.visible_event(&ask.room_id, &caller.user, &ask.event_id)?;
    let sender = event.pdu.sender();
    tracing::warn!(by = %caller.user, room = %ask.room_id, event = %ask.event_id, %sender, %reason, "event reported");
    Ok(report_content::v3::Response::new())
}

pub(super) async fn report_room(
    town: Arc<Town>,
    caller: Caller,
    ask: report_room::v3::Request,
) -> Result<report_room::v3::Response> {
    check_reason(&ask.reason)?;
    let known = match town.rooms.membership(&ask.room_id, &caller.user)? {
        Some(Membership::Join | Membership::Invite | Membership::Leave | Membership::Ban) => true,
        _ => town.rooms.may_preview(&ask.room_id, &caller.user)?,
    };
    if !known {
        return Err(rooms::Error::NoSuchRoom.into());
    }
    tracing::warn!(by = %caller.user, room = %ask.room_id, reason = %ask.reason, "room reported");
    Ok(report_room::v3::Response::new())
}

pub(super) async fn report_user(
    town: Arc<Town>,
    caller: Caller,
    ask: report_user::v3::Request,
) -> Result<report_user::v3::Response> {
    check_reason(&ask.reason)?;
    if ask.user_id.server_name() == town.server_name && town.accounts.user(&ask.user_id)?.is_none() {
        return Err(Error::new(Kind::NotFound, format!("There is no user {}", ask.user_id)));
    }
    tracing::warn!(by = %caller.user, user = %ask.user_id, reason = %ask.reason, "user reported");
    Ok(report_user::v3::Response::new())
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.len() > limits::EVENT_BYTES_MAX {
        return Err(Error::new(Kind::TooLarge, "The reason is too long"));
    }
    Ok(())
}
