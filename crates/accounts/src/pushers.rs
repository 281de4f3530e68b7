//! Pushers: where a user's devices want their notifications; they end with the session that set them.

use kernel::id::{OwnedDeviceId, UserId};

use crate::{Accounts, Result, accounts::later};

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
    pub fn pushers(&self, _user: &UserId) -> Result<Vec<Pusher>> {
        later()
    }

    /// Adds the pusher, or replaces the one of the same `app_id` and `pushkey`; `append`: other users may keep one of the
    /// same two.
    ///
    /// # Errors
    /// `TooLarge`, `TooMany`, `NoSuchDevice`.
    pub async fn set_pusher(&self, _user: &UserId, _pusher: Pusher, _append: bool) -> Result<()> {
        later()
    }

    /// No error if there is none.
    pub async fn delete_pusher(&self, _user: &UserId, _app_id: &str, _pushkey: &str) -> Result<()> {
        later()
    }
}
