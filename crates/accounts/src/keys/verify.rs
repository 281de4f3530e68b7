//! Signatures over JSON objects (spec appendices, "Signing JSON").

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ed25519_dalek::{Signature, VerifyingKey};
use kernel::id::UserId;
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};

use crate::json;

/// The specification writes unpadded base64; padding does no harm.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The 32 bytes of a Curve25519 or Ed25519 key.
pub(crate) fn key_bytes(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// The signatures of `signer` over the object: key id → signature.
pub(crate) fn signatures_of<'a>(
    object: &'a CanonicalJsonObject,
    signer: &UserId,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let signatures = object.get("signatures").and_then(CanonicalJsonValue::as_object);
    let of_signer = signatures.and_then(|all| all.get(signer.as_str())).and_then(CanonicalJsonValue::as_object);
    of_signer.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

pub(crate) fn signature_by<'a>(object: &'a CanonicalJsonObject, signer: &UserId, key_id: &str) -> Option<&'a str> {
    signatures_of(object, signer).find(|(key, _)| *key == key_id).map(|(_, signature)| signature)
}

/// The object without what signatures do not cover.
pub(crate) fn signed_part(object: &CanonicalJsonObject) -> CanonicalJsonObject {
    let covered = object.iter().filter(|(name, _)| !matches!(name.as_str(), "signatures" | "unsigned"));
    covered.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether the signature is that of the key's owner over the object.
pub(crate) fn verifies(object: &CanonicalJsonObject, public_key: &str, signature: &str) -> bool {
    let Some(key) = key_bytes(public_key).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()) else { return false };
    let Some(signature) = BASE64.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok()) else {
        return false;
    };
    let Ok(message) = json::text(&signed_part(object)) else { return false };
    key.verify_strict(message.as_bytes(), &signature).is_ok()
}

/// An object with these signatures: signer → key id → signature.
pub(crate) fn with_signatures<'a>(
    mut object: CanonicalJsonObject,
    signatures: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
) -> CanonicalJsonObject {
    let mut all = match object.remove("signatures") {
        Some(CanonicalJsonValue::Object(all)) => all,
        _ => CanonicalJsonObject::new(),
    };
    for (signer, key_id, signature) in signatures {
        let of_signer = all.entry(signer.to_owned()).or_insert_with(|| CanonicalJsonObject::new().into());
        if let Some(of_signer) = of_signer.as_object_mut() {
            of_signer.insert(key_id.to_owned(), signature.into());
        }
    }
    object.insert("signatures".to_owned(), all.into());
    object
}
