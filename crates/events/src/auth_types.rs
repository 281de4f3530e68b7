//! Which state an event must cite as `auth_events` (spec, "Auth events selection").

use kernel::id::UserId;
use ruma_events::TimelineEventType;
use ruma_state_res::auth_types_for_event;
use serde_json::value::{RawValue, to_raw_value};

use crate::{CanonicalJsonObject, Error, Pdu, Result, RoomVersion, StateKey};

/// For an event that is still to be made.
///
/// # Errors
/// [`Error::Malformed`] for a member event without a state key or without a membership.
pub fn auth_types(
    version: RoomVersion,
    event_type: &str,
    sender: &UserId,
    state_key: Option<&str>,
    content: &CanonicalJsonObject,
) -> Result<Vec<StateKey>> {
    // Only a member event's content matters: no other needs to be written out.
    let content = if event_type == "m.room.member" { to_raw_value(content) } else { to_raw_value(&()) };
    let content = content.map_err(|error| Error::Malformed(error.to_string()))?;
    select(version, &event_type.into(), sender, state_key, &content)
}

/// For an event that there is.
///
/// # Errors
/// As [`auth_types`].
pub fn auth_types_of(version: RoomVersion, event: &Pdu) -> Result<Vec<StateKey>> {
    select(version, event.event_type(), event.sender(), event.state_key(), event.content())
}

fn select(
    version: RoomVersion,
    event_type: &TimelineEventType,
    sender: &UserId,
    state_key: Option<&str>,
    content: &RawValue,
) -> Result<Vec<StateKey>> {
    let types = auth_types_for_event(event_type, sender, state_key, content, &version.rules().authorization)
        .map_err(Error::Malformed)?;
    Ok(types.into_iter().map(|(event_type, state_key)| (event_type.to_string(), state_key)).collect())
}
