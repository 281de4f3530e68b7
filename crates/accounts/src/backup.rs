//! Server-side key backup: versions, and the keys of each (spec, "Server-side key backups").

pub(crate) mod keys;

use kernel::id::UserId;

use crate::{Accounts, Result, accounts::later};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupVersion {
    pub version: String,
    pub algorithm: String,
    /// JSON object.
    pub auth_data: String,
    pub state: KeysState,
}

/// What changes with the keys of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysState {
    pub etag: String,
    pub count: u64,
}

/// One room key in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupKey {
    pub first_message_index: u64,
    pub forwarded_count: u64,
    pub is_verified: bool,
    /// JSON object.
    pub session_data: String,
}

impl Accounts {
    /// Starts a new, empty version, which is the current one from then on.
    pub async fn create_backup(&self, _user: &UserId, _algorithm: &str, _auth_data: &str) -> Result<String> {
        later()
    }

    /// This version, or the current one when `None`.
    pub fn backup(&self, _user: &UserId, _version: Option<&str>) -> Result<Option<BackupVersion>> {
        later()
    }

    /// Replaces the version's `auth_data`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParam` when the algorithm is another; `BadJson`; `TooLarge`.
    pub async fn update_backup(
        &self,
        _user: &UserId,
        _version: &str,
        _algorithm: &str,
        _auth_data: &str,
    ) -> Result<()> {
        later()
    }

    /// Deletes the version and its keys; no error if it was deleted before.
    ///
    /// # Errors
    /// `NotFound` when there never was one.
    pub async fn delete_backup(&self, _user: &UserId, _version: &str) -> Result<()> {
        later()
    }
}
