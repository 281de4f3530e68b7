//! What `/keys/query` answers for a local user.

use std::collections::BTreeMap;

use kernel::id::{OwnedDeviceId, OwnedUserId, UserId};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};

use super::{cross_signing::Usage, verify::with_signatures};
use crate::{
    Accounts, Result, UserKeys, json,
    tables::{CROSS_SIGNING, DEVICE_KEYS, DEVICES, SIGNATURES},
};

/// Where the name of a device stands, in `unsigned`.
pub(crate) const DISPLAY_NAME: &str = "device_display_name";

/// (signer, key id, signature)
type Signatures = Vec<(OwnedUserId, String, String)>;

impl Accounts {
    /// The keys of `user` as `caller` may see them (`None`: another server), of these devices, or of all when the list is
    /// empty. `None`: no such user, or a deactivated one.
    pub fn query_keys(
        &self,
        caller: Option<&UserId>,
        user: &UserId,
        devices: &[OwnedDeviceId],
    ) -> Result<Option<UserKeys>> {
        if !self.is_active(user)? {
            return Ok(None);
        }
        let mut keys = UserKeys::default();
        for ((_, device), text) in self.scope().scan(&DEVICE_KEYS, (user,)).rows()? {
            if devices.is_empty() || devices.contains(&device) {
                let object = signed(json::stored_object(&text)?, &self.own_signatures(user, device.as_str())?);
                // Other servers are not told the names of devices.
                let name = match caller {
                    Some(_) => self.scope().get(&DEVICES, (user, &*device))?.and_then(|row| row.display_name),
                    None => None,
                };
                keys.devices.insert(device, json::text(&with_display_name(object, name))?);
            }
        }
        if let Some((public, object)) = self.cross_signing_key(user, Usage::Master)? {
            let mut signatures = self.own_signatures(user, &public)?;
            if let Some(caller) = caller.filter(|caller| *caller != user) {
                signatures.extend(self.signature_by_user(caller, user, &public)?);
            }
            keys.master = Some(json::text(&signed(object, &signatures))?);
        }
        let text = |usage| self.scope().get(&CROSS_SIGNING, (user, usage as u8));
        keys.self_signing = text(Usage::SelfSigning)?;
        if caller == Some(user) {
            keys.user_signing = text(Usage::UserSigning)?;
        }
        Ok(Some(keys))
    }

    /// The signatures on one of the user's keys by others of the user's keys.
    fn own_signatures(&self, user: &UserId, target: &str) -> Result<Signatures> {
        let rows = self.scope().scan(&SIGNATURES, (user, target, user)).rows()?.into_iter();
        Ok(rows.map(|((_, _, signer, key_id), signature)| (signer, key_id, signature)).collect())
    }

    /// The signature on the user's master key by the caller's current user-signing key, which nobody else sees.
    pub(crate) fn signature_by_user(
        &self,
        caller: &UserId,
        user: &UserId,
        master: &str,
    ) -> Result<Option<(OwnedUserId, String, String)>> {
        let Some((key, _)) = self.cross_signing_key(caller, Usage::UserSigning)? else { return Ok(None) };
        let key_id = format!("ed25519:{key}");
        let signature = self.scope().get(&SIGNATURES, (user, master, caller, key_id.as_str()))?;
        Ok(signature.map(|signature| (caller.to_owned(), key_id, signature)))
    }
}

/// Device keys with the name that people gave the device.
pub(crate) fn with_display_name(mut object: CanonicalJsonObject, name: Option<String>) -> CanonicalJsonObject {
    if let Some(name) = name {
        let unsigned = BTreeMap::from([(DISPLAY_NAME.to_owned(), name.into())]);
        object.insert("unsigned".to_owned(), CanonicalJsonValue::Object(unsigned));
    }
    object
}

pub(crate) fn signed(object: CanonicalJsonObject, signatures: &Signatures) -> CanonicalJsonObject {
    let signatures = signatures.iter().map(|(signer, key_id, signature)| (signer.as_str(), &**key_id, &**signature));
    with_signatures(object, signatures)
}
