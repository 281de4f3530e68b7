//! Membership events that another server helps our users to make (spec, server-server API, `make_join`, `make_leave`,
//! `make_knock`).
//!
//! A server that we ask for a template may answer with any event at all. Others signed what they got, and rooms were taken
//! over. Here the answer is read for the place in the room's history alone; everything that the event says is said by us.

use std::collections::HashMap;

use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId},
    limits::{AUTH_EVENTS_MAX, PREV_EVENTS_MAX},
};

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Draft, Error, Pdu, Result, RoomVersion, Signer,
    canonical::{canonical_event, natural_number},
    content::Membership,
    format::{check_cited, cited_hash, cites_no_hash},
};

/// Where in the room's history the membership of a user of ours goes.
#[derive(Clone, Debug)]
pub struct MembershipTemplate {
    pub room_version: RoomVersion,
    pub prev_events: Vec<OwnedEventId>,
    pub auth_events: Vec<OwnedEventId>,
    pub depth: u64,
    /// The user whose server lets ours in to a restricted room; must then be of the server that was asked, which signs the
    /// join.
    pub authoriser: Option<OwnedUserId>,
    room: OwnedRoomId,
    user: OwnedUserId,
    membership: Membership,
    /// In versions 1 and 2 an event cites hashes beside ids.
    hashes: HashMap<OwnedEventId, String>,
}

impl MembershipTemplate {
    /// Reads the `event` of the answer, for the membership that was asked for: `join`, `leave` or `knock` of `user` in
    /// `room`, whose version is the `room_version` of the answer.
    ///
    /// # Errors
    /// [`Error::Template`] when the template is about anything else, or cites what no event of this version may cite.
    pub fn parse(
        json: &str,
        version: RoomVersion,
        room: &RoomId,
        user: &UserId,
        membership: Membership,
    ) -> Result<Self> {
        let event = canonical_event(json).map_err(|error| unfit(error.to_string()))?;
        check_subject(&event, room, user, membership)?;
        if membership == Membership::Knock && !version.has_knocking() {
            return Err(unfit("rooms of its version know no knocks"));
        }
        let prev_events = cited(&event, "prev_events", PREV_EVENTS_MAX, version)?;
        let auth_events = cited(&event, "auth_events", AUTH_EVENTS_MAX, version)?;
        if prev_events.is_empty() {
            return Err(unfit("it has no place in the room's history"));
        }
        let hashes = cited_hashes(&event, prev_events.iter().chain(&auth_events), version)?;
        let may_be_let_in = membership == Membership::Join && version.has_restricted_joins();
        Ok(Self {
            room_version: version,
            depth: natural_number(&event, "depth").ok_or_else(|| unfit("`depth` is not a depth"))?,
            authoriser: if may_be_let_in { authoriser(&event)? } else { None },
            prev_events,
            auth_events,
            room: room.to_owned(),
            user: user.to_owned(),
            membership,
            hashes,
        })
    }

    /// The user's membership event. `content` is ours: a display name, an avatar, a reason; the membership, and who lets
    /// the user in, are written into it.
    ///
    /// # Errors
    /// As [`Draft::seal`].
    pub fn seal(self, signer: &Signer, mut content: CanonicalJsonObject, now: Timestamp) -> Result<Pdu> {
        content.insert("membership".into(), self.membership.as_str().into());
        content.remove("join_authorised_via_users_server");
        if let Some(authoriser) = self.authoriser {
            content.insert("join_authorised_via_users_server".into(), authoriser.as_str().into());
        }
        let draft = Draft {
            room_id: Some(self.room),
            state_key: Some(self.user.to_string()),
            sender: self.user,
            event_type: "m.room.member".into(),
            content,
            redacts: None,
            prev_events: self.prev_events,
            auth_events: self.auth_events,
            depth: self.depth,
            origin_server_ts: now,
        };
        draft.seal_citing(self.room_version, signer, |id| self.hashes.get(id).cloned())
    }
}

/// That the template is about what it was asked for. Nothing of this is taken from it; but a server that offers another
/// event than we asked for is not to be trusted with ours.
fn check_subject(event: &CanonicalJsonObject, room: &RoomId, user: &UserId, membership: Membership) -> Result<()> {
    let content = event.get("content").and_then(CanonicalJsonValue::as_object);
    let said_membership = content.and_then(|content| content.get("membership"));
    let is =
        |said: Option<&CanonicalJsonValue>, expected: &str| said.and_then(CanonicalJsonValue::as_str) == Some(expected);
    for (field, fits) in [
        ("type", is(event.get("type"), "m.room.member")),
        ("sender", is(event.get("sender"), user.as_str())),
        ("state_key", is(event.get("state_key"), user.as_str())),
        ("membership", is(said_membership, membership.as_str())),
        // The specification does not ask for it.
        ("room_id", !event.contains_key("room_id") || is(event.get("room_id"), room.as_str())),
    ] {
        if !fits {
            return Err(unfit(format!("its `{field}` is not what was asked for")));
        }
    }
    Ok(())
}

fn cited(event: &CanonicalJsonObject, field: &str, max: usize, version: RoomVersion) -> Result<Vec<OwnedEventId>> {
    let list = event.get(field).and_then(CanonicalJsonValue::as_array);
    let list = list.ok_or_else(|| unfit(format!("`{field}` is not a list")))?;
    if list.len() > max {
        return Err(unfit(format!("`{field}` cites more than {max} events")));
    }
    check_cited(event, field, None, version).map_err(|error| unfit(error.to_string()))?;
    let ids = list.iter().filter_map(|cited| cited.as_str().or_else(|| cited.as_array()?.first()?.as_str()));
    ids.map(|id| EventId::parse(id).map_err(|error| unfit(format!("`{field}`: {error}")))).collect()
}

fn cited_hashes<'a>(
    event: &CanonicalJsonObject,
    ids: impl Iterator<Item = &'a OwnedEventId>,
    version: RoomVersion,
) -> Result<HashMap<OwnedEventId, String>> {
    if !version.ids_are_given() {
        return Ok(HashMap::new());
    }
    let mut known = HashMap::new();
    for id in ids {
        match cited_hash(event, id) {
            Some(hash) => drop(known.insert(id.clone(), hash)),
            None if cites_no_hash(event, id) => {}
            None => return Err(unfit("an event is cited with what is no hash")),
        }
    }
    Ok(known)
}

fn authoriser(event: &CanonicalJsonObject) -> Result<Option<OwnedUserId>> {
    let content = event.get("content").and_then(CanonicalJsonValue::as_object);
    let Some(named) = content.and_then(|content| content.get("join_authorised_via_users_server")) else {
        return Ok(None);
    };
    let named = named.as_str().and_then(|named| UserId::parse(named).ok());
    named.map(Some).ok_or_else(|| unfit("who lets the user in is not a user"))
}

fn unfit(what: impl Into<String>) -> Error {
    Error::Template(what.into())
}

#[cfg(test)]
mod tests;
