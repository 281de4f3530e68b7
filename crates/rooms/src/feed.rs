//! What rooms announce in the tenant's feed, in the batch that makes it so.

use kernel::id::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use store::Topic;

use crate::Membership;

/// The topic of rooms in the feed.
pub const TOPIC: Topic = Topic(1);

/// An entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// An event joined the room's timeline.
    Event {
        room: OwnedRoomId,
        event_id: OwnedEventId,
        sender: OwnedUserId,
        member: Option<MemberChange>,
        /// The event that this one pruned.
        redacts: Option<OwnedEventId>,
    },
    /// A receipt moved.
    Receipt { room: OwnedRoomId, user: OwnedUserId, private: bool },
    /// The user forgot the room.
    Forgotten { room: OwnedRoomId, user: OwnedUserId },
    /// The room entered or left the public directory, or gained or lost an alias.
    Published { room: OwnedRoomId },
}

/// Whose membership the event changed, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChange {
    pub user: OwnedUserId,
    pub membership: Membership,
}

store::record! { Change: 1; }

impl Change {
    /// The room whose timeline or receipts a sync would now show differently.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::Event { room, .. } | Self::Receipt { room, .. } => Some(room),
            Self::Forgotten { .. } | Self::Published { .. } => None,
        }
    }

    /// The user whose list of rooms changed.
    pub fn membership_of(&self) -> Option<&UserId> {
        match self {
            Self::Event { member, .. } => member.as_ref().map(|member| member.user.as_ref()),
            Self::Forgotten { user, .. } => Some(user),
            Self::Receipt { .. } | Self::Published { .. } => None,
        }
    }
}
