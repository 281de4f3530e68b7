//! Cross-signing keys: the master key vouches for the self-signing and user-signing keys (spec, "Cross-signing").

use std::time::Duration;

use kernel::{
    Timestamp,
    id::{OwnedDeviceId, UserId},
};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};
use store::Batch;

use super::{
    device::{KEY_OBJECT_BYTES_MAX, signing_key},
    device_lists::Part,
    verify::{key_bytes, signature_by, signatures_of, signed_part, verifies, with_signatures},
};
use crate::{
    Accounts, CrossSigningKeys, Error, Result, json,
    tables::{CROSS_SIGNING, DEVICE_KEYS, RESET_WINDOWS, SIGNATURES},
};

/// Time from the confirmation of a reset to the upload of the new keys, as Matrix Authentication Service gives.
const RESET_WINDOW: Duration = Duration::from_secs(600);

/// Signatures on an old key that one batch deletes.
const ROWS_AT_ONCE: usize = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Master = 1,
    SelfSigning = 2,
    UserSigning = 3,
}

impl Usage {
    fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }
}

/// A checked cross-signing key: its public key, and the object as it was uploaded.
pub(crate) struct Checked {
    usage: Usage,
    pub(crate) public: String,
    pub(crate) object: CanonicalJsonObject,
}

impl Accounts {
    pub fn has_cross_signing(&self, user: &UserId) -> Result<bool> {
        Ok(self.scope().has(&CROSS_SIGNING, (user, Usage::Master as u8))?)
    }

    /// Whether taking these keys would change ones that are there: then the caller must hold a reset window or have
    /// confirmed in another way. Setting the first keys, or the same again, is free.
    ///
    /// # Errors
    /// `BadJson`, `InvalidParam`, `TooLarge`.
    pub fn replaces_cross_signing(&self, user: &UserId, keys: &CrossSigningKeys) -> Result<bool> {
        Ok(self.has_cross_signing(user)? && !self.changed(user, &checked(user, keys)?)?.is_empty())
    }

    /// Takes the keys after checking shapes and signatures, all or none (hazard K2).
    ///
    /// # Errors
    /// `ResetNeeded` when keys would be changed and no reset window is open; `BadJson`, `InvalidParam`, `TooLarge`,
    /// `InvalidSignature`.
    pub async fn upload_cross_signing(&self, user: &UserId, keys: CrossSigningKeys) -> Result<()> {
        let keys = checked(user, &keys)?;
        let _changing = self.change(user).await;
        self.living(user)?;
        let old_master = self.cross_signing_key(user, Usage::Master)?;
        let new_master = keys.iter().find(|key| key.usage == Usage::Master);
        let master = match (new_master, &old_master) {
            (Some(key), _) => key.public.clone(),
            (None, Some((public, _))) => public.clone(),
            (None, None) => return Err(Error::InvalidParam("There is no master key".to_owned())),
        };
        for key in keys.iter().filter(|key| key.usage != Usage::Master) {
            let signature = signature_by(&key.object, user, &format!("ed25519:{master}"));
            if !signature.is_some_and(|signature| verifies(&key.object, &master, signature)) {
                let reason = format!("The {} key is not signed by the master key", key.usage.name());
                return Err(Error::InvalidSignature(reason));
            }
        }
        let changed = self.changed(user, &keys)?;
        if changed.is_empty() {
            return Ok(());
        }
        if old_master.is_some() && !self.reset_window_is_open(user)? {
            return Err(Error::ResetNeeded);
        }
        let mut batch = self.scope().batch();
        batch.delete(&RESET_WINDOWS, (user,));
        if old_master.is_some_and(|(old, _)| old != master) {
            // What the old master key signed is worth nothing under the new one.
            for usage in [Usage::SelfSigning, Usage::UserSigning] {
                batch.delete(&CROSS_SIGNING, (user, usage as u8));
            }
        }
        self.erase_own_signatures(&mut batch, user, &changed)?;
        let devices = self.devices_signed_anew(user, &changed)?;
        let mut parts: Vec<_> = devices.iter().map(|device| Part::Device(device)).collect();
        parts.extend(changed.iter().any(|key| key.usage != Usage::UserSigning).then_some(Part::SigningKeys));
        for key in changed {
            self.put_cross_signing_key(&mut batch, user, key, &master)?;
        }
        self.note_device_list(&mut batch, user, &parts)?;
        self.commit(batch).await?;
        Ok(())
    }

    /// Lets the user replace their cross-signing keys once, for ten minutes. Called after a fresh sign-in (hazard K7).
    /// Returns until when.
    pub async fn open_reset_window(&self, user: &UserId) -> Result<Timestamp> {
        let _changing = self.change(user).await;
        self.living(user)?;
        let until = self.now().plus(RESET_WINDOW);
        let mut batch = self.scope().batch();
        batch.put(&RESET_WINDOWS, (user,), &until.0);
        self.commit(batch).await?;
        Ok(until)
    }

    pub fn reset_window_is_open(&self, user: &UserId) -> Result<bool> {
        Ok(self.scope().get(&RESET_WINDOWS, (user,))?.is_some_and(|until| self.now().0 < until))
    }

    /// The public key and the stored object.
    pub(crate) fn cross_signing_key(
        &self,
        user: &UserId,
        usage: Usage,
    ) -> Result<Option<(String, CanonicalJsonObject)>> {
        let Some(text) = self.scope().get(&CROSS_SIGNING, (user, usage as u8))? else { return Ok(None) };
        let object = json::stored_object(&text)?;
        let public =
            public_key(&object).ok_or_else(|| Error::Damaged("a cross-signing key without a key".to_owned()))?;
        Ok(Some((public, object)))
    }

