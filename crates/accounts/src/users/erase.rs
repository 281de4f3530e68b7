//! Deactivation: the account is shut in one batch, then erased piece by piece, and a crash in between is made good.

use kernel::{Progress, id::UserId};
use store::{
    Prefix, Record, Table, blob,
    codec::{Part, Stands},
};

use crate::{
    Accounts, Change, Error, Result,
    accounts::announce,
    tables::{
        BACKUP_KEYS, BACKUPS, CONSENTS, CROSS_SIGNING, DATA, DATA_BLOBS, DATA_LOG, DATA_USAGE, DataRow, ERASURES,
        FILTERS, PRECREATED, PROFILES, RESET_WINDOWS, SIGNATURES, SIGNED, USERS,
    },
};

/// Rows deleted by one batch.
const ROWS_AT_ONCE: usize = 2_000;
/// Stands for all of the account in [`ERASURES`], where other numbers are backup versions.
const WHOLE_ACCOUNT: u64 = 0;

impl Accounts {
    /// Ends the account for ever: sessions, devices, keys, data, profile and address are erased; the user id and the
    /// identity stay taken, so that neither can come back as somebody else.
    ///
    /// # Errors
    /// `NoSuchUser`. Deactivating twice is no error.
    pub async fn deactivate(&self, user: &UserId) -> Result<()> {
        {
            let _changing = self.change(user).await;
            let mut row = match self.living(user) {
                Ok(row) => row,
                Err(Error::Deactivated) => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut batch = self.scope().batch();
            if let Some(email) = row.email.take()
                && row.identity.is_none()
            {
                batch.delete(&PRECREATED, (email.as_str(),));
            }
            row.deactivated = true;
            row.admin = false;
            batch.put(&USERS, (user,), &row);
            batch.delete(&PROFILES, (user,));
            batch.put(&ERASURES, (user, WHOLE_ACCOUNT), &());
            announce(&mut batch, &Change::User { user: user.to_owned() });
            announce(&mut batch, &Change::Profile { user: user.to_owned() });
            self.commit(batch).await?;
        }
        self.erase_account(user).await
    }

    /// Goes on with what is marked to be erased: one account or one backup version.
    pub(crate) async fn erase_next(&self) -> Result<Progress> {
        let Some(((user, version), ())) = self.scope().scan(&ERASURES, ()).first()? else { return Ok(Progress::Idle) };
        if version == WHOLE_ACCOUNT {
            self.erase_account(&user).await?;
        } else {
            self.erase_backup_keys(&user, version).await?;
        }
        Ok(Progress::Busy)
    }

    async fn erase_account(&self, user: &UserId) -> Result<()> {
        let devices: Vec<_> = self.devices(user)?.into_iter().map(|device| device.id).collect();
        self.delete_devices(user, &devices).await?;
        let _changing = self.change(user).await;
        self.erase_rows(&SIGNATURES, (user,)).await?;
        self.erase_rows(&SIGNED, (user,)).await?;
        self.erase_data(user).await?;
        self.erase_rows(&DATA_LOG, (user,)).await?;
        self.erase_rows(&FILTERS, (user,)).await?;
        self.erase_rows(&CONSENTS, (user,)).await?;
        self.erase_rows(&BACKUP_KEYS, (user,)).await?;
        self.erase_rows(&BACKUPS, (user,)).await?;
        let mut batch = self.scope().batch();
        if !self.scope().scan(&CROSS_SIGNING, (user,)).keys()?.is_empty() {
            self.note_device_list(&mut batch, user, &[])?;
        }
        for key in self.scope().scan(&CROSS_SIGNING, (user,)).keys()? {
            batch.delete(&CROSS_SIGNING, key);
        }
        batch.delete(&DATA_USAGE, (user,));
        batch.delete(&RESET_WINDOWS, (user,));
        for key in self.scope().scan(&ERASURES, (user,)).keys()? {
            batch.delete(&ERASURES, key);
        }
        self.commit(batch).await?;
        Ok(())
    }

    /// Deletes the keys of a deleted backup version.
    pub(crate) async fn erase_backup_keys(&self, user: &UserId, version: u64) -> Result<()> {
        self.erase_rows(&BACKUP_KEYS, (user, version)).await?;
        let mut batch = self.scope().batch();
        batch.delete(&ERASURES, (user, version));
        self.commit(batch).await?;
        Ok(())
    }

    async fn erase_data(&self, user: &UserId) -> Result<()> {
        loop {
            let rows = self.scope().scan(&DATA, (user,)).limit(ROWS_AT_ONCE).rows()?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = self.scope().batch();
            for ((_, room, kind), row) in rows {
                let key = (user, room.as_str(), kind.as_str());
                batch.delete(&DATA, key);
                if let DataRow::Blob(bytes) = row.value {
                    blob::put(&mut batch, &DATA_BLOBS, key, &[], usize::try_from(bytes).unwrap_or(usize::MAX));
                }
            }
            self.commit(batch).await?;
        }
    }

    /// Deletes all rows under `prefix`, some at a time.
    async fn erase_rows<K, V, P>(&self, table: &Table<K, V>, prefix: P) -> Result<()>
    where
        K: Part + Stands<K>,
        V: Record,
        P: Prefix<K> + Clone,
    {
        loop {
            let keys = self.scope().scan(table, prefix.clone()).limit(ROWS_AT_ONCE).keys()?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut batch = self.scope().batch();
            for key in keys {
                batch.delete(table, key);
            }
            self.commit(batch).await?;
        }
    }
}
