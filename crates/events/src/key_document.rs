//! The document in which a server publishes its signing keys (spec, server-server API, "Publishing Keys" and "Querying Keys
//! Through Another Server").

use std::time::Duration;

use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use ruma_signatures::to_canonical_json_string_for_signing;

use crate::{
    CanonicalJsonObject, CanonicalJsonValue, Error, Result, Signer,
    canonical::{canonical_event, canonical_string, natural_number},
    public_key::{check_signature, decode_key, encode_key, is_blocked_key, is_key_id},
    verify::signatures_of,
};

/// Longest document that is read.
const DOCUMENT_BYTES_MAX: usize = 65_536;
/// Keys that a document may list, those in use and those of old each.
const KEYS_MAX: usize = 64;
/// How long a document counts at most, whatever it says itself.
const VALID_FOR_MAX: Duration = Duration::from_hours(7 * 24);

/// A key that a server signs with no more: its id, the key, and the end of the time for which it counts.
pub type OldKey = (String, [u8; 32], Timestamp);

/// A server's own word on its keys, read into typed fields. That the server of that name said it is known only from the
/// connection by which it came: anybody can sign a document under any name with a key of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDocument {
    pub server: OwnedServerName,
    /// By id. Keys of algorithms that we do not know are left out, as are those that nobody may sign with.
    pub keys: Vec<(String, [u8; 32])>,
    pub old_keys: Vec<OldKey>,
    /// As the server says; what counts is [`KeyDocument::usable_until`].
    pub valid_until: Timestamp,
    /// The server's own signatures that verified, by key id, in base64.
    signatures: Vec<(String, String)>,
    /// `old_verify_keys` may be missing, and what is signed has it or has it not.
    lists_old_keys: bool,
    json: String,
}

impl KeyDocument {
    /// Reads a document and verifies that the server signed it with one of the keys that it lists. A key whose signature
    /// stands there and is false is left out: who published it does not have its secret.
    ///
    /// # Errors
    /// [`Error::KeyDocument`] when it is malformed or over a bound, [`Error::InvalidSignature`] when no signature verifies.
    pub fn parse(json: &str) -> Result<Self> {
        if json.len() > DOCUMENT_BYTES_MAX {
            return Err(malformed(format!("it is longer than {DOCUMENT_BYTES_MAX} bytes")));
        }
        let object = canonical_event(json).map_err(|error| malformed(error.to_string()))?;
        let server = object.get("server_name").and_then(CanonicalJsonValue::as_str).unwrap_or_default();
        let mut document = Self {
            server: ServerName::parse(server).map_err(|error| malformed(format!("`server_name`: {error}")))?,
            keys: Vec::new(),
            old_keys: Vec::new(),
            valid_until: time(&object, "valid_until_ts")?,
            signatures: Vec::new(),
            lists_old_keys: object.contains_key("old_verify_keys"),
            json: canonical_string(&object),
        };
        for (id, key, _) in listed(&object, "verify_keys")? {
            document.keys.push((id, key));
        }
        for (id, key, entry) in listed(&object, "old_verify_keys")? {
            document.old_keys.push((id, key, time(entry, "expired_ts")?));
        }
        document.check_signatures(&object)?;
        Ok(document)
    }

    fn check_signatures(&mut self, object: &CanonicalJsonObject) -> Result<()> {
        let text = to_canonical_json_string_for_signing(object).map_err(|error| malformed(error.to_string()))?;
        let mut verified = Vec::new();
        self.keys.retain(|(id, key)| {
            let signature = signatures_of(object, &self.server).find(|(signed_with, _)| *signed_with == id);
            let Some((_, signature)) = signature else { return true };
            let signature = signature.as_str().unwrap_or_default();
            let is_true = check_signature(key, signature, &text).is_ok();
            if is_true {
                verified.push((id.clone(), signature.to_owned()));
            }
            is_true
        });
        if verified.is_empty() {
            return Err(Error::InvalidSignature("none by a key that the document lists".into()));
        }
        self.signatures = verified;
        Ok(())
    }

    /// The document as it was read, in canonical form; [`KeyDocument::parse`] reads it back.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Until when the keys count, of a document that was fetched at this time: as the server says, but for seven days at
    /// most.
    pub fn usable_until(&self, fetched_at: Timestamp) -> Timestamp {
        self.valid_until.min(fetched_at.plus(VALID_FOR_MAX))
    }
}

impl Signer {
    /// This server's own document, signed with this key and the others, all of which it lists. It counts until
    /// `valid_until`.
    ///
    /// # Errors
    /// [`Error::SigningKey`] when one of the others is of another server.
    pub fn key_document(&self, valid_until: Timestamp, others: &[&Self], old: &[OldKey]) -> Result<String> {
        let signers: Vec<&Self> = [self].into_iter().chain(others.iter().copied()).collect();
        if signers.iter().any(|signer| signer.server_name() != self.server_name()) {
            return Err(Error::SigningKey("it is of another server"));
        }
        let keys: Vec<_> = signers.iter().map(|signer| (signer.key_id().to_owned(), signer.public_key())).collect();
        let mut object = describe(self.server_name(), &keys, Some(old), valid_until)?;
        let text = canonical_string(&object);
        let signatures = signers.iter().map(|signer| (signer.key_id().to_owned(), signer.sign(&text)));
        object.insert("signatures".into(), by_server([(self.server_name(), signatures.collect())]));
        Ok(canonical_string(&object))
    }

