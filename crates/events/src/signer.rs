//! The server's signing key. It signs what this server built, never JSON that came from elsewhere.
//!
//! Every homeserver of the Conduit family once signed objects that a remote server had handed it, and rooms were taken
//! over with the signatures. Here nothing outside this crate can have a JSON object signed: [`Signer`] has no such
//! method. What it signs is built field by field from typed values: events of ours ([`crate::Draft`], which cannot be read
//! from JSON), the few membership events of others that we vouch for (`vouch.rs`), requests (`x_matrix.rs`) and key
//! documents (`key_document.rs`). No two of these kinds have the same fields, so that none passes for another.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use kernel::{
    Random,
    id::{OwnedServerName, ServerName},
};
use ruma_common::room_version_rules::RedactionRules;
use ruma_signatures::{Ed25519KeyPair, KeyPair, Signature};

use crate::{
    CanonicalJsonObject, Error, Result,
    public_key::{encode_key, is_blocked_key, is_key_id},
};

/// A PKCS#8 v1 document of an Ed25519 key up to the 32 bytes of the key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// One Ed25519 key of one server name.
pub struct Signer {
    server_name: OwnedServerName,
    key_id: String,
    key: CountedKey,
}

/// Counts what is signed with it, so that a refusal can be shown to have signed nothing.
struct CountedKey {
    pair: Ed25519KeyPair,
    made: AtomicU64,
}

impl KeyPair for CountedKey {
    fn sign(&self, message: &[u8]) -> Signature {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.pair.sign(message)
    }
}

impl Signer {
    /// A new secret: 32 bytes of chance, to be kept and given to [`Signer::from_secret`].
    pub fn generate_secret(random: &dyn Random) -> [u8; 32] {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        secret
    }

    /// `version` is the part of the key's id after `ed25519:`.
    ///
    /// # Errors
    /// [`Error::SigningKey`] for a version beyond `[a-zA-Z0-9_]+` and for a secret that is no secret.
    pub fn from_secret(server_name: OwnedServerName, version: &str, secret: &[u8; 32]) -> Result<Self> {
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(Error::SigningKey("the secret is one byte repeated"));
        }
        let document = [PKCS8_PREFIX.as_slice(), secret].concat();
        Self::from_pkcs8(server_name, version, &document)
    }

    /// Takes a DER document as other tools write it (`openssl genpkey -algorithm ed25519 -outform DER`).
    ///
    /// # Errors
    /// As [`Signer::from_secret`], and when the document holds no Ed25519 key, or one that is known to others.
    pub fn from_pkcs8(server_name: OwnedServerName, version: &str, document: &[u8]) -> Result<Self> {
        let key_id = format!("ed25519:{version}");
        if !is_key_id(&key_id) {
            return Err(Error::SigningKey("its version may have letters, digits and `_` only"));
        }
        let pair = Ed25519KeyPair::from_der(document, version.to_owned())
            .map_err(|_| Error::SigningKey("it is not an Ed25519 key"))?;
        if is_blocked_key(&pair.public_key()) {
            return Err(Error::SigningKey("its secret is published, or no secret"));
        }
        Ok(Self { server_name, key_id, key: CountedKey { pair, made: AtomicU64::new(0) } })
    }

    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// `ed25519:` and the version.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.key.pair.public_key()
    }

    /// Unpadded base64, as `/_matrix/key/v2/server` and policy lists have it.
    pub fn public_key_base64(&self) -> String {
        encode_key(&self.public_key())
    }

    /// How many signatures this key has made since it was loaded.
    pub fn signatures_made(&self) -> u64 {
        self.key.made.load(Ordering::Relaxed)
    }

    /// Adds the content hash and this server's signature. Only [`crate::Draft::seal`] calls it.
    pub(crate) fn hash_and_sign(&self, event: &mut CanonicalJsonObject, rules: &RedactionRules) -> Result<()> {
        ruma_signatures::hash_and_sign_event(self.server_name.as_str(), &self.key, event, rules).map_err(|error| {
            match error {
                ruma_signatures::JsonError::PduTooLarge => Error::TooLarge(error.to_string()),
                _ => Error::Malformed(error.to_string()),
            }
        })
    }

    /// The signature of a text that this crate built, in unpadded base64.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.key.sign(text.as_bytes()).base64()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} {})", self.server_name, self.key_id)
    }
}
