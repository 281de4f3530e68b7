//! The keys of a backup version, by room and session.

use kernel::id::{OwnedRoomId, RoomId, UserId};

use crate::{Accounts, BackupKey, KeysState, Result, accounts::later};

impl Accounts {
    /// Takes each key that is better than the one there, in one batch with the new count and etag.
    ///
    /// # Errors
    /// `WrongBackupVersion` when `version` is not the current one, `NotFound` when there is no backup at all, `BadJson`,
    /// `TooLarge`, `TooMany`.
    pub async fn put_backup_keys(
        &self,
        _user: &UserId,
        _version: &str,
        _keys: Vec<(OwnedRoomId, String, BackupKey)>,
    ) -> Result<KeysState> {
        later()
    }

    /// # Errors
    /// `NotFound` when there is no such version.
    pub fn backup_key(
        &self,
        _user: &UserId,
        _version: &str,
        _room: &RoomId,
        _session: &str,
    ) -> Result<Option<BackupKey>> {
        later()
    }

    /// At most `limit` keys, of one room or of all, after this (room, session).
    ///
    /// # Errors
    /// `NotFound` when there is no such version.
    pub fn backup_keys(
        &self,
        _user: &UserId,
        _version: &str,
        _room: Option<&RoomId>,
        _after: Option<(&RoomId, &str)>,
        _limit: usize,
    ) -> Result<Vec<(OwnedRoomId, String, BackupKey)>> {
        later()
    }

    /// Deletes all keys of the version, those of a room, or one (`session` needs `room`).
    ///
    /// # Errors
    /// `NotFound` when there is no such version.
    pub async fn delete_backup_keys(
        &self,
        _user: &UserId,
        _version: &str,
        _room: Option<&RoomId>,
        _session: Option<&str>,
    ) -> Result<KeysState> {
        later()
    }
}
