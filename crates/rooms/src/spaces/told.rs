//! A room of a hierarchy as servers tell each other of it (spec, `GET /_matrix/federation/v1/hierarchy`).

use kernel::id::OwnedRoomId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Child;
use crate::Summary;

/// The summary of a room; what another server leaves out is what the specification says it then is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) room_id: OwnedRoomId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canonical_alias: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join_rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed_room_ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_version: Option<String>,
    num_joined_members: u64,
    world_readable: bool,
    guest_can_join: bool,
    /// Of the room that was asked for only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    children_state: Option<Vec<Box<RawValue>>>,
}

impl Told {
    pub(crate) fn new(room_id: OwnedRoomId, summary: Summary) -> Self {
        let allowed = summary.allowed_rooms.into_iter().map(|room| room.to_string());
        let restricted = summary.join_rule.as_deref().is_some_and(|rule| rule.ends_with("restricted"));
        Self {
            room_id,
            name: summary.name,
            topic: summary.topic,
            avatar_url: summary.avatar_url,
            canonical_alias: summary.canonical_alias,
            join_rule: Some(summary.join_rule.unwrap_or_else(|| "invite".to_owned())),
            allowed_room_ids: restricted.then(|| allowed.collect()),
            room_type: summary.room_type,
            encryption: summary.encryption,
            room_version: Some(summary.room_version),
            num_joined_members: summary.joined,
            world_readable: summary.world_readable,
            guest_can_join: summary.guest_can_join,
            children_state: None,
        }
    }

    /// The same with the links of a space.
    pub(crate) fn with_children(self, children: &[Child]) -> Self {
        let raw = |child: &Child| RawValue::from_string(child.json.clone()).ok();
        Self { children_state: Some(children.iter().filter_map(raw).collect()), ..self }
    }
}
