//! When and from where each device was last seen: kept in memory, written now and then, not durable by design.

use std::{collections::HashMap, time::Duration};

use kernel::{
    Timestamp,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
};
use parking_lot::Mutex;

use crate::{
    Accounts, Result,
    tables::{DEVICES, SEEN, SeenRow},
};

/// Between two writes.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);
/// Requests that come sooner after the last one tell nothing new.
const RESOLUTION: Duration = Duration::from_secs(5);
/// Users remembered between two writes; those beyond are not noted.
const USERS_MAX: usize = 50_000;
/// Longest text of an address.
const IP_BYTES_MAX: usize = 64;
/// Rows of one batch.
const ROWS_AT_ONCE: usize = 1_000;

#[derive(Default)]
pub(crate) struct SeenDevices(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    devices: HashMap<OwnedUserId, HashMap<OwnedDeviceId, SeenRow>>,
    written: Timestamp,
}

impl SeenDevices {
    pub(crate) fn get(&self, user: &UserId, device: &DeviceId) -> Option<SeenRow> {
        self.0.lock().devices.get(user)?.get(device).cloned()
    }

    pub(crate) fn forget(&self, user: &UserId, device: &DeviceId) {
        if let Some(devices) = self.0.lock().devices.get_mut(user) {
            devices.remove(device);
        }
    }

    fn note(&self, user: &UserId, device: &DeviceId, ip: &str, now: Timestamp) {
        let mut noted = self.0.lock();
        if let Some(row) = noted.devices.get_mut(user).and_then(|devices| devices.get_mut(device)) {
            if row.ip != ip || now.since(row.at) >= RESOLUTION {
                *row = SeenRow { ip: ip.to_owned(), at: now };
            }
        } else if noted.devices.len() < USERS_MAX {
            let row = SeenRow { ip: ip.to_owned(), at: now };
            noted.devices.entry(user.to_owned()).or_default().insert(device.to_owned(), row);
        }
    }

    /// All that was noted, if it is time to write again.
    fn take(&self, now: Timestamp) -> HashMap<OwnedUserId, HashMap<OwnedDeviceId, SeenRow>> {
        let mut noted = self.0.lock();
        if now.since(noted.written) < WRITE_INTERVAL {
            return HashMap::new();
        }
        noted.written = now;
        std::mem::take(&mut noted.devices)
    }
}

impl Accounts {
    /// Notes a request of this device. Cheap; written at most once a minute per device by [`crate::Sweeper`].
    pub fn seen(&self, user: &UserId, device: &DeviceId, ip: &str) {
        if ip.len() <= IP_BYTES_MAX {
            self.inner.seen.note(user, device, ip, self.now());
        }
    }

    /// Writes what was noted.
    pub(crate) async fn write_seen(&self) -> Result<()> {
        let noted = self.inner.seen.take(self.now()).into_iter();
        let rows: Vec<_> =
            noted.flat_map(|(user, devices)| devices.into_iter().map(move |row| (user.clone(), row))).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let mut batch = self.scope().batch();
            for (user, (device, row)) in rows {
                if self.scope().has(&DEVICES, (&**user, &**device))? {
                    batch.put(&SEEN, (&**user, &**device), row);
                }
            }
            self.commit(batch).await?;
        }
        Ok(())
    }
}
