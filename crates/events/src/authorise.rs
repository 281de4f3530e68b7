//! Whether an event may happen (spec, "Authorization rules", of each room version).
//!
//! An event is checked once by [`authorise_stateless`], then by [`authorise`] against the state that its `auth_events`
//! make, against the state before it, and against the room's current state (spec, "Checks performed on receipt of a PDU").

use std::sync::{Arc, LazyLock};

use kernel::id::{EventId, OwnedEventId};
use ruma_events::StateEventType;
use ruma_state_res::{check_state_dependent_auth_rules, check_state_independent_auth_rules};

use crate::{Error, Pdu, Result, RoomVersion, content::CreateContent};

/// The rules that need no state: those of the create event, and those of the events that an event cites.
///
/// `fetch` finds events of any room by id; that they are of this room is checked here.
///
/// # Errors
/// [`Error::Denied`] with the rule that was broken: the event is rejected.
pub fn authorise_stateless(
    version: RoomVersion,
    event: &Pdu,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<()> {
    if event.kind() == "m.room.create" {
        check_room_version(version, event)?;
    } else if version.room_id_is_create_event() {
        check_room_is_of_create(event, &fetch)?;
    }
    check_state_independent_auth_rules(&version.rules().authorization, event, fetch).map_err(Error::Denied)
}

/// The rules that depend on the state of the room.
///
/// `fetch_state` tells the event that the state has under a type and state key, and must know at least those that
/// [`crate::auth_types_of`] lists, and the create event.
///
/// # Errors
/// [`Error::Denied`] with the rule that was broken.
pub fn authorise(
    version: RoomVersion,
    event: &Pdu,
    fetch_state: impl Fn(&str, &str) -> Option<Arc<Pdu>>,
) -> Result<()> {
    if event.is("m.room.create", "") {
        // The rules before version 12 would let a second one in, which is how two rooms were once confused.
        let known = fetch_state("m.room.create", "");
        return match known.is_none_or(|known| known.event_id() == event.event_id()) {
            true => Ok(()),
            false => Err(Error::Denied("the room has a create event already".into())),
        };
    }
    check_state_dependent_auth_rules(&version.rules().authorization, event, |event_type, state_key| {
        let found = fetch_state(&event_type.to_string(), state_key);
        if found.is_none() && *event_type == StateEventType::RoomJoinRules {
            return Some(Arc::clone(&INVITE_ONLY));
        }
        found
    })
    .map_err(Error::Denied)
}

/// What a room without join rules has: Synapse and Dendrite read it as open to the invited, and rooms must not split over
/// it; ruma lets nobody in. Only the content is ever looked at.
#[expect(clippy::expect_used, reason = "constant input, read by a test")]
static INVITE_ONLY: LazyLock<Arc<Pdu>> = LazyLock::new(|| {
    let json = r#"{"auth_events":[],"content":{"join_rule":"invite"},"depth":0,"origin_server_ts":0,"prev_events":[],
        "room_id":"!none:none.invalid","sender":"@none:none.invalid","state_key":"","type":"m.room.join_rules"}"#;
    let id = OwnedEventId::try_from("$none:none.invalid").expect("an event id");
    Arc::new(Pdu::from_stored(id, json.into(), RoomVersion::V1, false).expect("an event"))
});

/// The rules are those of the create event's version, whatever version somebody else named.
fn check_room_version(version: RoomVersion, create: &Pdu) -> Result<()> {
    let named = CreateContent::of(create).room_version;
    if named == version.as_str() {
        return Ok(());
    }
    Err(Error::Denied(format!("the create event is of room version {named:?}, not {version}")))
}

/// Version 12: the room's id is that of a create event. ruma looks for an event of that id, of whatever type.
fn check_room_is_of_create(event: &Pdu, fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>) -> Result<()> {
    let create = OwnedEventId::try_from(format!("${}", event.room_id().strip_sigil())).ok().and_then(|id| fetch(&id));
    match create {
        Some(create) if create.is("m.room.create", "") => Ok(()),
        Some(_) => Err(Error::Denied("the room's id is not that of a create event".into())),
        None => Err(Error::Denied("the room's create event is not known".into())),
    }
}

#[cfg(test)]
mod tests;
