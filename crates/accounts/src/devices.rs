//! Devices: made by a session, named by their user, deleted with all that is theirs.

use kernel::{
    Timestamp,
    id::{DeviceId, OwnedDeviceId, UserId},
};
use store::Batch;

use crate::{
    Accounts, Change, Error, Result,
    accounts::{announce, check_length},
    keys::device_lists::Part,
    sessions::forget_tokens,
    tables::{DEVICE_KEYS, DEVICES, DeviceRow, SEEN, SESSIONS, SeenRow},
};

/// Devices of one user. One more, and the one that was not seen for longest makes room.
const DEVICES_MAX: usize = 100;
/// Longest name of a device.
const NAME_BYTES_MAX: usize = 256;
/// Longest device id; the specification gives no grammar.
const ID_BYTES_MAX: usize = 255;
/// Length of the ids that we make up, in letters.
const ID_LENGTH: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub id: OwnedDeviceId,
    pub display_name: Option<String>,
    pub created: Timestamp,
    pub last_seen_ip: Option<String>,
    pub last_seen_at: Option<Timestamp>,
}

impl Accounts {
    pub fn devices(&self, user: &UserId) -> Result<Vec<Device>> {
        let rows = self.scope().scan(&DEVICES, (user,)).rows()?;
        rows.into_iter().map(|((_, id), row)| self.with_seen(user, id, row)).collect()
    }

    pub fn device(&self, user: &UserId, device: &DeviceId) -> Result<Option<Device>> {
        let Some(row) = self.scope().get(&DEVICES, (user, device))? else { return Ok(None) };
        self.with_seen(user, device.to_owned(), row).map(Some)
    }

    fn with_seen(&self, user: &UserId, id: OwnedDeviceId, row: DeviceRow) -> Result<Device> {
        let seen: Option<SeenRow> = match self.inner.seen.get(user, &id) {
            Some(seen) => Some(seen),
            None => self.scope().get(&SEEN, (user, &*id))?,
        };
        let (last_seen_ip, last_seen_at) = seen.map(|seen| (seen.ip, seen.at)).unzip();
        Ok(Device { id, display_name: row.display_name, created: row.created, last_seen_ip, last_seen_at })
    }

    /// # Errors
    /// `NoSuchDevice`, `TooLarge`.
    pub async fn rename_device(&self, user: &UserId, device: &DeviceId, name: Option<&str>) -> Result<()> {
        check_length(name.unwrap_or_default(), "a device's name", NAME_BYTES_MAX)?;
        let _changing = self.change(user).await;
        let mut row = self.scope().get(&DEVICES, (user, device))?.ok_or(Error::NoSuchDevice)?;
        if row.display_name.as_deref() == name {
            return Ok(());
        }
        row.display_name = name.map(str::to_owned);
        let mut batch = self.scope().batch();
        batch.put(&DEVICES, (user, device), &row);
        if self.scope().has(&DEVICE_KEYS, (user, device))? {
            // The name is part of what others of this server are told about the device; other servers are not.
            self.note_device_list(&mut batch, user, &[])?;
        }
        self.commit(batch).await?;
        Ok(())
    }

    /// Deletes the devices with their sessions, keys and inboxes; unknown ones are passed over.
    pub async fn delete_devices(&self, user: &UserId, devices: &[OwnedDeviceId]) -> Result<()> {
        let _changing = self.change(user).await;
        self.delete_devices_of(user, devices).await
    }

    /// The same for a caller that holds the user's changes already.
    pub(crate) async fn delete_devices_of(&self, user: &UserId, devices: &[OwnedDeviceId]) -> Result<()> {
        for device in devices {
            if !self.scope().has(&DEVICES, (user, &**device))? {
                continue;
            }
            let mut batch = self.scope().batch();
            self.erase_device(&mut batch, user, device)?;
            self.commit(batch).await?;
            // A message may have come between our reading of the inbox and the end of the device; none comes after.
            let mut rest = self.scope().batch();
            self.erase_inbox(&mut rest, user, device)?;
            if !rest.is_empty() {
                self.commit(rest).await?;
            }
        }
        Ok(())
    }

    /// Adds the device to the batch of its session, unless it is there. Returns its id.
    pub(crate) fn add_device(
        &self,
        batch: &mut Batch,
        user: &UserId,
        device: Option<OwnedDeviceId>,
        display_name: Option<String>,
    ) -> Result<OwnedDeviceId> {
        let device = device.unwrap_or_else(|| self.random().letters(ID_LENGTH).into());
        let id = device.as_str();
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
            return Err(Error::InvalidParam("This cannot be a device id".to_owned()));
        }
        check_length(display_name.as_deref().unwrap_or_default(), "a device's name", NAME_BYTES_MAX)?;
        if self.scope().has(&DEVICES, (user, &*device))? {
            return Ok(device);
        }
        let mut others = self.devices(user)?;
        if others.len() >= DEVICES_MAX {
            others.sort_by_key(|other| other.last_seen_at.unwrap_or(other.created));
            if let Some(oldest) = others.first() {
                self.erase_device(batch, user, &oldest.id)?;
            }
        }
        // What came late for an earlier device of this id.
        batch.delete(&SEEN, (user, &*device));
        self.erase_inbox(batch, user, &device)?;
        let mut instance = [0; 8];
        self.random().fill(&mut instance);
        let row = DeviceRow { instance, display_name, created: self.now() };
        batch.put(&DEVICES, (user, &*device), &row);
        Ok(device)
    }

    /// Deletes a device with all that is its own, so that another of the same id starts clean (hazard K6).
    fn erase_device(&self, batch: &mut Batch, user: &UserId, device: &DeviceId) -> Result<()> {
        let scope = self.scope();
        let key = (user, device);
        if let Some(session) = scope.get(&SESSIONS, key)? {
            forget_tokens(batch, &session);
            batch.delete(&SESSIONS, key);
        }
        batch.delete(&DEVICES, key);
        batch.delete(&SEEN, key);
        self.inner.seen.forget(user, device);
        let had_keys = scope.has(&DEVICE_KEYS, key)?;
        batch.delete(&DEVICE_KEYS, key);
        self.erase_signatures(batch, user, device)?;
        self.erase_one_time_keys(batch, user, device)?;
        self.erase_inbox(batch, user, device)?;
        self.erase_pushers(batch, user, device)?;
        if had_keys {
            self.note_device_list(batch, user, &[Part::Device(device)])?;
        }
        announce(batch, &Change::SessionEnded { user: user.to_owned(), device: device.to_owned() });
        Ok(())
    }
}
