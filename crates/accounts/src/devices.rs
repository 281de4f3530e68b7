//! Devices: made by a session, named by their user, deleted with all that is theirs.

use kernel::{
    Timestamp,
    id::{DeviceId, OwnedDeviceId, UserId},
};

use crate::{Accounts, Result, accounts::later};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub id: OwnedDeviceId,
    pub display_name: Option<String>,
    pub created: Timestamp,
    pub last_seen_ip: Option<String>,
    pub last_seen_at: Option<Timestamp>,
}

impl Accounts {
    pub fn devices(&self, _user: &UserId) -> Result<Vec<Device>> {
        later()
    }

    pub fn device(&self, _user: &UserId, _device: &DeviceId) -> Result<Option<Device>> {
        later()
    }

    /// # Errors
    /// `NoSuchDevice`, `TooLarge`.
    pub async fn rename_device(&self, _user: &UserId, _device: &DeviceId, _name: Option<&str>) -> Result<()> {
        later()
    }

    /// Deletes the devices with their sessions, keys and inboxes; unknown ones are passed over.
    pub async fn delete_devices(&self, _user: &UserId, _devices: &[OwnedDeviceId]) -> Result<()> {
        later()
    }
}
