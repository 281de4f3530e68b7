//! Room tags: the `m.tag` account data of a room, changed tag by tag.

use std::collections::BTreeMap;

use kernel::id::{RoomId, UserId};

use crate::{Accounts, Result, accounts::later};

impl Accounts {
    /// Tag → its info, as JSON text.
    pub fn tags(&self, _user: &UserId, _room: &RoomId) -> Result<BTreeMap<String, String>> {
        later()
    }

    /// # Errors
    /// `BadJson`, `TooLarge`, `TooMany`.
    pub async fn set_tag(&self, _user: &UserId, _room: &RoomId, _tag: &str, _info: &str) -> Result<()> {
        later()
    }

    pub async fn delete_tag(&self, _user: &UserId, _room: &RoomId, _tag: &str) -> Result<()> {
        later()
    }
}
