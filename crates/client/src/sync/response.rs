//! The answer of `/v3/sync` (spec, `GET /sync`), written as it goes on the wire: events are JSON text already.
//!
//! Not ruma's type, for the state at a timeline's end goes out under both of its names: `state_after`, and the one that
//! js-sdk still reads (`facts/clients.md` §2.1, MSC4222).

use std::collections::BTreeMap;

use kernel::id::{OwnedRoomId, OwnedUserId};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Default, Serialize)]
pub(super) struct Answer {
    pub(super) next_batch: String,
    #[serde(skip_serializing_if = "Events::is_empty")]
    pub(super) account_data: Events,
    #[serde(skip_serializing_if = "Rooms::is_empty")]
    pub(super) rooms: Rooms,
    #[serde(skip_serializing_if = "Events::is_empty")]
    pub(super) to_device: Events,
    #[serde(skip_serializing_if = "DeviceLists::is_empty")]
    pub(super) device_lists: DeviceLists,
    pub(super) device_one_time_keys_count: BTreeMap<String, u64>,
    pub(super) device_unused_fallback_key_types: Vec<String>,
}

impl Answer {
    /// Whether there is nothing that a client waits for.
    pub(super) fn is_empty(&self) -> bool {
        self.account_data.is_empty()
            && self.rooms.is_empty()
            && self.to_device.is_empty()
            && self.device_lists.is_empty()
    }
}

#[derive(Default, Serialize)]
pub(super) struct Events {
    pub(super) events: Vec<Box<RawValue>>,
}

impl Events {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[derive(Default, Serialize)]
pub(super) struct Rooms {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) join: BTreeMap<OwnedRoomId, Joined>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) invite: BTreeMap<OwnedRoomId, Invited>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) knock: BTreeMap<OwnedRoomId, Knocked>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) leave: BTreeMap<OwnedRoomId, Left>,
}

impl Rooms {
    fn is_empty(&self) -> bool {
        self.join.is_empty() && self.invite.is_empty() && self.knock.is_empty() && self.leave.is_empty()
    }
}

#[derive(Default, Serialize)]
pub(super) struct Joined {
    pub(super) summary: Summary,
    pub(super) timeline: Timeline,
    #[serde(flatten)]
    pub(super) state: State,
    pub(super) account_data: Events,
    pub(super) ephemeral: Events,
    pub(super) unread_notifications: Unread,
}

#[derive(Default, Serialize)]
pub(super) struct Left {
    pub(super) timeline: Timeline,
    #[serde(flatten)]
    pub(super) state: State,
    pub(super) account_data: Events,
}

/// The state before the timeline, or, for those who ask so, after it.
#[derive(Default, Serialize)]
pub(super) struct State {
    #[serde(rename = "state", skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Events>,
    #[serde(rename = "state_after", skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<SharedEvents>,
    #[serde(rename = "org.matrix.msc4222.state_after", skip_serializing_if = "Option::is_none")]
    pub(super) after_unstable: Option<SharedEvents>,
}

/// [`Events`] that are written twice.
#[derive(Clone, Default)]
pub(super) struct SharedEvents(pub(super) std::sync::Arc<Events>);

impl Serialize for SharedEvents {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[derive(Default, Serialize)]
pub(super) struct Timeline {
    pub(super) events: Vec<Box<RawValue>>,
    pub(super) limited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prev_batch: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct Summary {
    #[serde(rename = "m.heroes", skip_serializing_if = "Option::is_none")]
    pub(super) heroes: Option<Vec<OwnedUserId>>,
    #[serde(rename = "m.joined_member_count", skip_serializing_if = "Option::is_none")]
    pub(super) joined: Option<u64>,
    #[serde(rename = "m.invited_member_count", skip_serializing_if = "Option::is_none")]
    pub(super) invited: Option<u64>,
}

/// Counts for badges; push rules are evaluated in a later version, until then nothing is counted.
#[derive(Default, Serialize)]
pub(super) struct Unread {
    highlight_count: u64,
    notification_count: u64,
}

#[derive(Serialize)]
pub(super) struct Invited {
    pub(super) invite_state: Events,
}

#[derive(Serialize)]
pub(super) struct Knocked {
    pub(super) knock_state: Events,
}

#[derive(Default, Serialize)]
pub(crate) struct DeviceLists {
    pub(crate) changed: Vec<OwnedUserId>,
    pub(crate) left: Vec<OwnedUserId>,
}

impl DeviceLists {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.left.is_empty()
    }
}
