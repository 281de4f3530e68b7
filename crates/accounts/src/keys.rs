//! Public keys of end-to-end encryption: of devices, for one session each, for cross-signing, and signatures over them.

pub(crate) mod counts;
pub(crate) mod cross_signing;
pub(crate) mod device;
pub(crate) mod device_lists;
pub(crate) mod for_others;
pub(crate) mod one_time;
pub(crate) mod query;
pub(crate) mod signatures;
pub(crate) mod upload;
pub(crate) mod verify;

use std::collections::BTreeMap;

use kernel::{
    Kind,
    id::{OwnedDeviceId, OwnedUserId},
};

/// `POST /keys/upload`, each part as JSON text.
#[derive(Clone, Debug, Default)]
pub struct KeyUpload {
    pub device_keys: Option<String>,
    /// `algorithm:key_id` → a key object or string.
    pub one_time_keys: BTreeMap<String, String>,
    pub fallback_keys: BTreeMap<String, String>,
}

/// `POST /keys/device_signing/upload`, each key as JSON text.
#[derive(Clone, Debug, Default)]
pub struct CrossSigningKeys {
    pub master: Option<String>,
    pub self_signing: Option<String>,
    pub user_signing: Option<String>,
}

/// A user's keys as one caller may see them, as JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserKeys {
    /// With the signatures and the `unsigned.device_display_name`.
    pub devices: BTreeMap<OwnedDeviceId, String>,
    pub master: Option<String>,
    pub self_signing: Option<String>,
    /// Only for its owner.
    pub user_signing: Option<String>,
}

/// A one-time or fallback key that is the claimer's from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedKey {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    /// `algorithm:key_id`
    pub key_id: String,
    /// The key object or string, as JSON text.
    pub key: String,
}

/// Why an uploaded signature was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFailure {
    pub kind: Kind,
    pub reason: String,
}

#[cfg(test)]
mod tests;