    /// Another server's document with this server's signature added: that it was fetched from the server itself. The
    /// caller vouches for that.
    ///
    /// The document is built again from the fields that were read, and keeps the signatures of its server only because they
    /// verify over it: nothing that was not understood is signed.
    ///
    /// # Errors
    /// [`Error::InvalidSignature`] when the document has more than we understand, so that its server signed something else;
    /// [`Error::KeyDocument`] when it claims to be ours.
    pub fn notarise(&self, document: &KeyDocument) -> Result<String> {
        if document.server == self.server_name() {
            return Err(malformed("it is another's word on our own keys"));
        }
        let old_keys = document.lists_old_keys.then_some(document.old_keys.as_slice());
        let mut object = describe(&document.server, &document.keys, old_keys, document.valid_until)?;
        let text = canonical_string(&object);
        let verifies = |(id, signature): &&(String, String)| {
            let key = document.keys.iter().find(|(known, _)| known == id);
            key.is_some_and(|(_, key)| check_signature(key, signature, &text).is_ok())
        };
        let signatures: Vec<_> = document.signatures.iter().filter(verifies).cloned().collect();
        if signatures.is_empty() {
            return Err(Error::InvalidSignature("the key document has more than this server understands".into()));
        }
        let ours = vec![(self.key_id().to_owned(), self.sign(&text))];
        let signatures = by_server([(&*document.server, signatures), (self.server_name(), ours)]);
        object.insert("signatures".into(), signatures);
        Ok(canonical_string(&object))
    }
}

/// The document without signatures.
fn describe(
    server: &ServerName,
    keys: &[(String, [u8; 32])],
    old_keys: Option<&[OldKey]>,
    valid_until: Timestamp,
) -> Result<CanonicalJsonObject> {
    let written = |key: &[u8; 32]| ("key".to_owned(), encode_key(key).into());
    let keys = keys.iter().map(|(id, key)| (id.clone(), CanonicalJsonObject::from([written(key)]).into()));
    let mut object = CanonicalJsonObject::from([
        ("server_name".to_owned(), server.as_str().into()),
        ("valid_until_ts".to_owned(), milliseconds(valid_until)?),
        ("verify_keys".to_owned(), CanonicalJsonValue::Object(keys.collect())),
    ]);
    if let Some(old_keys) = old_keys {
        let mut old = CanonicalJsonObject::new();
        for (id, key, expired) in old_keys {
            let entry = [written(key), ("expired_ts".to_owned(), milliseconds(*expired)?)];
            old.insert(id.clone(), CanonicalJsonObject::from(entry).into());
        }
        object.insert("old_verify_keys".into(), old.into());
    }
    Ok(object)
}

/// Signatures, in base64, by key id.
type Signatures = Vec<(String, String)>;

fn by_server<const N: usize>(signatures: [(&ServerName, Signatures); N]) -> CanonicalJsonValue {
    let of_server = |signatures: Signatures| {
        CanonicalJsonValue::Object(signatures.into_iter().map(|(id, signature)| (id, signature.into())).collect())
    };
    let signatures = signatures.map(|(server, signatures)| (server.to_string(), of_server(signatures)));
    CanonicalJsonValue::Object(signatures.into_iter().collect())
}

/// The keys of a list that we can verify with and somebody alone may sign with, by id, each with its entry.
fn listed<'a>(
    document: &'a CanonicalJsonObject,
    field: &str,
) -> Result<Vec<(String, [u8; 32], &'a CanonicalJsonObject)>> {
    let Some(list) = document.get(field) else { return Ok(Vec::new()) };
    let list = list.as_object().ok_or_else(|| malformed(format!("`{field}` is not an object")))?;
    if list.len() > KEYS_MAX {
        return Err(malformed(format!("`{field}` lists more than {KEYS_MAX} keys")));
    }
    let mut keys = Vec::new();
    for (id, entry) in list.iter().filter(|(id, _)| is_key_id(id)) {
        let entry = entry.as_object().ok_or_else(|| malformed(format!("{id} is not an object")))?;
        let key = entry.get("key").and_then(CanonicalJsonValue::as_str).and_then(decode_key);
        let key = key.ok_or_else(|| malformed(format!("{id} is not a key of 32 bytes")))?;
        if !is_blocked_key(&key) {
            keys.push((id.clone(), key, entry));
        }
    }
    Ok(keys)
}

fn time(object: &CanonicalJsonObject, field: &str) -> Result<Timestamp> {
    natural_number(object, field).map(Timestamp).ok_or_else(|| malformed(format!("`{field}` is not a time")))
}

fn milliseconds(time: Timestamp) -> Result<CanonicalJsonValue> {
    time.0.try_into().map(CanonicalJsonValue::Integer).map_err(|_| malformed("a time is beyond 2^53 − 1"))
}

fn malformed(what: impl Into<String>) -> Error {
    Error::KeyDocument(what.into())
}

#[cfg(test)]
mod tests;
