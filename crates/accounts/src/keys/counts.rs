//! How many one-time keys a device has left: shown by every sync, so kept in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kernel::id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId};
use quick_cache::sync::Cache;

use super::one_time::ONE_TIME_KEY_ALGORITHM;
use crate::{
    Accounts, Change, Result,
    tables::{FALLBACK_KEYS, ONE_TIME_KEYS},
};

/// Devices whose counts are kept in memory, per tenant.
const DEVICES_MAX: usize = 20_000;

struct Counts {
    one_time: BTreeMap<String, u64>,
    unused_fallback: Vec<String>,
}

/// Counts that were read since the last change of a device's keys.
pub(crate) struct KeyCounts {
    known: Cache<(OwnedUserId, OwnedDeviceId), Arc<Counts>>,
    /// Counts changes of any device's keys: what was read before one must not be kept after it.
    changes: AtomicU64,
}

impl KeyCounts {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(DEVICES_MAX), changes: AtomicU64::new(0) }
    }

    /// Takes in what a commit announced.
    pub(crate) fn update(&self, change: &Change) {
        if let Change::OneTimeKeys { user, device } | Change::SessionEnded { user, device } = change {
            self.changes.fetch_add(1, Ordering::SeqCst);
            self.known.remove(&(user.clone(), device.clone()));
        }
    }

    fn get(&self, key: (OwnedUserId, OwnedDeviceId), count: impl FnOnce() -> Result<Counts>) -> Result<Arc<Counts>> {
        if let Some(counts) = self.known.get(&key) {
            return Ok(counts);
        }
        let before = self.changes.load(Ordering::SeqCst);
        let counts = Arc::new(count()?);
        self.known.insert(key.clone(), counts.clone());
        if self.changes.load(Ordering::SeqCst) != before {
            self.known.remove(&key);
        }
        Ok(counts)
    }
}

impl Accounts {
    /// One-time keys left, by algorithm.
    pub fn one_time_key_counts(&self, user: &UserId, device: &DeviceId) -> Result<BTreeMap<String, u64>> {
        Ok(self.key_counts(user, device)?.one_time.clone())
    }

    /// Algorithms for which the device has a fallback key that was not given out yet.
    pub fn unused_fallback_algorithms(&self, user: &UserId, device: &DeviceId) -> Result<Vec<String>> {
        Ok(self.key_counts(user, device)?.unused_fallback.clone())
    }

    fn key_counts(&self, user: &UserId, device: &DeviceId) -> Result<Arc<Counts>> {
        self.inner.key_counts.get((user.to_owned(), device.to_owned()), || {
            let mut one_time = BTreeMap::from([(ONE_TIME_KEY_ALGORITHM.to_owned(), 0)]);
            for (_, _, algorithm, _, _) in self.scope().scan(&ONE_TIME_KEYS, (user, device)).keys()? {
                *one_time.entry(algorithm).or_default() += 1;
            }
            let fallback = self.scope().scan(&FALLBACK_KEYS, (user, device)).rows()?.into_iter();
            let unused = fallback.filter(|(_, row)| !row.used).map(|((_, _, algorithm), _)| algorithm);
            Ok(Counts { one_time, unused_fallback: unused.collect() })
        })
    }
}
