//! The keys of a backup version, by room and session.

use std::collections::BTreeMap;

use kernel::id::{OwnedRoomId, RoomId, UserId};

use super::{no_such_backup, state};
use crate::{
    Accounts, BackupKey, Error, KeysState, Result,
    accounts::check_length,
    json,
    tables::{BACKUP_KEYS, BACKUPS, BackupKeyRow},
};

const SESSION_DATA_BYTES_MAX: usize = 65_536;
const SESSION_ID_BYTES_MAX: usize = 255;
/// Keys of one version.
const KEYS_MAX: u64 = 500_000;
/// Keys of one page, and keys deleted by one batch.
const PAGE_MAX: usize = 5_000;

impl Accounts {
    /// Takes each key that is better than the one there, in one batch with the new count and etag.
    ///
    /// # Errors
    /// `WrongBackupVersion` when `version` is not the current one, `NotFound` when there is no backup at all, `BadJson`,
    /// `TooLarge`, `TooMany`.
    pub async fn put_backup_keys(
        &self,
        user: &UserId,
        version: &str,
        keys: Vec<(OwnedRoomId, String, BackupKey)>,
    ) -> Result<KeysState> {
        let mut best = BTreeMap::new();
        for (room, session, key) in keys {
            check_length(&session, "a session id", SESSION_ID_BYTES_MAX)?;
            let row = checked(key)?;
            match best.entry((room, session)) {
                std::collections::btree_map::Entry::Occupied(mut other) if is_better(&row, other.get()) => {
                    other.insert(row);
                }
                std::collections::btree_map::Entry::Occupied(_) => {}
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(row);
                }
            }
        }
        let _changing = self.change(user).await;
        let (number, mut backup) = self.current_backup(user)?.ok_or_else(no_such_backup)?;
        if number.to_string() != version {
            return Err(Error::WrongBackupVersion { current: Some(number.to_string()) });
        }
        let names: Vec<_> = best.keys().map(|(room, session)| (user, number, &**room, session.as_str())).collect();
        let there = self.scope().multi_get(&BACKUP_KEYS, &names)?;
        let mut batch = self.scope().batch();
        for (((room, session), row), old) in best.iter().zip(there) {
            if old.as_ref().is_some_and(|old| !is_better(row, old)) {
                continue;
            }
            backup.count += u64::from(old.is_none());
            batch.put(&BACKUP_KEYS, (user, number, &**room, session.as_str()), row);
        }
        if batch.is_empty() {
            return Ok(state(&backup));
        }
        if backup.count > KEYS_MAX {
            let limit = usize::try_from(KEYS_MAX).unwrap_or(usize::MAX);
            return Err(Error::TooMany { what: "keys of a backup", limit });
        }
        backup.etag += 1;
        batch.put(&BACKUPS, (user, number), &backup);
        self.commit(batch).await?;
        Ok(state(&backup))
    }

    /// # Errors
    /// `NotFound` when there is no such version.
    pub fn backup_key(&self, user: &UserId, version: &str, room: &RoomId, session: &str) -> Result<Option<BackupKey>> {
        let (version, _) = self.find_backup(user, version)?.ok_or_else(no_such_backup)?;
        if session.len() > SESSION_ID_BYTES_MAX {
            return Ok(None);
        }
        Ok(self.scope().get(&BACKUP_KEYS, (user, version, room, session))?.map(key))
    }

    /// At most `limit` keys, of one room or of all, after this (room, session).
    ///
    /// # Errors
    /// `NotFound` when there is no such version.
    pub fn backup_keys(
        &self,
        user: &UserId,
        version: &str,
        room: Option<&RoomId>,
        after: Option<(&RoomId, &str)>,
        limit: usize,
    ) -> Result<Vec<(OwnedRoomId, String, BackupKey)>> {
        let (version, _) = self.find_backup(user, version)?.ok_or_else(no_such_backup)?;
        let mut scan = match room {
            Some(room) => self.scope().scan(&BACKUP_KEYS, (user, version, room)),
            None => self.scope().scan(&BACKUP_KEYS, (user, version)),
        };
        if let Some((room, session)) = after {
            scan = scan.after((user, version, room, session));
        }
        let rows = scan.limit(limit.min(PAGE_MAX)).rows()?.into_iter();
        Ok(rows.map(|((_, _, room, session), row)| (room, session, key(row))).collect())
    }

    /// Deletes all keys of the version, those of a room, or one (`session` needs `room`).
    ///
    /// # Errors
    /// `NotFound` when there is no such version; `InvalidParam` for a session without a room.
    pub async fn delete_backup_keys(
        &self,
        user: &UserId,
        version: &str,
        room: Option<&RoomId>,
        session: Option<&str>,
    ) -> Result<KeysState> {
        let _changing = self.change(user).await;
        let (number, mut backup) = self.find_backup(user, version)?.ok_or_else(no_such_backup)?;
        loop {
            let scan = match (room, session) {
                (None, None) => self.scope().scan(&BACKUP_KEYS, (user, number)),
                (Some(room), None) => self.scope().scan(&BACKUP_KEYS, (user, number, room)),
                (Some(room), Some(session)) => {
                    check_length(session, "a session id", SESSION_ID_BYTES_MAX)?;
                    let one = (user, number, room, session);
                    self.scope().scan(&BACKUP_KEYS, (user, number, room)).from(one).through(one)
                }
                (None, Some(_)) => return Err(Error::InvalidParam("A session needs its room".to_owned())),
            };
            let keys = scan.limit(PAGE_MAX).keys()?;
            if keys.is_empty() {
                return Ok(state(&backup));
            }
            backup.count = backup.count.saturating_sub(u64::try_from(keys.len()).unwrap_or(u64::MAX));
            backup.etag += 1;
            let mut batch = self.scope().batch();
            for key in keys {
                batch.delete(&BACKUP_KEYS, key);
            }
            batch.put(&BACKUPS, (user, number), &backup);
            self.commit(batch).await?;
        }
    }
}

fn checked(key: BackupKey) -> Result<BackupKeyRow> {
    Ok(BackupKeyRow {
        first_message_index: key.first_message_index,
        forwarded_count: key.forwarded_count,
        is_verified: key.is_verified,
        session_data: json::compact_object(&key.session_data, "session_data", SESSION_DATA_BYTES_MAX)?,
    })
}

fn key(row: BackupKeyRow) -> BackupKey {
    let BackupKeyRow { first_message_index, forwarded_count, is_verified, session_data } = row;
    BackupKey { first_message_index, forwarded_count, is_verified, session_data }
}

/// Whether `new` replaces `old`: verified before unverified, then the lower first index, then the lower forwarded count
/// (spec, `PUT /room_keys/keys`).
fn is_better(new: &BackupKeyRow, old: &BackupKeyRow) -> bool {
    let rank = |row: &BackupKeyRow| (!row.is_verified, row.first_message_index, row.forwarded_count);
    rank(new) < rank(old)
}
