//! Account data: what clients keep on the server for their user, globally and per room.

use std::collections::HashSet;

use kernel::id::{EventId, OwnedUserId, RoomId, UserId};
use store::{Batch, blob};

use crate::{
    Accounts, Change, Error, Result, TOPIC,
    accounts::check_length,
    json, push_rules,
    tables::{DATA, DATA_BLOBS, DATA_LOG, DATA_USAGE, DataKey, DataRow},
};

/// Longest content of one type.
const CONTENT_BYTES_MAX: usize = 1_048_576;
/// All of a user's account data.
const USER_BYTES_MAX: u64 = 50_000_000;
const KIND_BYTES_MAX: usize = 255;
/// Contents up to here lie in their row; longer ones in a blob.
const INLINE_BYTES_MAX: usize = 65_536;
/// What a row counts beyond its content.
const ROW_BYTES: u64 = 100;
/// Users that one user may ignore.
const IGNORED_MAX: usize = 10_000;
const FULLY_READ: &str = "m.fully_read";
const IGNORED_USERS: &str = "m.ignored_user_list";

/// Whether this type has an endpoint of its own and is refused by [`Accounts::set_data`].
pub fn is_managed(kind: &str) -> bool {
    matches!(kind, FULLY_READ | push_rules::KIND)
}

impl Accounts {
    /// Sets global account data (`room` is `None`) or that of a room. `content` is a JSON object; `{}` unsets.
    ///
    /// # Errors
    /// `Managed`, `BadJson`, `InvalidParam`, `TooLarge`, `NoSuchUser`, `Deactivated`.
    pub async fn set_data(&self, user: &UserId, room: Option<&RoomId>, kind: &str, content: &str) -> Result<()> {
        if is_managed(kind) {
            return Err(Error::Managed(kind.to_owned()));
        }
        let content = json::compact_object(content, "account data", CONTENT_BYTES_MAX)?;
        let _changing = self.change(user).await;
        self.write_data(user, room, kind, &content).await
    }

    /// The content as JSON text; `None` if it was never set. `m.push_rules` is there too.
    pub fn data(&self, user: &UserId, room: Option<&RoomId>, kind: &str) -> Result<Option<String>> {
        if kind.len() > KIND_BYTES_MAX {
            return Ok(None);
        }
        if room.is_none() && kind == push_rules::KIND {
            return self.push_rules_content(user).map(Some);
        }
        let Some(row) = self.scope().get(&DATA, (user, room_key(room), kind))? else { return Ok(None) };
        self.content(user, room_key(room), kind, row.value).map(Some)
    }

    /// Sets `m.fully_read` of the room, as `POST /read_markers` does.
    pub async fn set_fully_read(&self, user: &UserId, room: &RoomId, event: &EventId) -> Result<()> {
        let content = serde_json::json!({ "event_id": event }).to_string();
        let _changing = self.change(user).await;
        self.write_data(user, Some(room), FULLY_READ, &content).await
    }

    /// The users whom this one ignores, by `m.ignored_user_list`.
    pub fn ignores(&self, user: &UserId) -> Result<HashSet<OwnedUserId>> {
        let Some(content) = self.data(user, None, IGNORED_USERS)? else { return Ok(HashSet::new()) };
        let content: serde_json::Value = serde_json::from_str(&content).unwrap_or_default();
        let ignored = content.get("ignored_users").and_then(serde_json::Value::as_object);
        let ids = ignored.into_iter().flatten().filter_map(|(id, _)| UserId::parse(id).ok());
        Ok(ids.take(IGNORED_MAX).collect())
    }

    /// Writes checked content. For a caller that holds the user's changes.
    pub(crate) async fn write_data(
        &self,
        user: &UserId,
        room: Option<&RoomId>,
        kind: &str,
        content: &str,
    ) -> Result<()> {
        check_length(kind, "a type of account data", KIND_BYTES_MAX)?;
        if kind.is_empty() {
            return Err(Error::InvalidParam("Account data needs a type".to_owned()));
        }
        self.living(user)?;
        let key = (user, room_key(room), kind);
        let before = self.scope().get(&DATA, key)?;
        let mut batch = self.scope().batch();
        let (old_inline, old_blob) = before.as_ref().map_or((0, 0), |before| length(&before.value));
        self.count_usage(&mut batch, user, before.is_some(), old_inline + old_blob, content.len())?;
        let row = if content.len() > INLINE_BYTES_MAX {
            blob::put(&mut batch, &DATA_BLOBS, key, content.as_bytes(), old_blob);
            DataRow::Blob(u32::try_from(content.len()).unwrap_or(u32::MAX))
        } else {
            blob::put(&mut batch, &DATA_BLOBS, key, &[], old_blob);
            DataRow::Inline(content.to_owned())
        };
        if let Some(before) = before {
            batch.delete(&DATA_LOG, (user, before.position));
        }
        let stamp = batch.stamp();
        batch.put_stamped(&DATA, key, stamp, &row);
        let entry = DataKey { room: room_key(room).to_owned(), kind: kind.to_owned() };
        batch.put(&DATA_LOG, (user, stamp), &entry);
        let change =
            Change::AccountData { user: user.to_owned(), room: room.map(ToOwned::to_owned), kind: kind.to_owned() };
        batch.announce(TOPIC, stamp, &change);
        self.commit(batch).await?;
        Ok(())
    }

    fn count_usage(&self, batch: &mut Batch, user: &UserId, there: bool, old: usize, new: usize) -> Result<()> {
        let bytes = |length| u64::try_from(length).unwrap_or(u64::MAX);
        let used = self.scope().get(&DATA_USAGE, (user,))?.unwrap_or_default();
        let used = used.saturating_sub(bytes(old)) + bytes(new) + if there { 0 } else { ROW_BYTES };
        if used > USER_BYTES_MAX && new > old {
            let limit = usize::try_from(USER_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(Error::TooLarge { what: "all account data together", limit });
        }
        batch.put(&DATA_USAGE, (user,), &used);
        Ok(())
    }

    /// The content of a row.
    pub(crate) fn content(&self, user: &UserId, room: &str, kind: &str, row: DataRow) -> Result<String> {
        match row {
            DataRow::Inline(content) => Ok(content),
            DataRow::Blob(_) => {
                let blob = blob::get(self.scope(), &DATA_BLOBS, (user, room, kind))?.unwrap_or_default();
                String::from_utf8(blob.into()).map_err(|error| Error::Damaged(error.to_string()))
            }
        }
    }
}

/// How a room is written in keys; global account data has no room.
pub(crate) fn room_key(room: Option<&RoomId>) -> &str {
    room.map_or("", |room| room.as_str())
}

/// Bytes of the content: in the row, or in a blob.
fn length(row: &DataRow) -> (usize, usize) {
    match row {
        DataRow::Inline(content) => (content.len(), 0),
        DataRow::Blob(bytes) => (0, usize::try_from(*bytes).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests;
