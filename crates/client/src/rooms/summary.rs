//! `GET /room_summary/{roomIdOrAlias}`.

use std::sync::Arc;

use kernel::id::RoomId;
use rooms::Summary;
use ruma_client_api::room::get_summary::v1::{Request, Response};
use ruma_common::room::{JoinRuleSummary, RestrictedSummary, RoomSummary};
use web::{Caller, Result};

use super::join::room_of;
use crate::Town;

pub(super) async fn summary(town: Arc<Town>, caller: Caller, ask: Request) -> Result<Response> {
    let room = room_of(&town, ask.room_id_or_alias)?;
    let summary = town.rooms.summary_for(&room, &caller.user, &ask.via).await?;
    let mut response = Response::new(summary_of(&room, &summary));
    response.membership = town.rooms.membership(&room, &caller.user)?.map(|membership| membership.as_str().into());
    Ok(response)
}

/// What the owner says of a room, as clients are told. A field that is not of its type is left out.
pub(super) fn summary_of(room: &RoomId, summary: &Summary) -> RoomSummary {
    let allowed = || RestrictedSummary::new(summary.allowed_rooms.clone());
    let join_rule = match summary.join_rule.as_deref() {
        Some("public") => JoinRuleSummary::Public,
        Some("knock") => JoinRuleSummary::Knock,
        Some("private") => JoinRuleSummary::Private,
        Some("restricted") => JoinRuleSummary::Restricted(allowed()),
        Some("knock_restricted") => JoinRuleSummary::KnockRestricted(allowed()),
        _ => JoinRuleSummary::Invite,
    };
    let joined = u32::try_from(summary.joined).unwrap_or(u32::MAX).into();
    let mut shown =
        RoomSummary::new(room.to_owned(), join_rule, summary.guest_can_join, joined, summary.world_readable);
    shown.canonical_alias = summary.canonical_alias.as_deref().and_then(|alias| alias.try_into().ok());
    shown.name = summary.name.clone();
    shown.topic = summary.topic.clone();
    shown.avatar_url = summary.avatar_url.clone().map(Into::into);
    shown.room_type = summary.room_type.as_deref().map(Into::into);
    shown.encryption = summary.encryption.as_deref().map(Into::into);
    shown.room_version = summary.room_version.as_str().try_into().ok();
    shown
}
