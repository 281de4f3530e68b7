//! The format of an event: fields, sizes and identifiers (spec, "PDUs", "Size limits", and each room version's
//! "Event format"). An event that fails here is dropped as if it had never arrived.

use std::{borrow::Cow, collections::HashSet};

use kernel::{
    id::{EventId, RoomId, UserId},
    limits::{AUTH_EVENTS_MAX, EVENT_BYTES_MAX, ID_BYTES_MAX, JSON_DEPTH_MAX, PREV_EVENTS_MAX},
};
use ruma_common::room_version_rules::EventIdFormatVersion;
use ruma_state_res::check_pdu_format;

use crate::{CanonicalJsonObject, CanonicalJsonValue, Error, Result, RoomVersion, canonical::canonical_string};

/// How deep the content of an event that a local client sends may be nested. Below the limit of readers (128 in most,
/// as in ours) by the levels that `/sync` and federation wrap around it.
pub const CONTENT_DEPTH_MAX: usize = JSON_DEPTH_MAX - 8;

/// How deep a remote event may be nested: what every reader of ours, which stops at 128, can still read.
pub(crate) const EVENT_DEPTH_MAX: usize = JSON_DEPTH_MAX - 2;

/// Fields that hold any text.
const FREE_FIELDS: [&str; 2] = ["type", "state_key"];

/// Greatest integer of canonical JSON: 2^53 − 1.
pub(crate) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Checks an event's format, whoever made it.
///
/// # Errors
/// [`Error::TooLarge`] over a limit of size or number, [`Error::Malformed`] for everything else.
pub fn check_format(event: &CanonicalJsonObject, version: RoomVersion) -> Result<()> {
    check_sizes(event, version)?;
    check_pdu_format(&shortened(event), &version.rules().event_format).map_err(Error::Malformed)?;
    check_fields(event, version)?;
    let own_id = event.get("event_id").and_then(CanonicalJsonValue::as_str);
    check_cited(event, "prev_events", own_id, version)?;
    check_cited(event, "auth_events", own_id, version)
}

/// As [`check_format`], for an event of this server: its lengths are in bytes, as the specification has it, in every version.
pub(crate) fn check_own_format(event: &CanonicalJsonObject, version: RoomVersion) -> Result<()> {
    match FREE_FIELDS.into_iter().find(|field| string(event, field).is_some_and(|text| text.len() > ID_BYTES_MAX)) {
        Some(field) => Err(Error::TooLarge(format!("`{field}` is longer than {ID_BYTES_MAX} bytes"))),
        None => check_format(event, version),
    }
}

/// First, so that what is too large is told from what is malformed.
fn check_sizes(event: &CanonicalJsonObject, version: RoomVersion) -> Result<()> {
    if canonical_string(event).len() > EVENT_BYTES_MAX {
        return Err(Error::TooLarge(format!("The event is larger than {EVENT_BYTES_MAX} bytes")));
    }
    for field in ["sender", "room_id", "event_id"].into_iter().chain(FREE_FIELDS) {
        let text = string(event, field).unwrap_or_default();
        let length = if counts_characters(field, version) { text.chars().count() } else { text.len() };
        if length > ID_BYTES_MAX {
            return Err(Error::TooLarge(format!("`{field}` is longer than {ID_BYTES_MAX} bytes")));
        }
    }
    for (field, max) in [("prev_events", PREV_EVENTS_MAX), ("auth_events", AUTH_EVENTS_MAX)] {
        let length = event.get(field).and_then(CanonicalJsonValue::as_array).map_or(0, <[_]>::len);
        if length > max {
            return Err(Error::TooLarge(format!("`{field}` cites more than {max} events")));
        }
    }
    Ok(())
}

/// Whether the field's length is counted in characters: so Synapse has always done in the old versions, and whoever refused what it
/// takes would part from it.
fn counts_characters(field: &str, version: RoomVersion) -> bool {
    FREE_FIELDS.contains(&field) && version < RoomVersion::V11
}

/// The event as ruma checks it, which counts in bytes: with fields that have been found short enough left empty.
fn shortened(event: &CanonicalJsonObject) -> Cow<'_, CanonicalJsonObject> {
    let is_long = |field: &&str| string(event, field).is_some_and(|text| text.len() > ID_BYTES_MAX);
    let mut event = Cow::Borrowed(event);
    for field in FREE_FIELDS.into_iter().filter(is_long) {
        event.to_mut().insert(field.to_owned(), CanonicalJsonValue::String(String::new()));
    }
    event
}

