//! To-device messages that wait for their device.

use kernel::{
    Position,
    id::{DeviceId, OwnedUserId, UserId},
};
use ruma_common::to_device::DeviceIdOrAllDevices;

use crate::{Accounts, Result, accounts::later};

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToDevice {
    pub user: OwnedUserId,
    pub device: DeviceIdOrAllDevices,
    /// JSON object.
    pub content: String,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    pub position: Position,
    pub sender: OwnedUserId,
    pub kind: String,
    /// JSON object.
    pub content: String,
}

impl Accounts {
    /// Puts the messages into the inboxes of those local devices that exist. The same transaction id of the same device
    /// and `kind` is done once, also across restarts.
    ///
    /// # Errors
    /// `BadJson`, `TooLarge`.
    pub async fn send_to_device(
        &self,
        _sender: &UserId,
        _sender_device: &DeviceId,
        _kind: &str,
        _txn_id: &str,
        _messages: Vec<ToDevice>,
    ) -> Result<()> {
        later()
    }

    /// At most `limit` messages after `after`, up to and including `upto`, oldest first.
    pub fn inbox(
        &self,
        _user: &UserId,
        _device: &DeviceId,
        _after: Position,
        _upto: Position,
        _limit: usize,
    ) -> Result<Vec<InboxItem>> {
        later()
    }

    /// The device has seen its messages up to and including this position: they are deleted in the background. Losing
    /// that in a crash does no harm, for readers ask for what comes after.
    pub fn delete_up_to(&self, _user: &UserId, _device: &DeviceId, _position: Position) -> Result<()> {
        later()
    }
}
