//! Whether a remote event is what its sender's server made (spec, "Validating hashes and signatures on received events").

use std::collections::BTreeSet;

use kernel::id::OwnedServerName;
use ruma_common::serde::Base64;
use ruma_signatures::{
    PublicKeyMap, VerificationError, required_server_signatures_to_verify_event, verify_event as verify_with,
};

use crate::{CanonicalJsonObject, Error, Result, RoomVersion};

/// Public keys of servers by key id. Only those that were valid when the event was sent belong here: since room version 5
/// an event signed after its key's `valid_until_ts` does not count (spec, "Signing key validity period").
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(PublicKeyMap);

impl PublicKeys {
    pub fn insert(&mut self, server: &kernel::id::ServerName, key_id: &str, key: [u8; 32]) {
        let keys = self.0.entry(server.to_string()).or_default();
        keys.insert(key_id.to_owned(), Base64::new(key.to_vec()));
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

#[cfg(test)]
mod tests;
