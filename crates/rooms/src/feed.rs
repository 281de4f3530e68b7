//! What rooms announce in the tenant's feed, in the batch that makes it so.

use kernel::id::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
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
        /// It was stored before, without a place in the room.
        known: bool,
        /// The servers that it must be sent to: for an event that was made here, or reached the room by way of this server.
        to: Vec<OwnedServerName>,
    },
    /// Memberships that became so, or ceased to be, by no event of the timeline: where branches of the room's graph met, or
    /// outside a room that this server is not in.
    Members { room: OwnedRoomId, members: Vec<MemberChange> },
    /// Events without a place in the timeline are told apart from what was known of them, or history was fetched, or that
    /// redacts an event.
    Known { room: OwnedRoomId, events: Vec<OwnedEventId> },
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

store::record! { Change: 2; }

impl Change {
    /// The room whose timeline or receipts a sync would now show differently.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::Event { room, .. } | Self::Members { room, .. } | Self::Receipt { room, .. } => Some(room),
            Self::Forgotten { .. } | Self::Published { .. } | Self::Known { .. } => None,
        }
    }

    /// The users whose lists of rooms changed.
    pub fn memberships_of(&self) -> impl Iterator<Item = &UserId> {
        let (one, many): (Option<&UserId>, &[MemberChange]) = match self {
            Self::Event { member, .. } => (member.as_ref().map(|member| member.user.as_ref()), &[]),
            Self::Forgotten { user, .. } => (Some(user), &[]),
            Self::Members { members, .. } => (None, members),
            Self::Receipt { .. } | Self::Published { .. } | Self::Known { .. } => (None, &[]),
        };
        one.into_iter().chain(many.iter().map(|member| member.user.as_ref()))
    }
}
