//! Whether a remote event is what its sender's server made (spec, "Validating hashes and signatures on received events").

use std::collections::BTreeSet;

use kernel::id::{OwnedServerName, ServerName};
use ruma_common::serde::Base64;
use ruma_signatures::{
    PublicKeyMap, VerificationError, required_server_signatures_to_verify_event, verify_event as verify_with,
};

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Error, Result, RoomVersion,
    public_key::{check_signature, is_blocked_key, is_key_id},
};

/// Keys of one server that are looked up for one event: servers sign with one, or with two while they change it.
pub const KEYS_PER_SIGNER_MAX: usize = 8;

/// Public keys of servers by key id. Only those that were valid when the event was sent belong here: since room version 5
/// an event signed after its key's `valid_until_ts` does not count (spec, "Signing key validity period").
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(PublicKeyMap);

impl PublicKeys {
    /// A key that nobody may sign with (see [`is_blocked_key`]) is passed over, as if it were not known.
    pub fn insert(&mut self, server: &ServerName, key_id: &str, key: [u8; 32]) {
        if is_blocked_key(&key) {
            return;
        }
        let keys = self.0.entry(server.to_string()).or_default();
        keys.insert(key_id.to_owned(), Base64::new(key.to_vec()));
    }

    /// Verifies every signature that the object bears.
    #[cfg(test)]
    pub(crate) fn verify_all(&self, object: &CanonicalJsonObject) -> Result<(), VerificationError> {
        ruma_signatures::verify_json(&self.0, object)
    }
}

/// What the signatures vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// The whole event.
    All,
    /// Only what a redaction leaves: the content hash differs. The event is to be redacted before anything else is done.
    Redacted,
}

/// The servers whose signature the event must bear: the sender's, in versions 1 and 2 the one that gave the id, and that of
/// the user who let somebody in to a restricted room.
///
/// # Errors
/// [`Error::Malformed`] when the fields that say so cannot be read.
pub fn required_signers(event: &CanonicalJsonObject, version: RoomVersion) -> Result<BTreeSet<OwnedServerName>> {
    required_server_signatures_to_verify_event(event, &version.rules().signatures)
        .map_err(|error| Error::Malformed(error.to_string()))
}

/// The keys that the event says it was signed with, as server and key id, of the servers that must have signed: those to
/// fetch before [`verify`]. At most [`KEYS_PER_SIGNER_MAX`] of each.
///
/// # Errors
/// As [`required_signers`].
pub fn signing_keys_of(event: &CanonicalJsonObject, version: RoomVersion) -> Result<Vec<(OwnedServerName, String)>> {
    let mut found = Vec::new();
    for server in required_signers(event, version)? {
        let ids = signatures_of(event, &server).map(|(id, _)| id).filter(|id| is_key_id(id));
        found.extend(ids.take(KEYS_PER_SIGNER_MAX).map(|id| (server.clone(), id.clone())));
    }
    Ok(found)
}

/// The signatures that an object bears under a server's name, by key id.
pub(crate) fn signatures_of<'a>(
    object: &'a CanonicalJsonObject,
    server: &ServerName,
) -> impl Iterator<Item = (&'a String, &'a CanonicalJsonValue)> + use<'a> {
    let signatures = object.get("signatures").and_then(CanonicalJsonValue::as_object);
    signatures.and_then(|all| all.get(server.as_str())?.as_object()).into_iter().flatten()
}

/// Verifies the signatures of all [`required_signers`] and the content hash.
///
/// # Errors
/// [`Error::InvalidSignature`] when one is missing, false, or by a key that is not among `keys`: the event is dropped.
pub fn verify(event: &CanonicalJsonObject, keys: &PublicKeys, version: RoomVersion) -> Result<Verified> {
    match verify_with(&keys.0, event, version.rules()) {
        Ok(ruma_signatures::Verified::All) => Ok(Verified::All),
        Ok(ruma_signatures::Verified::Signatures) => Ok(Verified::Redacted),
        Err(VerificationError::Json(error)) => Err(Error::Malformed(error.to_string())),
        Err(error) => Err(Error::InvalidSignature(error.to_string())),
    }
}

/// Verifies the signatures that an object bears under one server's name, over its text as it is signed, and returns them by
/// key id, without those by keys that are not known.
///
/// # Errors
/// [`Error::InvalidSignature`] when there is none by a key among `keys`, or a false one.
pub(crate) fn verify_signer(
    object: &CanonicalJsonObject,
    text: &str,
    server: &ServerName,
    keys: &PublicKeys,
) -> Result<CanonicalJsonObject> {
    let known = keys.0.get(server.as_str());
    let mut verified = CanonicalJsonObject::new();
    for (id, signature) in signatures_of(object, server) {
        let key = known.and_then(|known| known.get(id)).and_then(|key| key.as_bytes().try_into().ok());
        if let Some(key) = key {
            check_signature(key, signature.as_str().unwrap_or_default(), text)?;
            verified.insert(id.clone(), signature.clone());
        }
    }
    if verified.is_empty() {
        return Err(Error::InvalidSignature(format!("none of {server} by a key that is known")));
    }
    Ok(verified)
}

#[cfg(test)]
mod tests;
