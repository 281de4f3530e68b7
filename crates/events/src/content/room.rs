//! What else a room's state says about it: how one gets in, who reads the past, and what it is called.

use kernel::id::{OwnedRoomAliasId, OwnedRoomId};
use serde::{Deserialize, Serialize};

use super::lenient::{lenient, list, read};
use crate::Pdu;

/// Who may join (`m.room.join_rules`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinRule {
    Public,
    /// Also what a rule that cannot be read comes to: the closed door.
    #[default]
    Invite,
    Knock,
    Restricted,
    KnockRestricted,
    Private,
}

impl JoinRule {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Restricted => "restricted",
            Self::KnockRestricted => "knock_restricted",
            Self::Private => "private",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinRulesContent {
    pub join_rule: JoinRule,
    /// The rooms whose members may join, by the conditions `m.room_membership` of `allow`.
    pub allowed_rooms: Vec<OwnedRoomId>,
}

impl JoinRulesContent {
    pub fn of(event: &Pdu) -> Self {
        #[derive(Default, Deserialize)]
        struct Fields {
            #[serde(default, deserialize_with = "lenient")]
            join_rule: Option<JoinRule>,
            #[serde(default, deserialize_with = "list")]
            allow: Vec<Condition>,
        }
        #[derive(Deserialize)]
        struct Condition {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default, deserialize_with = "lenient")]
            room_id: Option<OwnedRoomId>,
        }
        let fields: Fields = read(event);
        let rooms = fields.allow.into_iter().filter(|condition| condition.kind == "m.room_membership");
        Self {
            join_rule: fields.join_rule.unwrap_or_default(),
            allowed_rooms: rooms.filter_map(|condition| condition.room_id).collect(),
        }
    }
}

/// Who may read what was said before they joined (`m.room.history_visibility`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryVisibility {
    WorldReadable,
    /// Also what the specification assumes when there is none, or none that is understood.
    #[default]
    Shared,
    Invited,
    Joined,
}

impl HistoryVisibility {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WorldReadable => "world_readable",
            Self::Shared => "shared",
            Self::Invited => "invited",
            Self::Joined => "joined",
        }
    }
}

pub fn history_visibility(event: &Pdu) -> HistoryVisibility {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        history_visibility: Option<HistoryVisibility>,
    }
    read::<Fields>(event).history_visibility.unwrap_or_default()
}

/// `m.room.guest_access`.
pub fn guests_may_join(event: &Pdu) -> bool {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        guest_access: Option<String>,
    }
    read::<Fields>(event).guest_access.as_deref() == Some("can_join")
}

/// `m.room.canonical_alias`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CanonicalAliasContent {
    #[serde(default, deserialize_with = "lenient")]
    pub alias: Option<OwnedRoomAliasId>,
    #[serde(default, deserialize_with = "list")]
    pub alt_aliases: Vec<OwnedRoomAliasId>,
}

impl CanonicalAliasContent {
    pub fn of(event: &Pdu) -> Self {
        read(event)
    }
}

/// `m.room.encryption`: how the room is encrypted, if it is. Once it was, an event that cannot be read does not undo it:
/// that is for the caller to hold.
pub fn encryption_algorithm(event: &Pdu) -> Option<String> {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        algorithm: Option<String>,
    }
    read::<Fields>(event).algorithm
}

/// `m.room.name`; an empty name is none.
pub fn name(event: &Pdu) -> Option<String> {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        name: Option<String>,
    }
    read::<Fields>(event).name.filter(|name| !name.is_empty())
}

/// `m.room.topic`; an empty topic is none.
pub fn topic(event: &Pdu) -> Option<String> {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        topic: Option<String>,
    }
    read::<Fields>(event).topic.filter(|topic| !topic.is_empty())
}

/// The `mxc:` address of `m.room.avatar`.
pub fn avatar_url(event: &Pdu) -> Option<String> {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        url: Option<String>,
    }
    read::<Fields>(event).url.filter(|url| !url.is_empty())
}

/// The room that `m.room.tombstone` sends people to.
pub fn replacement_room(event: &Pdu) -> Option<OwnedRoomId> {
    #[derive(Default, Deserialize)]
    struct Fields {
        #[serde(default, deserialize_with = "lenient")]
        replacement_room: Option<OwnedRoomId>,
    }
    read::<Fields>(event).replacement_room
}