/// What ruma leaves to its callers.
fn check_fields(event: &CanonicalJsonObject, version: RoomVersion) -> Result<()> {
    if !event.get("content").is_some_and(CanonicalJsonValue::is_object) {
        return Err(malformed("`content` is not an object"));
    }
    let sent_at = event.get("origin_server_ts").and_then(CanonicalJsonValue::as_integer);
    if sent_at.is_none_or(|sent_at| i64::from(sent_at) < 0) {
        return Err(malformed("`origin_server_ts` is not a time"));
    }
    let sender = string(event, "sender").unwrap_or_default();
    <&UserId>::try_from(sender).map_err(|error| malformed(format!("`sender`: {error}")))?;
    if !version.ids_are_given() && event.contains_key("event_id") {
        return Err(malformed("`event_id` is computed in this room version, not sent"));
    }
    for field in ["hashes", "signatures", "unsigned"] {
        if event.get(field).is_some_and(|value| !value.is_object()) {
            return Err(malformed(format!("`{field}` is not an object")));
        }
    }
    check_room_id(event, version)
}

fn check_room_id(event: &CanonicalJsonObject, version: RoomVersion) -> Result<()> {
    let Some(room_id) = string(event, "room_id") else {
        // Only a create event of version 12 came so far without one.
        return Ok(());
    };
    if version.room_id_is_create_event() {
        if string(event, "type") == Some("m.room.create") {
            return Err(malformed("a create event bears no `room_id` in this room version"));
        }
        if !room_id.strip_prefix('!').is_some_and(is_url_safe_hash) {
            return Err(malformed("`room_id` is not the hash of a create event"));
        }
    }
    <&RoomId>::try_from(room_id).map(drop).map_err(|error| malformed(format!("`room_id`: {error}")))
}

/// The ids cited are ids of this room version, no two alike, and not the event's own.
pub(crate) fn check_cited(
    event: &CanonicalJsonObject,
    field: &str,
    own_id: Option<&str>,
    version: RoomVersion,
) -> Result<()> {
    let mut seen = HashSet::new();
    for cited in event.get(field).and_then(CanonicalJsonValue::as_array).unwrap_or_default() {
        let id = match cited {
            CanonicalJsonValue::String(id) if !version.ids_are_given() => id,
            CanonicalJsonValue::Array(pair) if version.ids_are_given() => {
                let id = pair.first().and_then(CanonicalJsonValue::as_str);
                let hashes = pair.get(1).filter(|hashes| hashes.is_object());
                let (Some(id), Some(_), 2) = (id, hashes, pair.len()) else {
                    return Err(malformed(format!("`{field}` has something else than pairs of id and hashes")));
                };
                id
            }
            _ => return Err(malformed(format!("`{field}` has something else than event ids"))),
        };
        if !is_event_id(id, version) {
            return Err(malformed(format!("`{field}` cites what is no event id of this room version")));
        }
        if !seen.insert(id) {
            return Err(malformed(format!("`{field}` cites an event twice")));
        }
        if own_id == Some(id) {
            return Err(malformed(format!("`{field}` cites the event itself")));
        }
    }
    Ok(())
}

/// Whether `id` is an event id as rooms of this version have them.
pub(crate) fn is_event_id(id: &str, version: RoomVersion) -> bool {
    let Some(rest) = id.strip_prefix('$') else { return false };
    match version.rules().event_id_format {
        EventIdFormatVersion::V1 => {
            id.len() <= ID_BYTES_MAX
                && rest.split_once(':').is_some_and(|(local, server)| {
                    !local.is_empty() && <&kernel::id::ServerName>::try_from(server).is_ok()
                })
        }
        EventIdFormatVersion::V2 => is_hash(rest, *b"+/"),
        _ => is_url_safe_hash(rest),
    }
}

/// The hash that an event of version 1 or 2 cites beside another's id; none if it is no hash.
pub(crate) fn cited_hash(event: &CanonicalJsonObject, id: &EventId) -> Option<String> {
    let hash = cited_hashes(event, id)?.get("sha256")?.as_str()?;
    is_hash(hash, *b"+/").then(|| hash.to_owned())
}

/// Whether an event of versions 1 and 2 cites another with a place for hashes and none in it.
pub(crate) fn cites_no_hash(event: &CanonicalJsonObject, id: &EventId) -> bool {
    cited_hashes(event, id).is_some_and(CanonicalJsonObject::is_empty)
}

fn cited_hashes<'a>(event: &'a CanonicalJsonObject, id: &EventId) -> Option<&'a CanonicalJsonObject> {
    let cited = ["prev_events", "auth_events"].into_iter().filter_map(|field| event.get(field)?.as_array()).flatten();
    let mut pairs = cited.filter_map(|cited| Some((cited.as_array()?.first()?.as_str()?, cited.as_array()?.get(1)?)));
    pairs.find(|(cited, _)| *cited == id.as_str())?.1.as_object()
}

fn is_url_safe_hash(text: &str) -> bool {
    is_hash(text, *b"-_")
}

/// SHA-256 in unpadded base64: 43 characters of the alphabet whose last two are given.
fn is_hash(text: &str, last_two: [u8; 2]) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || last_two.contains(&byte))
}

fn string<'a>(event: &'a CanonicalJsonObject, field: &str) -> Option<&'a str> {
    event.get(field).and_then(CanonicalJsonValue::as_str)
}

fn malformed(what: impl Into<String>) -> Error {
    Error::Malformed(what.into())
}

#[cfg(test)]
mod tests;