    /// Those of the keys that are not there already.
    fn changed<'a>(&self, user: &UserId, keys: &'a [Checked]) -> Result<Vec<&'a Checked>> {
        let mut changed = Vec::new();
        for key in keys {
            let there = self.cross_signing_key(user, key.usage)?;
            if !there.is_some_and(|(_, object)| signed_part(&object) == signed_part(&key.object)) {
                changed.push(key);
            }
        }
        Ok(changed)
    }

    /// The user's devices, if these keys end the signatures on them.
    fn devices_signed_anew(&self, user: &UserId, changed: &[&Checked]) -> Result<Vec<OwnedDeviceId>> {
        let is_new = changed.iter().any(|key| key.usage == Usage::SelfSigning);
        if !is_new || self.cross_signing_key(user, Usage::SelfSigning)?.is_none() {
            return Ok(Vec::new());
        }
        let devices = self.scope().scan(&DEVICE_KEYS, (user,)).keys()?.into_iter();
        Ok(devices.map(|(_, device)| device).collect())
    }

    fn put_cross_signing_key(&self, batch: &mut Batch, user: &UserId, key: &Checked, master: &str) -> Result<()> {
        let by_master = format!("ed25519:{master}");
        let signature = (key.usage != Usage::Master).then(|| signature_by(&key.object, user, &by_master)).flatten();
        let signature = signature.map(|signature| (user.as_str(), by_master.as_str(), signature));
        let stored = with_signatures(signed_part(&key.object), signature);
        batch.put(&CROSS_SIGNING, (user, key.usage as u8), &json::text(&stored)?);
        if key.usage != Usage::Master {
            return Ok(());
        }
        // The devices' signatures that came with the master key, if they verify.
        for (key_id, signature) in signatures_of(&key.object, user) {
            let Some(device) = key_id.strip_prefix("ed25519:") else { continue };
            let Some(keys) = self.device_keys(user, device.into())? else { continue };
            if signing_key(&keys, device.into()).is_some_and(|public| verifies(&key.object, public, signature)) {
                batch.put(&SIGNATURES, (user, key.public.as_str(), user, key_id), &signature.to_owned());
            }
        }
        Ok(())
    }

    /// Deletes the signatures on the user's keys that a change of these keys makes void.
    fn erase_own_signatures(&self, batch: &mut Batch, user: &UserId, changed: &[&Checked]) -> Result<()> {
        for key in changed {
            let Some((old, _)) = self.cross_signing_key(user, key.usage)? else { continue };
            match key.usage {
                // Those of others that are left, if they are very many, are shown to nobody: they are on no current key.
                Usage::Master => {
                    for row in self.scope().scan(&SIGNATURES, (user, old.as_str())).limit(ROWS_AT_ONCE).keys()? {
                        batch.delete(&SIGNATURES, row);
                    }
                }
                Usage::SelfSigning => {
                    let by_old = format!("ed25519:{old}");
                    for (_, device) in self.scope().scan(&DEVICE_KEYS, (user,)).keys()? {
                        batch.delete(&SIGNATURES, (user, device.as_str(), user, by_old.as_str()));
                    }
                }
                Usage::UserSigning => {}
            }
        }
        Ok(())
    }
}

/// Checks the shapes of the keys that were uploaded.
fn checked(user: &UserId, keys: &CrossSigningKeys) -> Result<Vec<Checked>> {
    let keys = [
        (Usage::Master, &keys.master),
        (Usage::SelfSigning, &keys.self_signing),
        (Usage::UserSigning, &keys.user_signing),
    ];
    let present = keys.into_iter().filter_map(|(usage, text)| Some((usage, text.as_deref()?)));
    let checked: Vec<_> = present.map(|(usage, text)| check(user, usage, text)).collect::<Result<_>>()?;
    let mut publics: Vec<_> = checked.iter().map(|key| &key.public).collect();
    publics.sort_unstable();
    publics.dedup();
    if publics.len() < checked.len() {
        return Err(Error::InvalidParam("One key has several usages".to_owned()));
    }
    Ok(checked)
}

pub(crate) fn check(user: &UserId, usage: Usage, text: &str) -> Result<Checked> {
    let wrong = |what: &str| Error::BadJson(format!("The {} key {what}", usage.name()));
    let object = json::canonical_object(text, "a cross-signing key", KEY_OBJECT_BYTES_MAX)?;
    let owner = object.get("user_id").and_then(CanonicalJsonValue::as_str);
    if owner.ok_or_else(|| wrong("must have a user_id"))? != user.as_str() {
        return Err(Error::InvalidParam("This cross-signing key is another user's".to_owned()));
    }
    let usages = object.get("usage").and_then(CanonicalJsonValue::as_array);
    let usages = usages.ok_or_else(|| wrong("must have a list of usages"))?;
    if !usages.iter().all(CanonicalJsonValue::is_string) || !usages.iter().any(|name| *name == usage.name()) {
        return Err(wrong("must have its usage"));
    }
    if object.get("signatures").is_some_and(|signatures| !signatures.is_object()) {
        return Err(wrong("must have an object of signatures"));
    }
    let public = public_key(&object).ok_or_else(|| wrong("must have one Ed25519 key of 32 bytes in base64"))?;
    Ok(Checked { usage, public, object })
}

/// The one public key of a cross-signing key, which is also its name.
pub(crate) fn public_key(object: &CanonicalJsonObject) -> Option<String> {
    let mut keys = object.get("keys")?.as_object()?.iter();
    let (name, key) = keys.next()?;
    let key = key.as_str()?;
    let valid = keys.next().is_none() && name.strip_prefix("ed25519:") == Some(key) && key_bytes(key).is_some();
    valid.then(|| key.to_owned())
}
