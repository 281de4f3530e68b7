//! One-time keys, each given out once, and fallback keys for when none is left.

use std::collections::BTreeMap;

use kernel::id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId};

use crate::{Accounts, ClaimedKey, Result, accounts::later};

/// The algorithm that clients use, counted even when there is none left.
pub const ONE_TIME_KEY_ALGORITHM: &str = "signed_curve25519";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    pub algorithm: String,
}

impl Accounts {
    /// One-time keys left, by algorithm.
    pub fn one_time_key_counts(&self, _user: &UserId, _device: &DeviceId) -> Result<BTreeMap<String, u64>> {
        later()
    }

    /// Algorithms for which the device has a fallback key that was not given out yet.
    pub fn unused_fallback_algorithms(&self, _user: &UserId, _device: &DeviceId) -> Result<Vec<String>> {
        later()
    }

    /// Takes one key for each request that has one; the oldest first, then the fallback key. No one-time key is ever given
    /// out twice: it is gone from disk before this returns.
    pub async fn claim_keys(&self, _requests: &[ClaimRequest]) -> Result<Vec<ClaimedKey>> {
        later()
    }
}
