//! Making events of our own: the one door to the signing key.

use kernel::{
    Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId},
};

use ruma_common::serde::{Base64, base64::UrlSafe};

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Error, Pdu, Result, RoomVersion, Signer,
    canonical::canonical_string,
    format::{INTEGER_MAX, check_own_format},
    pdu::event_id_of,
};

/// An event of a local user that is not signed yet. Every field is named by our code: there is no way to read a draft
/// from JSON, so that nothing remote is ever signed by mistake.
#[derive(Clone, Debug)]
pub struct Draft {
    /// None only for the create event of version 12, whose room is named after it.
    pub room_id: Option<OwnedRoomId>,
    pub sender: OwnedUserId,
    pub event_type: String,
    pub state_key: Option<String>,
    pub content: CanonicalJsonObject,
    /// The event to redact. Written at the top level or in the content, as the room's version has it.
    pub redacts: Option<OwnedEventId>,
    pub prev_events: Vec<OwnedEventId>,
    pub auth_events: Vec<OwnedEventId>,
    /// One more than the greatest of `prev_events`; lowered to 2^53 − 1 if beyond, as the specification has it.
    pub depth: u64,
    pub origin_server_ts: Timestamp,
}

impl Draft {
    /// Hashes and signs the event and gives it its id.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Malformed`] as [`crate::check_format`]; in rooms of versions 1 and 2 use
    /// [`Draft::seal_citing`], as their events cite hashes too.
    pub fn seal(self, version: RoomVersion, signer: &Signer) -> Result<Pdu> {
        let cites = !self.prev_events.is_empty() || !self.auth_events.is_empty();
        if version.ids_are_given() && cites {
            return Err(Error::Malformed("an event of this room version cites hashes".into()));
        }
        self.seal_citing(version, signer, |_| None)
    }

    /// The same for any version. `reference_hash` tells [`Pdu::reference_hash`] of the events cited; versions from 3 on
    /// do not ask. A hash that is not known is left out, as Synapse leaves out those of events that it makes in one batch.
    pub fn seal_citing(
        self,
        version: RoomVersion,
        signer: &Signer,
        reference_hash: impl Fn(&EventId) -> Option<String>,
    ) -> Result<Pdu> {
        if self.sender.server_name() != signer.server_name() {
            return Err(Error::Malformed("`sender` is a user of another server".into()));
        }
        let mut event = self.into_object(version, reference_hash)?;
        if version.ids_are_given() {
            // No two events have the same content, time and place in the room.
            let hash = ruma_signatures::content_hash(&event).map_err(|error| Error::TooLarge(error.to_string()))?;
            let hash = Base64::<UrlSafe, _>::new(hash.as_bytes()).encode();
            event.insert("event_id".into(), format!("${hash}:{}", signer.server_name()).into());
        }
        signer.hash_and_sign(&mut event, &version.rules().redaction)?;
        check_own_format(&event, version)?;
        let event_id = event_id_of(&event, version)?;
        Pdu::read(event_id, canonical_string(&event), version, false).map_err(Error::Malformed)
    }

    /// The event without an id, hashes and signatures: for its sender's server to complete, and to be judged before that.
    ///
    /// # Errors
    /// As [`Draft::seal`], but for what the signature of another server than the sender's would be.
    pub fn unsigned(self, version: RoomVersion, reference_hash: impl Fn(&EventId) -> Option<String>) -> Result<Pdu> {
        let event = self.into_object(version, reference_hash)?;
        let nameless = OwnedEventId::try_from("$unsigned").map_err(|error| Error::Malformed(error.to_string()))?;
        Pdu::read(nameless, canonical_string(&event), version, false).map_err(Error::Malformed)
    }

    /// The event without hashes and signatures, and in versions 1 and 2 without its id.
    pub(crate) fn into_object(
        mut self,
        version: RoomVersion,
        reference_hash: impl Fn(&EventId) -> Option<String>,
    ) -> Result<CanonicalJsonObject> {
        let mut event = CanonicalJsonObject::new();
        if let Some(redacts) = self.redacts {
            let place = if version.redacts_in_content() { &mut self.content } else { &mut event };
            place.insert("redacts".into(), redacts.to_string().into());
        }
        let prev_events = cite(&self.prev_events, version, &reference_hash);
        let auth_events = cite(&self.auth_events, version, &reference_hash);
        event.insert("prev_events".into(), prev_events);
        event.insert("auth_events".into(), auth_events);
        event.insert("content".into(), self.content.into());
        event.insert("depth".into(), integer(self.depth.min(INTEGER_MAX))?);
        event.insert("origin_server_ts".into(), integer(self.origin_server_ts.0)?);
        event.insert("sender".into(), self.sender.to_string().into());
        event.insert("type".into(), self.event_type.into());
        if let Some(room_id) = self.room_id {
            event.insert("room_id".into(), room_id.to_string().into());
        }
        if let Some(state_key) = self.state_key {
            event.insert("state_key".into(), state_key.into());
        }
        Ok(event)
    }
}

fn integer(value: u64) -> Result<CanonicalJsonValue> {
    value
        .try_into()
        .map(CanonicalJsonValue::Integer)
        .map_err(|_| Error::Malformed("an integer is beyond 2^53 − 1".into()))
}

fn cite(
    ids: &[OwnedEventId],
    version: RoomVersion,
    reference_hash: impl Fn(&EventId) -> Option<String>,
) -> CanonicalJsonValue {
    let cite_one = |id: &OwnedEventId| -> CanonicalJsonValue {
        if !version.ids_are_given() {
            return id.to_string().into();
        }
        let hash = reference_hash(id).map(|hash| ("sha256".to_owned(), hash.into()));
        vec![id.to_string().into(), CanonicalJsonObject::from_iter(hash).into()].into()
    };
    CanonicalJsonValue::Array(ids.iter().map(cite_one).collect())
}
