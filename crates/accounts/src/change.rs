//! What accounts announce in the feed.

use kernel::id::{OwnedDeviceId, OwnedRoomId, OwnedServerName, OwnedUserId, UserId};
use serde::{Deserialize, Serialize};
use store::Topic;

/// The topic of accounts in the feed.
pub const TOPIC: Topic = Topic(2);

/// A committed change of somebody's account. Read it with [`store::Announcement::read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The user was created, or became (or ceased to be) administrator, locked, suspended, deactivated.
    User { user: OwnedUserId },
    /// Display name, avatar or an extended field changed.
    Profile { user: OwnedUserId },
    /// Global account data (`room` is `None`) or that of a room. Push rules appear as kind `m.push_rules`.
    AccountData { user: OwnedUserId, room: Option<OwnedRoomId>, kind: String },
    /// A message waits for the device.
    ToDevice { user: OwnedUserId, device: OwnedDeviceId },
    /// Device keys, cross-signing keys or their signatures changed, of a user of this server or of another: those who share
    /// a room must ask again.
    DeviceKeys { user: OwnedUserId },
    /// The user signed another's master key: only the user's own devices must ask for it again.
    Signed { user: OwnedUserId, signed: OwnedUserId },
    /// The device's one-time or fallback keys became more or fewer.
    OneTimeKeys { user: OwnedUserId, device: OwnedDeviceId },
    /// A session began, or its tokens changed.
    Session { user: OwnedUserId, device: OwnedDeviceId },
    /// The session of this device ended: whoever streams to it should stop.
    SessionEnded { user: OwnedUserId, device: OwnedDeviceId },
    /// The user's pushers changed.
    Pushers { user: OwnedUserId },
    /// A message waits to be sent to the devices of another server.
    Outbox { server: OwnedServerName },
}

impl Change {
    /// Whose account it is; `None` for what is nobody's.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { user }
            | Self::Profile { user }
            | Self::AccountData { user, .. }
            | Self::ToDevice { user, .. }
            | Self::DeviceKeys { user }
            | Self::Signed { user, .. }
            | Self::OneTimeKeys { user, .. }
            | Self::Session { user, .. }
            | Self::SessionEnded { user, .. }
            | Self::Pushers { user } => Some(user),
            Self::Outbox { .. } => None,
        }
    }
}

store::record! { Change: 1; }
