//! Device keys: what is taken, and how their parts are read.

use kernel::id::{DeviceId, UserId};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};

use super::verify::{key_bytes, signature_by, signed_part, verifies, with_signatures};
use crate::{Accounts, Error, Result, json, tables::DEVICE_KEYS};

/// Longest device key object.
pub(crate) const KEY_OBJECT_BYTES_MAX: usize = 16_384;

/// Checks uploaded device keys and gives them as they are stored: without `unsigned`, with no signature but their own.
///
/// A device that is not signed by itself is taken, as every server does, and distrusted by clients; one that is signed
/// wrongly is refused.
pub(crate) fn checked(user: &UserId, device: &DeviceId, text: &str) -> Result<CanonicalJsonObject> {
    let object = shaped(user, device, text)?;
    let own_key = format!("ed25519:{device}");
    let own = signature_by(&object, user, &own_key);
    if let Some(signature) = own
        && !signing_key(&object, device).is_some_and(|key| verifies(&object, key, signature))
    {
        return Err(Error::InvalidSignature("The device's signature over its keys does not verify".to_owned()));
    }
    let own = own.map(|signature| (user.as_str(), own_key.as_str(), signature));
    Ok(with_signatures(signed_part(&object), own))
}

/// Reads device keys that have the right shape and name this device; nothing is said of their signatures.
pub(crate) fn shaped(user: &UserId, device: &DeviceId, text: &str) -> Result<CanonicalJsonObject> {
    let object = json::canonical_object(text, "device_keys", KEY_OBJECT_BYTES_MAX)?;
    if string(&object, "user_id")? != user.as_str() || string(&object, "device_id")? != device.as_str() {
        return Err(Error::InvalidParam("These device keys are another device's".to_owned()));
    }
    let algorithms = object.get("algorithms").and_then(CanonicalJsonValue::as_array);
    if !algorithms.is_some_and(|all| all.iter().all(CanonicalJsonValue::is_string)) {
        return Err(Error::BadJson("device_keys.algorithms must be a list of strings".to_owned()));
    }
    let keys = object.get("keys").and_then(CanonicalJsonValue::as_object);
    let keys = keys.ok_or_else(|| Error::BadJson("device_keys.keys must be an object".to_owned()))?;
    for name in [format!("ed25519:{device}"), format!("curve25519:{device}")] {
        if keys.get(&name).and_then(CanonicalJsonValue::as_str).and_then(key_bytes).is_none() {
            return Err(Error::BadJson(format!("device_keys.keys.{name} must be a key of 32 bytes in base64")));
        }
    }
    if !keys.values().all(CanonicalJsonValue::is_string) {
        return Err(Error::BadJson("device_keys.keys must be strings".to_owned()));
    }
    if !object.get("signatures").is_some_and(CanonicalJsonValue::is_object) {
        return Err(Error::BadJson("device_keys.signatures must be an object".to_owned()));
    }
    Ok(object)
}

/// The device's Ed25519 key.
pub(crate) fn signing_key<'a>(object: &'a CanonicalJsonObject, device: &DeviceId) -> Option<&'a str> {
    let keys = object.get("keys")?.as_object()?;
    keys.get(&format!("ed25519:{device}"))?.as_str()
}

fn string<'a>(object: &'a CanonicalJsonObject, name: &str) -> Result<&'a str> {
    let value = object.get(name).and_then(CanonicalJsonValue::as_str);
    value.ok_or_else(|| Error::BadJson(format!("device_keys.{name} must be a string")))
}

impl Accounts {
    /// The device's keys as they are stored.
    pub(crate) fn device_keys(&self, user: &UserId, device: &DeviceId) -> Result<Option<CanonicalJsonObject>> {
        self.scope().get(&DEVICE_KEYS, (user, device))?.as_deref().map(json::stored_object).transpose()
    }
}
