//! `POST /keys/upload`: device keys, one-time keys and fallback keys, all or none of a request.

use std::collections::BTreeMap;

use kernel::id::{DeviceId, UserId};
use ruma_common::CanonicalJsonValue;
use store::{Batch, Stamp};

use super::{
    KeyUpload, device,
    device_lists::Part,
    one_time::ONE_TIME_KEYS_MAX,
    verify::{key_bytes, signed_part},
};
use crate::{
    Accounts, Change, Error, Result, TOPIC, json,
    tables::{DEVICE_KEYS, DEVICES, FALLBACK_KEYS, FallbackKeyRow, ONE_TIME_KEYS, OneTimeKeyRow},
};

/// Longest one-time key object, and longest `algorithm:key_id`.
const KEY_BYTES_MAX: usize = 2_048;
const KEY_ID_BYTES_MAX: usize = 255;
/// Algorithms for which a device may have a fallback key.
const FALLBACK_KEYS_MAX: usize = 16;

/// A checked one-time or fallback key.
pub(crate) struct Key {
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
    pub(crate) json: String,
}

impl Accounts {
    /// Takes device keys, one-time keys and fallback keys, all or none; returns the counts of one-time keys.
    ///
    /// # Errors
    /// `BadJson`, `InvalidParam` (another user's or device's keys), `InvalidSignature`, `TooLarge`, `TooMany`,
    /// `OneTimeKeyConflict`, `NoSuchDevice`.
    pub async fn upload_keys(
        &self,
        user: &UserId,
        device: &DeviceId,
        upload: KeyUpload,
    ) -> Result<BTreeMap<String, u64>> {
        let device_keys = upload.device_keys.map(|text| device::checked(user, device, &text)).transpose()?;
        let one_time = checked_keys(upload.one_time_keys)?;
        let fallback = checked_keys(upload.fallback_keys)?;
        let _changing = self.change(user).await;
        if !self.scope().has(&DEVICES, (user, device))? {
            return Err(Error::NoSuchDevice);
        }
        let mut batch = self.scope().batch();
        let stamp = batch.stamp();
        let mut fresh = false;
        if let Some(keys) = device_keys {
            let before = self.device_keys(user, device)?;
            if before.as_ref() != Some(&keys) {
                // One-time keys signed by another identity key are of no use to anybody.
                fresh = before.is_some_and(|before| signed_part(&before) != signed_part(&keys));
                if fresh {
                    self.erase_one_time_keys(&mut batch, user, device)?;
                    self.erase_signatures(&mut batch, user, device)?;
                }
                batch.put(&DEVICE_KEYS, (user, device), &json::text(&keys)?);
                self.note_device_list(&mut batch, user, &[Part::Device(device)])?;
            }
        }
        let added = self.add_one_time_keys(&mut batch, stamp, (user, device), one_time, fresh)?;
        let replaced = self.replace_fallback_keys(&mut batch, (user, device), fallback, fresh)?;
        if added || replaced || fresh {
            batch.announce(TOPIC, stamp, &Change::OneTimeKeys { user: user.to_owned(), device: device.to_owned() });
        }
        if !batch.is_empty() {
            self.commit(batch).await?;
        }
        self.one_time_key_counts(user, device)
    }

    /// `fresh`: what is there is deleted by this batch.
    fn add_one_time_keys(
        &self,
        batch: &mut Batch,
        stamp: Stamp,
        (user, device): (&UserId, &DeviceId),
        keys: Vec<Key>,
        fresh: bool,
    ) -> Result<bool> {
        if keys.is_empty() {
            return Ok(false);
        }
        let there = if fresh { Vec::new() } else { self.scope().scan(&ONE_TIME_KEYS, (user, device)).rows()? };
        let there: BTreeMap<String, String> = there.into_iter().map(|(_, row)| (row.key_id, row.json)).collect();
        let mut added = 0;
        for (number, Key { algorithm, key_id, json }) in (0_u32..).zip(keys) {
            match there.get(&key_id) {
                Some(old) if *old == json => {}
                Some(_) => return Err(Error::OneTimeKeyConflict(key_id)),
                None => {
                    let key = (user, device, algorithm, stamp, number);
                    batch.put(&ONE_TIME_KEYS, key, &OneTimeKeyRow { key_id, json });
                    added += 1;
                }
            }
        }
        if there.len() + added > ONE_TIME_KEYS_MAX {
            return Err(Error::TooMany { what: "one-time keys", limit: ONE_TIME_KEYS_MAX });
        }
        Ok(added > 0)
    }

    fn replace_fallback_keys(
        &self,
        batch: &mut Batch,
        (user, device): (&UserId, &DeviceId),
        keys: Vec<Key>,
        fresh: bool,
    ) -> Result<bool> {
        if keys.is_empty() {
            return Ok(false);
        }
        let there = if fresh { Vec::new() } else { self.scope().scan(&FALLBACK_KEYS, (user, device)).rows()? };
        let mut there: BTreeMap<String, FallbackKeyRow> =
            there.into_iter().map(|((_, _, algorithm), row)| (algorithm, row)).collect();
        let mut replaced = false;
        for Key { algorithm, key_id, json } in keys {
            if there.get(&algorithm).is_some_and(|old| old.key_id == key_id && old.json == json) {
                continue;
            }
            let row = FallbackKeyRow { key_id, json, used: false };
            batch.put(&FALLBACK_KEYS, (user, device, algorithm.as_str()), &row);
            there.insert(algorithm, row);
            replaced = true;
        }
        if there.len() > FALLBACK_KEYS_MAX {
            return Err(Error::TooMany { what: "fallback keys", limit: FALLBACK_KEYS_MAX });
        }
        Ok(replaced)
    }
}

/// Checks shapes and sizes: a string, or an object with a `key` and `signatures`.
fn checked_keys(keys: BTreeMap<String, String>) -> Result<Vec<Key>> {
    if keys.len() > ONE_TIME_KEYS_MAX {
        return Err(Error::TooMany { what: "one-time keys", limit: ONE_TIME_KEYS_MAX });
    }
    keys.into_iter().map(|(key_id, text)| checked_key(key_id, &text)).collect()
}

pub(crate) fn checked_key(key_id: String, text: &str) -> Result<Key> {
    let wrong = |what: &str| Error::BadJson(format!("one-time key {key_id}: {what}"));
    if key_id.len() > KEY_ID_BYTES_MAX {
        return Err(Error::TooLarge { what: "a key id", limit: KEY_ID_BYTES_MAX });
    }
    let (algorithm, name) = key_id.split_once(':').ok_or_else(|| wrong("the id must be algorithm:name"))?;
    if algorithm.is_empty() || name.is_empty() {
        return Err(wrong("the id must be algorithm:name"));
    }
    let value = json::canonical_value(text, "a one-time key", KEY_BYTES_MAX)?;
    let (key, signed) = match &value {
        CanonicalJsonValue::String(key) => (Some(key.as_str()), true),
        CanonicalJsonValue::Object(object) => (
            object.get("key").and_then(CanonicalJsonValue::as_str),
            object.get("signatures").is_some_and(CanonicalJsonValue::is_object),
        ),
        _ => return Err(wrong("must be a string or an object")),
    };
    if key.and_then(key_bytes).is_none() {
        return Err(wrong("must have a key of 32 bytes in base64"));
    }
    if !signed {
        return Err(wrong("must have signatures"));
    }
    let algorithm = algorithm.to_owned();
    Ok(Key { algorithm, json: value.to_string(), key_id })
}
