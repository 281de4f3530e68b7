//! A space and the rooms in it as servers tell each other of them (spec, `GET /_matrix/federation/v1/hierarchy`).

use kernel::id::{OwnedRoomId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{CHILDREN_MAX, Child};
use crate::Summary;

/// An answer: a room, and of those that it links to what the server that asks may be told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hierarchy {
    pub(crate) room: Told,
    pub(crate) children: Vec<Told>,
    pub(crate) inaccessible_children: Vec<OwnedRoomId>,
}

impl Hierarchy {
    /// Another server's answer about this room; rooms among it that cannot be read are left out.
    pub(crate) fn read(room: &RoomId, json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            room: Told,
            #[serde(default)]
            children: Vec<Box<RawValue>>,
            #[serde(default)]
            inaccessible_children: Vec<String>,
        }
        let answer: Answer = serde_json::from_str(json).ok().filter(|answer: &Answer| answer.room.room_id == room)?;
        let children =
            answer.children.iter().take(CHILDREN_MAX).filter_map(|told| serde_json::from_str(told.get()).ok());
        let closed = answer.inaccessible_children.into_iter().take(CHILDREN_MAX).filter_map(|id| id.try_into().ok());
        Some(Self { room: answer.room, children: children.collect(), inaccessible_children: closed.collect() })
    }
}

/// The summary of a room; what another server leaves out is what the specification says it then is.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    allowed_room_ids: Option<Vec<Value>>,
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
        let allowed = summary.allowed_rooms.into_iter().map(|room| Value::from(room.as_str()));
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

    /// The links of the space, in their order.
    pub(crate) fn children(&self) -> Vec<Child> {
        let told = self.children_state.iter().flatten().take(CHILDREN_MAX);
        let mut children: Vec<Child> = told.filter_map(|json| Child::told(json)).collect();
        children.sort_unstable();
        children
    }

    pub(crate) fn is_space(&self) -> bool {
        self.room_type.as_deref() == Some("m.space")
    }

    /// Everybody may come in if nothing is said of it.
    pub(crate) fn join_rule(&self) -> &str {
        self.join_rule.as_deref().unwrap_or("public")
    }

    pub(crate) fn is_world_readable(&self) -> bool {
        self.world_readable
    }

    pub(crate) fn allowed_rooms(&self) -> Vec<OwnedRoomId> {
        let named = self.allowed_room_ids.iter().flatten();
        named.filter_map(|room| room.as_str()?.try_into().ok()).collect()
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            name: self.name.clone(),
            topic: self.topic.clone(),
            avatar_url: self.avatar_url.clone(),
            canonical_alias: self.canonical_alias.clone(),
            join_rule: Some(self.join_rule().to_owned()),
            allowed_rooms: self.allowed_rooms(),
            room_type: self.room_type.clone(),
            encryption: self.encryption.clone(),
            room_version: self.room_version.clone().unwrap_or_default(),
            joined: self.num_joined_members,
            world_readable: self.world_readable,
            guest_can_join: self.guest_can_join,
        }
    }
}
