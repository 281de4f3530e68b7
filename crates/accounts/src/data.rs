//! Account data: what clients keep on the server for their user, globally and per room.

use std::collections::HashSet;

use kernel::id::{EventId, OwnedUserId, RoomId, UserId};

use crate::{Accounts, Result, accounts::later};

/// Whether this type has an endpoint of its own and is refused by [`Accounts::set_data`].
pub fn is_managed(kind: &str) -> bool {
    matches!(kind, "m.fully_read" | "m.push_rules")
}

impl Accounts {
    /// Sets global account data (`room` is `None`) or that of a room. `content` is a JSON object; `{}` unsets.
    ///
    /// # Errors
    /// `Managed`, `BadJson`, `TooLarge`, `TooMany`.
    pub async fn set_data(&self, _user: &UserId, _room: Option<&RoomId>, _kind: &str, _content: &str) -> Result<()> {
        later()
    }

    /// The content as JSON text; `None` if it was never set. `m.push_rules` is there too.
    pub fn data(&self, _user: &UserId, _room: Option<&RoomId>, _kind: &str) -> Result<Option<String>> {
        later()
    }

    /// Sets `m.fully_read` of the room, as `POST /read_markers` does.
    pub async fn set_fully_read(&self, _user: &UserId, _room: &RoomId, _event: &EventId) -> Result<()> {
        later()
    }

    /// The users whom this one ignores, by `m.ignored_user_list`.
    pub fn ignores(&self, _user: &UserId) -> Result<HashSet<OwnedUserId>> {
        later()
    }
}
