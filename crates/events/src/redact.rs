//! Redaction: what is left of an event, and who may ask for it (spec, "Redactions", and each room version's).

use ruma_common::canonical_json;

use crate::{Error, Pdu, Power, PowerLevels, Result, RoomVersion, canonical::canonical_string};

/// The event with all that its room version does not keep taken away. Its id, hashes and signatures stay, and `unsigned`
/// goes: `redacted_because` is for the caller to show. A second time changes nothing.
///
/// # Errors
/// [`Error::Stored`] when the event does not read as one.
pub fn redact(event: &Pdu, version: RoomVersion) -> Result<Pdu> {
    let mut object = event.object()?;
    canonical_json::redact_in_place(&mut object, &version.rules().redaction, None)
        .map_err(|error| Error::Stored(error.to_string()))?;
    Pdu::from_stored(event.event_id().to_owned(), canonical_string(&object), version, event.rejected())
}

/// Whether `redaction`, which the authorisation rules allowed, takes effect on `target` (spec, "Handling redactions" of
/// room versions 1 and 3). Redactions that may not are kept, and do nothing.
///
/// `powers` are those of the state before the redaction.
pub fn may_redact(version: RoomVersion, redaction: &Pdu, target: &Pdu, powers: &PowerLevels) -> bool {
    if redaction.kind() != "m.room.redaction"
        || redaction.room_id() != target.room_id()
        || redaction.redacts() != Some(target.event_id())
        || redaction.rejected()
    {
        return false;
    }
    if powers.of(redaction.sender()) >= Power::from(powers.redact) {
        return true;
    }
    if version.rules().authorization.special_case_room_redaction {
        // Versions 1 and 2 compare the servers that gave the ids.
        let server = redaction.event_id().server_name();
        server.is_some() && server == target.event_id().server_name()
    } else {
        redaction.sender().server_name() == target.sender().server_name()
    }
}

#[cfg(test)]
mod tests;
