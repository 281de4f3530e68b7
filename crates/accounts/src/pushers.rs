//! Pushers: where a user's devices want their notifications; they end with the session that set them.

use kernel::id::{DeviceId, OwnedDeviceId, UserId};
use store::Batch;

use crate::{
    Accounts, Change, Error, Result,
    accounts::{announce, check_length},
    json,
    tables::{DEVICES, PUSH_KEYS, PUSHERS, PusherRow},
};

/// Lengths of the specification (`POST /pushers/set`).
const APP_ID_BYTES_MAX: usize = 64;
const PUSHKEY_BYTES_MAX: usize = 512;
const JSON_BYTES_MAX: usize = 8_192;
/// Pushers of one user.
const PUSHERS_MAX: usize = 100;
/// Other users' pushers to the same place that one request takes away.
const OTHERS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pusher {
    pub app_id: String,
    pub pushkey: String,
    /// The device whose session set it.
    pub device: OwnedDeviceId,
    /// The rest of `POST /pushers/set`, as JSON text.
    pub json: String,
}

impl Accounts {
    pub fn pushers(&self, user: &UserId) -> Result<Vec<Pusher>> {
        let rows = self.scope().scan(&PUSHERS, (user,)).rows()?.into_iter();
        Ok(rows
            .map(|((_, app_id, pushkey), PusherRow { device, json })| Pusher { app_id, pushkey, device, json })
            .collect())
    }

    /// Adds the pusher, or replaces the one of the same `app_id` and `pushkey`. Without `append`, other users lose theirs
    /// of the same two: a phone has changed hands.
    ///
    /// # Errors
    /// `BadJson`, `TooLarge`, `TooMany`, `NoSuchDevice`.
    pub async fn set_pusher(&self, user: &UserId, pusher: Pusher, append: bool) -> Result<()> {
        let Pusher { app_id, pushkey, device, json } = pusher;
        check_length(&app_id, "an app id", APP_ID_BYTES_MAX)?;
        check_length(&pushkey, "a push key", PUSHKEY_BYTES_MAX)?;
        let json = json::compact_object(&json, "a pusher", JSON_BYTES_MAX)?;
        let _changing = self.change(user).await;
        if !self.scope().has(&DEVICES, (user, &*device))? {
            return Err(Error::NoSuchDevice);
        }
        let key = (user, app_id.as_str(), pushkey.as_str());
        if !self.scope().has(&PUSHERS, key)? && self.pushers(user)?.len() >= PUSHERS_MAX {
            return Err(Error::TooMany { what: "pushers", limit: PUSHERS_MAX });
        }
        let mut batch = self.scope().batch();
        if !append {
            let same = (app_id.as_str(), pushkey.as_str());
            for (_, _, other) in self.scope().scan(&PUSH_KEYS, same).limit(OTHERS_MAX).keys()? {
                if other != user {
                    delete(&mut batch, &other, &app_id, &pushkey);
                    announce(&mut batch, &Change::Pushers { user: other });
                }
            }
        }
        batch.put(&PUSHERS, key, &PusherRow { device, json });
        batch.put(&PUSH_KEYS, (app_id.as_str(), pushkey.as_str(), user), &());
        announce(&mut batch, &Change::Pushers { user: user.to_owned() });
        self.commit(batch).await?;
        Ok(())
    }

    /// No error if there is none.
    pub async fn delete_pusher(&self, user: &UserId, app_id: &str, pushkey: &str) -> Result<()> {
        check_length(app_id, "an app id", APP_ID_BYTES_MAX)?;
        check_length(pushkey, "a push key", PUSHKEY_BYTES_MAX)?;
        let _changing = self.change(user).await;
        if !self.scope().has(&PUSHERS, (user, app_id, pushkey))? {
            return Ok(());
        }
        let mut batch = self.scope().batch();
        delete(&mut batch, user, app_id, pushkey);
        announce(&mut batch, &Change::Pushers { user: user.to_owned() });
        self.commit(batch).await?;
        Ok(())
    }

    /// Deletes the pushers of a device's session.
    pub(crate) fn erase_pushers(&self, batch: &mut Batch, user: &UserId, device: &DeviceId) -> Result<()> {
        for pusher in self.pushers(user)?.into_iter().filter(|pusher| *pusher.device == *device) {
            delete(batch, user, &pusher.app_id, &pusher.pushkey);
            announce(batch, &Change::Pushers { user: user.to_owned() });
        }
        Ok(())
    }
}

fn delete(batch: &mut Batch, user: &UserId, app_id: &str, pushkey: &str) {
    batch.delete(&PUSHERS, (user, app_id, pushkey));
    batch.delete(&PUSH_KEYS, (app_id, pushkey, user));
}

#[cfg(test)]
mod tests;
