//! Server-side key backup: versions, and the keys of each (spec, "Server-side key backups").

pub(crate) mod keys;

use kernel::id::UserId;

use crate::{
    Accounts, Error, Result,
    accounts::check_length,
    json,
    tables::{BACKUPS, BackupRow, ERASURES},
};

const ALGORITHM_BYTES_MAX: usize = 255;
const AUTH_DATA_BYTES_MAX: usize = 65_536;
/// Versions that a user may have beside deleted ones.
const VERSIONS_MAX: usize = 100;

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
    /// Starts a new, empty version, which is the current one from then on. Returns its number.
    ///
    /// # Errors
    /// `BadJson`, `TooLarge`, `TooMany`, `NoSuchUser`, `Deactivated`.
    pub async fn create_backup(&self, user: &UserId, algorithm: &str, auth_data: &str) -> Result<String> {
        check_length(algorithm, "an algorithm", ALGORITHM_BYTES_MAX)?;
        let auth_data = json::compact_object(auth_data, "auth_data", AUTH_DATA_BYTES_MAX)?;
        let _changing = self.change(user).await;
        self.living(user)?;
        let last = self.scope().scan(&BACKUPS, (user,)).backward().limit(VERSIONS_MAX).rows()?;
        if last.len() == VERSIONS_MAX && last.iter().all(|(_, row)| !row.deleted) {
            return Err(Error::TooMany { what: "key backups", limit: VERSIONS_MAX });
        }
        let version = last.first().map_or(0, |((_, version), _)| *version) + 1;
        let row = BackupRow { algorithm: algorithm.to_owned(), auth_data, etag: 0, count: 0, deleted: false };
        let mut batch = self.scope().batch();
        batch.put(&BACKUPS, (user, version), &row);
        self.commit(batch).await?;
        Ok(version.to_string())
    }

    /// This version, or the current one when `None`.
    pub fn backup(&self, user: &UserId, version: Option<&str>) -> Result<Option<BackupVersion>> {
        let found = match version {
            Some(version) => self.find_backup(user, version)?,
            None => self.current_backup(user)?,
        };
        Ok(found.map(|(version, row)| BackupVersion {
            version: version.to_string(),
            state: state(&row),
            algorithm: row.algorithm,
            auth_data: row.auth_data,
        }))
    }

    /// Replaces the version's `auth_data`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParam` when the algorithm is another; `BadJson`; `TooLarge`.
    pub async fn update_backup(&self, user: &UserId, version: &str, algorithm: &str, auth_data: &str) -> Result<()> {
        let auth_data = json::compact_object(auth_data, "auth_data", AUTH_DATA_BYTES_MAX)?;
        let _changing = self.change(user).await;
        let (version, mut row) = self.find_backup(user, version)?.ok_or_else(no_such_backup)?;
        if row.algorithm != algorithm {
            return Err(Error::InvalidParam("The algorithm of a backup cannot be changed".to_owned()));
        }
        row.auth_data = auth_data;
        let mut batch = self.scope().batch();
        batch.put(&BACKUPS, (user, version), &row);
        self.commit(batch).await?;
        Ok(())
    }

    /// Deletes the version at once, and its keys in the background; no error if it was deleted before.
    ///
    /// # Errors
    /// `NotFound` when there never was one.
    pub async fn delete_backup(&self, user: &UserId, version: &str) -> Result<()> {
        let _changing = self.change(user).await;
        let version = parse(version).ok_or_else(no_such_backup)?;
        let row = self.scope().get(&BACKUPS, (user, version))?.ok_or_else(no_such_backup)?;
        if row.deleted {
            return Ok(());
        }
        let row = BackupRow { auth_data: "{}".to_owned(), count: 0, deleted: true, ..row };
        let mut batch = self.scope().batch();
        batch.put(&BACKUPS, (user, version), &row);
        batch.put(&ERASURES, (user, version), &());
        self.commit(batch).await?;
        Ok(())
    }

    /// A version that is not deleted.
    fn find_backup(&self, user: &UserId, version: &str) -> Result<Option<(u64, BackupRow)>> {
        let Some(version) = parse(version) else { return Ok(None) };
        let row = self.scope().get(&BACKUPS, (user, version))?;
        Ok(row.filter(|row| !row.deleted).map(|row| (version, row)))
    }

    /// The newest version that is not deleted.
    fn current_backup(&self, user: &UserId) -> Result<Option<(u64, BackupRow)>> {
        let rows = self.scope().scan(&BACKUPS, (user,)).backward().limit(VERSIONS_MAX * 10).rows()?;
        Ok(rows.into_iter().find(|(_, row)| !row.deleted).map(|((_, version), row)| (version, row)))
    }
}

/// A version as we write it: no sign, no leading zero.
fn parse(version: &str) -> Option<u64> {
    version.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == version)
}

fn state(row: &BackupRow) -> KeysState {
    KeysState { etag: row.etag.to_string(), count: row.count }
}

fn no_such_backup() -> Error {
    Error::NotFound("key backup")
}

#[cfg(test)]
mod tests;
