//! The stored schema of the queues. Numbers are never used again.

use kernel::{
    Position, Timestamp,
    id::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId},
};
use serde::{Deserialize, Serialize};
use store::{Space, Table};

/// What waits for each destination, in the order of the feed.
pub(crate) const QUEUE: Table<(OwnedServerName, Position), QueueRow> = Table::new(0x0711, "outbound", Space::Log);
/// Destinations that did not answer when they were last tried.
pub(crate) const FAILURES: Table<(OwnedServerName,), FailureRow> = Table::new(0x0712, "failures", Space::Index);
/// Up to where a destination was told of a user's devices.
pub(crate) const TOLD: Table<(OwnedServerName, OwnedUserId), Position> = Table::new(0x0713, "told", Space::Index);

/// One thing that a destination must be told; what it says is read when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum QueueRow {
    Event {
        room: OwnedRoomId,
        event_id: OwnedEventId,
    },
    /// The public receipts that the user moved at the row's position.
    Receipt {
        room: OwnedRoomId,
        user: OwnedUserId,
    },
    /// The user's devices or signing keys changed at the row's position.
    Devices {
        user: OwnedUserId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailureRow {
    pub(crate) since: Timestamp,
    /// Failures in a row.
    pub(crate) count: u32,
    pub(crate) retry_at: Timestamp,
}

store::record! {
    QueueRow: 1;
    FailureRow: 1;
}
