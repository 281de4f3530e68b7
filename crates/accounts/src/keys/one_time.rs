//! One-time keys, each given out once, and fallback keys for when none is left.
//!
//! A claim deletes the key under the precondition that it is still there, and answers once that is on disk: no crash and
//! no race hands one out twice (hazard K4). The keys of claims under way are remembered, so that claims at the same time
//! take different keys and share a write.

use kernel::{
    Position,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
};
use store::Batch;

use crate::{
    Accounts, Change, ClaimedKey, Error, Result,
    accounts::announce,
    tables::{DEVICES, FALLBACK_KEYS, FallbackKeyRow, ONE_TIME_KEYS, OneTimeKeyRow},
};

/// The algorithm that clients use, counted even when there is none left.
pub const ONE_TIME_KEY_ALGORITHM: &str = "signed_curve25519";

/// One-time keys that a device may have on the server.
pub(crate) const ONE_TIME_KEYS_MAX: usize = 1_000;
/// Devices of one claim.
pub(crate) const REQUESTS_MAX: usize = 5_000;
/// Times that a claim starts again because another took the same key.
const ATTEMPTS_MAX: usize = 20;

/// A key of [`ONE_TIME_KEYS`] that a claim is about to delete.
pub(crate) type InFlight = (OwnedUserId, OwnedDeviceId, String, Position, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    pub algorithm: String,
}

/// Keys reserved by one attempt of a claim; given back when it ends, however it ends.
struct Reserved<'a> {
    accounts: &'a Accounts,
    keys: Vec<InFlight>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut claims = self.accounts.inner.claims.lock();
        for key in &self.keys {
            claims.remove(key);
        }
    }
}

impl Accounts {
    /// Takes one key for each request that has one; the oldest first, then the fallback key. No one-time key is ever given
    /// out twice: it is gone from disk before this returns.
    ///
    /// # Errors
    /// `TooMany`; `Conflict` if other claims keep taking the same keys.
    pub async fn claim_keys(&self, requests: &[ClaimRequest]) -> Result<Vec<ClaimedKey>> {
        if requests.len() > REQUESTS_MAX {
            return Err(Error::TooMany { what: "keys of one claim", limit: REQUESTS_MAX });
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut batch = self.scope().batch();
            let mut reserved = Reserved { accounts: self, keys: Vec::new() };
            let mut claimed = Vec::new();
            for request in requests {
                claimed.extend(self.claim_one(&mut batch, &mut reserved, request)?);
            }
            if batch.is_empty() {
                return Ok(claimed);
            }
            match self.commit(batch).await {
                Ok(_) => return Ok(claimed),
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    fn claim_one(
        &self,
        batch: &mut Batch,
        reserved: &mut Reserved<'_>,
        request: &ClaimRequest,
    ) -> Result<Option<ClaimedKey>> {
        let ClaimRequest { user, device, algorithm } = request;
        if !self.scope().has(&DEVICES, (&**user, &**device))? {
            return Ok(None);
        }
        let change = Change::OneTimeKeys { user: user.clone(), device: device.clone() };
        let claimed = |key_id, key| Some(ClaimedKey { user: user.clone(), device: device.clone(), key_id, key });
        if let Some((key, row)) = self.reserve(request)? {
            batch.expect(&ONE_TIME_KEYS, key.clone(), Some(&row));
            batch.delete(&ONE_TIME_KEYS, key.clone());
            reserved.keys.push(key);
            announce(batch, &change);
            return Ok(claimed(row.key_id, row.json));
        }
        let key = (&**user, &**device, algorithm.as_str());
        let Some(row) = self.scope().get(&FALLBACK_KEYS, key)? else { return Ok(None) };
        if !row.used {
            batch.expect(&FALLBACK_KEYS, key, Some(&row));
            batch.put(&FALLBACK_KEYS, key, &FallbackKeyRow { used: true, ..row.clone() });
            announce(batch, &change);
        }
        Ok(claimed(row.key_id, row.json))
    }

    /// The oldest key that no other claim is about to take.
    fn reserve(&self, request: &ClaimRequest) -> Result<Option<(InFlight, OneTimeKeyRow)>> {
        let ClaimRequest { user, device, algorithm } = request;
        let prefix = (&**user, &**device, algorithm.as_str());
        // The first is nearly always free.
        for limit in [1, 16, ONE_TIME_KEYS_MAX] {
            let rows = self.scope().scan(&ONE_TIME_KEYS, prefix).limit(limit).rows()?;
            let last = rows.len() < limit;
            let mut claims = self.inner.claims.lock();
            if let Some((key, row)) = rows.into_iter().find(|(key, _)| !claims.contains(key)) {
                claims.insert(key.clone());
                return Ok(Some((key, row)));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    pub(crate) fn erase_one_time_keys(&self, batch: &mut Batch, user: &UserId, device: &DeviceId) -> Result<()> {
        for row in self.scope().scan(&ONE_TIME_KEYS, (user, device)).keys()? {
            batch.delete(&ONE_TIME_KEYS, row);
        }
        for row in self.scope().scan(&FALLBACK_KEYS, (user, device)).keys()? {
            batch.delete(&FALLBACK_KEYS, row);
        }
        Ok(())
    }
}
