//! What other servers say of keys, before any of it is kept or shown: a server speaks of its own users only, each key must
//! be that of the user and device under whose name it stands, and nobody's signatures are passed on but the user's own.

use std::collections::BTreeMap;

use kernel::id::{DeviceId, OwnedUserId, UserId};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};

use super::{DEVICES_MAX, Keys};
use crate::{
    DeviceList, ListedDevice, PublicKeys, RemoteError, RemoteResult, Result, Wanted,
    accounts::check_length,
    json,
    keys::{
        cross_signing::{self, Usage},
        device,
        query::DISPLAY_NAME,
        verify::{signature_by, signatures_of, signed_part, verifies, with_signatures},
    },
    tables::RemoteDeviceRow,
};

/// Longest device id and longest name of a device. A longer name is left out, a device of a longer id too.
const ID_BYTES_MAX: usize = 255;
const NAME_BYTES_MAX: usize = 256;
/// Signatures on one key.
const SIGNATURES_MAX: usize = 20;

/// The list of this user. What in it is wrong is left out, and told in the logs.
///
/// # Errors
/// `Malformed` if it is another user's.
pub(super) fn list(user: &UserId, answer: DeviceList) -> RemoteResult<Keys> {
    if answer.user != user {
        return Err(RemoteError::Malformed(user.server_name().to_owned()));
    }
    let devices = answer.devices.into_iter().filter_map(|listed| {
        let ListedDevice { id, keys, display_name } = listed;
        let row = told(user, device(user, &id, &keys, display_name))?;
        Some((id, row))
    });
    let devices = devices.take(DEVICES_MAX).collect();
    let (master, self_signing) = signing_keys(user, answer.master.as_deref(), answer.self_signing.as_deref());
    Ok(Keys { devices, master, self_signing })
}

/// The keys of those who were asked for. What in them is wrong is left out, and told in the logs.
pub(super) fn keys(wanted: &Wanted, mut answer: PublicKeys) -> BTreeMap<OwnedUserId, Keys> {
    let mut found = BTreeMap::new();
    for user in wanted.keys() {
        let (devices, master) = (answer.devices.remove(user), answer.master.get(user));
        if devices.is_none() && master.is_none() {
            continue;
        }
        let devices = devices.unwrap_or_default().into_iter().filter_map(|(id, keys)| {
            let row = told(user, device(user, &id, &keys, None))?;
            Some((id, row))
        });
        let devices = devices.take(DEVICES_MAX).collect();
        let self_signing = answer.self_signing.get(user).map(String::as_str);
        let (master, self_signing) = signing_keys(user, master.map(String::as_str), self_signing);
        found.insert(user.clone(), Keys { devices, master, self_signing });
    }
    found
}

/// One device's keys. Without a name beside them, that in `unsigned` is taken.
///
/// # Errors
/// `BadJson`, `InvalidParam` (another user's or device's keys), `TooLarge`.
pub(super) fn device(
    user: &UserId,
    id: &DeviceId,
    text: &str,
    display_name: Option<String>,
) -> Result<RemoteDeviceRow> {
    check_length(id.as_str(), "a device id", ID_BYTES_MAX)?;
    let object = device::shaped(user, id, text)?;
    let unsigned = object.get("unsigned").and_then(CanonicalJsonValue::as_object);
    let in_unsigned = unsigned.and_then(|unsigned| unsigned.get(DISPLAY_NAME)).and_then(CanonicalJsonValue::as_str);
    let display_name = display_name.or_else(|| in_unsigned.map(str::to_owned));
    let display_name = display_name.filter(|name| name.len() <= NAME_BYTES_MAX);
    Ok(RemoteDeviceRow { keys: json::text(&with_own_signatures(user, &object))?, display_name })
}

/// A master or self-signing key: its public part and the object.
///
/// # Errors
/// `BadJson`, `InvalidParam` (another user's key), `TooLarge`.
pub(super) fn signing_key(user: &UserId, usage: Usage, text: &str) -> Result<(String, CanonicalJsonObject)> {
    let key = cross_signing::check(user, usage, text)?;
    Ok((key.public, with_own_signatures(user, &key.object)))
}

/// Whether the master key of this public part has signed the object.
pub(super) fn is_signed_by(user: &UserId, master: &str, object: &CanonicalJsonObject) -> bool {
    let signature = signature_by(object, user, &format!("ed25519:{master}"));
    signature.is_some_and(|signature| verifies(object, master, signature))
}

/// Both keys; the second only if the first has signed it.
fn signing_keys(user: &UserId, master: Option<&str>, self_signing: Option<&str>) -> (Option<String>, Option<String>) {
    let key = |usage, text: Option<&str>| text.and_then(|text| told(user, signing_key(user, usage, text)));
    let Some((public, master)) = key(Usage::Master, master) else { return (None, None) };
    let self_signing = key(Usage::SelfSigning, self_signing);
    let self_signing = self_signing.filter(|(_, object)| is_signed_by(user, &public, object));
    (json::text(&master).ok(), self_signing.and_then(|(_, object)| json::text(&object).ok()))
}

fn with_own_signatures(user: &UserId, object: &CanonicalJsonObject) -> CanonicalJsonObject {
    let own = signatures_of(object, user).take(SIGNATURES_MAX);
    with_signatures(signed_part(object), own.map(|(key, signature)| (user.as_str(), key, signature)))
}

fn told<T>(user: &UserId, checked: Result<T>) -> Option<T> {
    checked.inspect_err(|error| tracing::info!(%user, %error, "a key of another server's is passed over")).ok()
}
