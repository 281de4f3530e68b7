//! Membership events of other servers that this one vouches for with its signature: invitations of its users (spec,
//! server-server API, "Inviting to a room") and joins to restricted rooms that it let somebody in to ("Restricted rooms");
//! and, at the other end, taking such a signature.
//!
//! These two are the only events of others that ever get our signature, and here servers were taken over: what is signed
//! must not be what was sent, but what was looked at. So the part of the event that a signature covers is built again from
//! fields that were checked one by one; should the event have anything beside, the two texts differ and nothing is signed.

use kernel::id::{EventId, RoomId, ServerName, UserId};
use ruma_common::canonical_json::RedactingSerializer;
use ruma_signatures::content_hash;

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Draft, Error, Pdu, PublicKeys, Result, RoomVersion, Signer,
    canonical::{canonical_event, canonical_string},
    content::Membership,
    format::{check_format, cited_hash},
    pdu::event_id_of,
    verify::verify_signer,
};

/// The fields of an event that signatures do not cover.
const NOT_SIGNED: &[&str] = &["signatures", "unsigned"];
/// Characters of a signature in unpadded base64.
const SIGNATURE_LENGTH: usize = 86;

/// What an invitation must be for this server to vouch for it.
#[derive(Clone, Copy, Debug)]
pub struct InviteExpectation<'a> {
    /// The server that sent it. The inviter must be a user of it, and the event signed by it.
    pub origin: &'a ServerName,
    pub room_id: &'a RoomId,
    pub event_id: &'a EventId,
    /// The user of this server who is invited.
    pub user: &'a UserId,
}

impl Signer {
    /// The invitation with this server's signature added.
    ///
    /// `keys` has those of the origin that were valid when it was sent. That the user may be invited at all is for the
    /// caller to decide; here the event is only what it claims to be.
    ///
    /// # Errors
    /// [`Error::NotVouched`] when it is not the invitation expected or has anything else that matters in it,
    /// [`Error::InvalidSignature`] when its own server did not sign it, and as [`crate::check_format`]. Then nothing was
    /// signed.
    pub fn vouch_for_invite(
        &self,
        event: &Pdu,
        version: RoomVersion,
        keys: &PublicKeys,
        expect: &InviteExpectation<'_>,
    ) -> Result<Pdu> {
        ensure(event.membership() == Some(Membership::Invite), "it is not an invitation")?;
        ensure(expect.user.server_name() == self.server_name(), "the invited is not a user of this server")?;
        ensure(event.state_key() == Some(expect.user.as_str()), "it invites somebody else")?;
        ensure(event.sender().server_name() == expect.origin, "its sender is not of the server that sent it")?;
        ensure(event.room_id() == expect.room_id, "it is of another room")?;
        ensure(event.event_id() == expect.event_id, "it has another id")?;
        let object = event.object()?;
        let content = content_of(&object);
        ensure(!content.contains_key("join_authorised_via_users_server"), "an invitation lets nobody in")?;
        let content = CanonicalJsonObject::from([("membership".to_owned(), "invite".into())]);
        self.vouch(event, object, version, keys, content)
    }

    /// The join to a restricted room with the signature of this server added, whose user `authoriser` it names as who lets
    /// the joining user in.
    ///
    /// `keys` has those of the joining user's server that were valid when the event was sent. That the user meets a
    /// condition of the room, that the authoriser may invite, and that the event is the one that the request named, is for
    /// the caller to see to.
    ///
    /// # Errors
    /// As [`Signer::vouch_for_invite`].
    pub fn vouch_for_join(
        &self,
        event: &Pdu,
        version: RoomVersion,
        keys: &PublicKeys,
        authoriser: &UserId,
    ) -> Result<Pdu> {
        ensure(version.has_restricted_joins(), "rooms of its version let nobody in by another's word")?;
        ensure(authoriser.server_name() == self.server_name(), "who lets the user in is not of this server")?;
        ensure(event.membership() == Some(Membership::Join), "it is not a join")?;
        ensure(event.state_key() == Some(event.sender().as_str()), "it joins somebody else than its sender")?;
        let object = event.object()?;
        let named = content_of(&object).get("join_authorised_via_users_server").and_then(CanonicalJsonValue::as_str);
        ensure(named == Some(authoriser.as_str()), "somebody else lets the user in")?;
        let mut content = CanonicalJsonObject::from([("membership".to_owned(), "join".into())]);
        if version.rules().redaction.keep_room_member_join_authorised_via_users_server {
            content.insert("join_authorised_via_users_server".into(), authoriser.as_str().into());
        }
        self.vouch(event, object, version, keys, content)
    }

