//! Device keys, and the record of whose device list changed when.

use std::collections::BTreeMap;

use kernel::{
    Position,
    id::{DeviceId, OwnedUserId, UserId},
};

use crate::{Accounts, KeyUpload, Result, accounts::later};

impl Accounts {
    /// Takes device keys, one-time keys and fallback keys, all or none; returns the counts of one-time keys.
    ///
    /// # Errors
    /// `BadJson`, `InvalidParam` (another user's or device's keys), `InvalidSignature`, `TooLarge`, `TooMany`,
    /// `OneTimeKeyConflict`, `NoSuchDevice`.
    pub async fn upload_keys(
        &self,
        _user: &UserId,
        _device: &DeviceId,
        _upload: KeyUpload,
    ) -> Result<BTreeMap<String, u64>> {
        later()
    }

    /// The local users whose devices or keys changed after `since`, up to and including `upto`.
    pub fn device_list_changes(&self, _since: Position, _upto: Position) -> Result<Vec<OwnedUserId>> {
        later()
    }

    /// When the user's devices or keys last changed: the `stream_id` of federation; the start if never.
    pub fn device_list_position(&self, _user: &UserId) -> Result<Position> {
        later()
    }
}
