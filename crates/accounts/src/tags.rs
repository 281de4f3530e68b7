//! Room tags: the `m.tag` account data of a room, changed tag by tag.

use std::collections::BTreeMap;

use kernel::id::{RoomId, UserId};
use serde_json::{Map, Value, json};

use crate::{Accounts, Error, Result, accounts::check_length, json::compact_value};

const KIND: &str = "m.tag";
const TAGS: &str = "tags";
/// Tags of one room.
const TAGS_MAX: usize = 100;
/// Longest tag (spec, "Room tagging").
const TAG_BYTES_MAX: usize = 255;
const INFO_BYTES_MAX: usize = 1_024;

impl Accounts {
    /// Tag → its info, as JSON text.
    pub fn tags(&self, user: &UserId, room: &RoomId) -> Result<BTreeMap<String, String>> {
        Ok(self.stored_tags(user, room)?.into_iter().map(|(tag, info)| (tag, info.to_string())).collect())
    }

    /// # Errors
    /// `BadJson`, `InvalidParam`, `TooLarge`, `TooMany`.
    pub async fn set_tag(&self, user: &UserId, room: &RoomId, tag: &str, info: &str) -> Result<()> {
        check_length(tag, "a tag", TAG_BYTES_MAX)?;
        if tag.is_empty() {
            return Err(Error::InvalidParam("A tag is not empty".to_owned()));
        }
        let info = compact_value(info, "a tag", INFO_BYTES_MAX)?;
        if !info.is_object() {
            return Err(Error::BadJson("a tag must be a JSON object".to_owned()));
        }
        if info.get("order").is_some_and(|order| !order.is_number()) {
            return Err(Error::BadJson("a tag's order must be a number".to_owned()));
        }
        let _changing = self.change(user).await;
        let mut tags = self.stored_tags(user, room)?;
        tags.insert(tag.to_owned(), info);
        if tags.len() > TAGS_MAX {
            return Err(Error::TooMany { what: "tags of a room", limit: TAGS_MAX });
        }
        self.write_tags(user, room, tags).await
    }

    /// No error if there is none.
    pub async fn delete_tag(&self, user: &UserId, room: &RoomId, tag: &str) -> Result<()> {
        let _changing = self.change(user).await;
        let mut tags = self.stored_tags(user, room)?;
        if tags.remove(tag).is_none() {
            return Ok(());
        }
        self.write_tags(user, room, tags).await
    }

    /// What is not of the right shape, set through account data, counts as nothing.
    fn stored_tags(&self, user: &UserId, room: &RoomId) -> Result<Map<String, Value>> {
        let Some(content) = self.data(user, Some(room), KIND)? else { return Ok(Map::new()) };
        let mut content: Value = serde_json::from_str(&content).unwrap_or_default();
        Ok(match content.get_mut(TAGS).map(Value::take) {
            Some(Value::Object(tags)) => tags,
            _ => Map::new(),
        })
    }

    async fn write_tags(&self, user: &UserId, room: &RoomId, tags: Map<String, Value>) -> Result<()> {
        self.write_data(user, Some(room), KIND, &json!({ TAGS: tags }).to_string()).await
    }
}