    /// `content` is what a redaction of this event must leave of its content.
    fn vouch(
        &self,
        event: &Pdu,
        mut object: CanonicalJsonObject,
        version: RoomVersion,
        keys: &PublicKeys,
        content: CanonicalJsonObject,
    ) -> Result<Pdu> {
        check_format(&object, version)?;
        ensure(event_id_of(&object, version)? == *event.event_id(), "it is not of this room version")?;
        ensure(event.sender().server_name() != self.server_name(), "events of this server's users are made here")?;
        ensure(!content_of(&object).contains_key("third_party_invite"), "it invites by way of an address")?;
        let rebuilt = canonical_string(&rebuild(event, &object, version, content)?);
        ensure(rebuilt == signed_text(&object, version)?, "it has more in it than such an event has")?;
        verify_signer(&object, &rebuilt, event.sender().server_name(), keys)?;

        // With a place for the signature, so that what would be too large is not signed. Whatever others wrote under our
        // name goes.
        let ours = |signature: String| CanonicalJsonObject::from([(self.key_id().to_owned(), signature.into())]);
        place_signatures(&mut object, self.server_name(), ours("A".repeat(SIGNATURE_LENGTH)));
        check_format(&object, version)?;
        place_signatures(&mut object, self.server_name(), ours(self.sign(&rebuilt)));
        Pdu::read(event.event_id().to_owned(), canonical_string(&object), version, event.rejected())
            .map_err(Error::Malformed)
    }
}

/// Puts a server's signatures, by key id, in place of those that the event bears under its name.
fn place_signatures(event: &mut CanonicalJsonObject, server: &ServerName, by_key: CanonicalJsonObject) {
    let signatures = event.entry("signatures".into()).or_insert_with(|| CanonicalJsonObject::new().into());
    if let CanonicalJsonValue::Object(signatures) = signatures {
        signatures.insert(server.to_string(), by_key.into());
    }
}

impl Pdu {
    /// This event with the signatures that another server vouches for it with, taken from the copy that it sent back: an
    /// invitation from the server of the invited, a join from the server that let the user in.
    ///
    /// `keys` has those of `server`. Nothing else of the copy is taken, nor is it read as an event.
    ///
    /// # Errors
    /// [`Error::InvalidSignature`] when the copy has no signature of that server that is true of this event, and as
    /// [`crate::canonical_event`], [`crate::check_format`].
    pub fn countersigned(
        &self,
        copy: &str,
        server: &ServerName,
        version: RoomVersion,
        keys: &PublicKeys,
    ) -> Result<Self> {
        let mut event = self.object()?;
        let copy = canonical_event(copy)?;
        let verified = verify_signer(&copy, &signed_text(&event, version)?, server, keys)?;
        place_signatures(&mut event, server, verified);
        check_format(&event, version)?;
        Self::read(self.event_id().to_owned(), canonical_string(&event), version, self.rejected())
            .map_err(Error::Malformed)
    }
}

/// What signatures of the event cover, made of its typed fields and of nothing else.
fn rebuild(
    event: &Pdu,
    object: &CanonicalJsonObject,
    version: RoomVersion,
    content: CanonicalJsonObject,
) -> Result<CanonicalJsonObject> {
    let draft = Draft {
        room_id: Some(event.room_id().to_owned()),
        sender: event.sender().to_owned(),
        event_type: "m.room.member".into(),
        state_key: event.state_key().map(ToOwned::to_owned),
        content,
        redacts: None,
        prev_events: event.prev_events().to_vec(),
        auth_events: event.auth_events().to_vec(),
        depth: event.depth(),
        origin_server_ts: event.origin_server_ts(),
    };
    let mut rebuilt = draft.into_object(version, |id| cited_hash(object, id))?;
    // Of the whole event: one that was altered after its server signed it is not vouched for.
    let hash = content_hash(object).map_err(|error| Error::TooLarge(error.to_string()))?;
    let hashes = CanonicalJsonObject::from([("sha256".to_owned(), hash.encode().into())]);
    rebuilt.insert("hashes".into(), hashes.into());
    if version.ids_are_given() {
        let server = event.event_id().server_name();
        ensure(server == Some(event.sender().server_name()), "its id was given by another server")?;
        rebuilt.insert("event_id".into(), event.event_id().as_str().into());
    }
    if version.rules().redaction.keep_origin_membership_prev_state {
        // Two fields that mean nothing any more and that some servers write all the same.
        if object.contains_key("origin") {
            rebuilt.insert("origin".into(), event.sender().server_name().as_str().into());
        }
        if object.contains_key("prev_state") {
            rebuilt.insert("prev_state".into(), CanonicalJsonValue::Array(Vec::new()));
        }
    }
    Ok(rebuilt)
}

/// What signatures of the event do cover.
pub(crate) fn signed_text(event: &CanonicalJsonObject, version: RoomVersion) -> Result<String> {
    RedactingSerializer::new()
        .rules(&version.rules().redaction)
        .custom_redacted_root_fields(NOT_SIGNED)
        .serialize(event)
        .map_err(|error| Error::Malformed(error.to_string()))
}

fn content_of(event: &CanonicalJsonObject) -> &CanonicalJsonObject {
    static NONE: CanonicalJsonObject = CanonicalJsonObject::new();
    event.get("content").and_then(CanonicalJsonValue::as_object).unwrap_or(&NONE)
}

fn ensure(holds: bool, or_else: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::NotVouched(or_else)) }
}

#[cfg(test)]
mod tests;
