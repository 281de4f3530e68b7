//! The stored schema of rooms, whole. Numbers are never used again.

use kernel::{
    Position, Timestamp,
    id::{
        OwnedDeviceId, OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedTransactionId, OwnedUserId,
    },
};
use serde::{Deserialize, Serialize};
use store::{Space, Stamped, Table};

use crate::{
    members::{Membership, UserRoom},
    state::{Node, Root},
};

/// A room that this server is or was in.
pub(crate) const ROOMS: Table<(OwnedRoomId,), RoomRow> = Table::new(0x0101, "rooms", Space::Index);
/// Where the room's event graph ends, and what its state is there.
pub(crate) const HEADS: Table<(OwnedRoomId,), HeadRow> = Table::new(0x0102, "heads", Space::Index);
/// Every event that we hold, by room and id; the position is that of the commit that brought it.
pub(crate) const EVENTS: Table<(OwnedRoomId, OwnedEventId), Stamped<EventRow>> =
    Table::new(0x0103, "events", Space::Event);
/// The events that clients see, in their order: the position of the commit and 0 for what came as it happened. History that was
/// fetched later has the position before that of the event that it precedes, and counts down from the highest number.
pub(crate) const TIMELINE: Table<(OwnedRoomId, Position, u32), OwnedEventIdRow> =
    Table::new(0x0115, "timeline", Space::Log);
/// Where a timeline lacks history that other servers have: the position of [`TIMELINE`]'s fetched rows there.
pub(crate) const GAPS: Table<(OwnedRoomId, Position), GapRow> = Table::new(0x0116, "gaps", Space::Index);
/// The current state of a room from each position on at which it changed.
pub(crate) const STATE_LOG: Table<(OwnedRoomId, Position), RootRow> = Table::new(0x0117, "state_log", Space::Log);
/// The servers with members in a room, and how many.
pub(crate) const SERVERS: Table<(OwnedRoomId, OwnedServerName), ServerRow> =
    Table::new(0x0118, "servers", Space::Index);
/// The rooms of [`SERVERS`], by server.
pub(crate) const SERVER_ROOMS: Table<(OwnedServerName, OwnedRoomId), ()> =
    Table::new(0x0119, "server_rooms", Space::Index);
/// Redactions that came before what they redact: (room, target, redaction). All of them: which may is seen when the target comes.
/// (Number 0x011a was one for each target.)
pub(crate) const EARLY_REDACTIONS: Table<(OwnedRoomId, OwnedEventId, OwnedEventId), ()> =
    Table::new(0x0131, "early_redactions", Space::Index);
/// Rooms that are being come in to by way of another server, with the state whose indexes are being written: [`STATE_NOW`] and
/// [`MEMBERS`] are as that state has it or as the room's own has it, until the join is committed.
pub(crate) const INDEXED_AHEAD: Table<(OwnedRoomId,), RootRow> = Table::new(0x0130, "indexed_ahead", Space::Index);
/// Nodes of state trees by the hash of their content.
pub(crate) const STATE_NODES: Table<([u8; 32],), Node> = Table::new(0x0105, "state_nodes", Space::Node);
/// The current state of rooms: (room, type, state key) → event.
pub(crate) const STATE_NOW: Table<(OwnedRoomId, String, String), OwnedEventIdRow> =
    Table::new(0x0106, "state_now", Space::Index);
/// Every user with a membership in a room.
pub(crate) const MEMBERS: Table<(OwnedRoomId, OwnedUserId), MemberRow> = Table::new(0x0107, "members", Space::Index);
/// The rooms of each local user, with the position of the last change of membership.
pub(crate) const USER_ROOMS: Table<(OwnedUserId, OwnedRoomId), Stamped<UserRoom>> =
    Table::new(0x0108, "user_rooms", Space::Index);
/// When a local user last joined a room (history visibility "shared" of somebody who left).
pub(crate) const LAST_JOINS: Table<(OwnedUserId, OwnedRoomId), Stamped<()>> =
    Table::new(0x0109, "last_joins", Space::Index);
/// When a local user was last in a room: their leave, kick or ban. What they are told of the room ends there, though they may
/// be invited again and refuse.
pub(crate) const LAST_LEAVES: Table<(OwnedUserId, OwnedRoomId), Stamped<()>> =
    Table::new(0x0114, "last_leaves", Space::Index);
/// A local user's membership of a room that has no place in the room's graph here: an invite to a room, or a knock on one, that
/// this server was not in, and how it ended.
pub(crate) const OUTSIDE: Table<(OwnedUserId, OwnedRoomId), OutsideRow> = Table::new(0x0120, "outside", Space::Index);
/// What a client's transaction made: (user, device, room, transaction) → event.
pub(crate) const TRANSACTIONS: Table<(OwnedUserId, OwnedDeviceId, OwnedRoomId, OwnedTransactionId), OwnedEventIdRow> =
    Table::new(0x010a, "transactions", Space::Index);
/// Which events relate to an event, each by its place in [`TIMELINE`].
pub(crate) const RELATIONS: Table<(OwnedRoomId, OwnedEventId, Position, u32), RelationRow> =
    Table::new(0x010b, "relations", Space::Index);
/// Events that something related to once: most events have no row, which a look at one key tells sooner than a scan of
/// [`RELATIONS`].
pub(crate) const RELATED: Table<(OwnedRoomId, OwnedEventId), ()> = Table::new(0x0113, "related", Space::Index);
/// The roots of threads, with the place in [`TIMELINE`] of the thread's last event.
pub(crate) const THREADS: Table<(OwnedRoomId, OwnedEventId), Stamped<ThreadRow>> =
    Table::new(0x010c, "threads", Space::Index);
pub(crate) const ALIASES: Table<(OwnedRoomAliasId,), AliasRow> = Table::new(0x010d, "aliases", Space::Index);
pub(crate) const ROOM_ALIASES: Table<(OwnedRoomId, OwnedRoomAliasId), ()> =
    Table::new(0x010e, "room_aliases", Space::Index);
/// Rooms in the public room directory.
pub(crate) const PUBLISHED: Table<(OwnedRoomId,), ()> = Table::new(0x010f, "published", Space::Index);
/// (room, receipt type, thread or "", user) → receipt.
pub(crate) const RECEIPTS: Table<(OwnedRoomId, String, String, OwnedUserId), Stamped<ReceiptRow>> =
    Table::new(0x0110, "receipts", Space::Index);
/// The current receipts in the order of their commits.
pub(crate) const RECEIPT_LOG: Table<(OwnedRoomId, Position), ReceiptKey> =
    Table::new(0x0111, "receipt_log", Space::Log);
/// (room, timestamp, event): finds an event by its time.
pub(crate) const BY_TIME: Table<(OwnedRoomId, Timestamp, OwnedEventId), ()> = Table::new(0x0112, "by_time", Space::Log);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomRow {
    pub(crate) version: String,
}

impl HeadRow {
    /// Of a room that nothing is known of yet.
    pub(crate) const EMPTY: Self =
        Self { extremities: Vec::new(), depth: 0, state: Root::EMPTY, joined: 0, invited: 0 };
}

/// The end of a room's graph, as the next event will see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRow {
    /// Forward extremities: events that no other event cites yet.
    pub(crate) extremities: Vec<OwnedEventId>,
    /// The highest depth among them.
    pub(crate) depth: u64,
    /// The current state, resolved over all extremities.
    pub(crate) state: Root,
    pub(crate) joined: u64,
    pub(crate) invited: u64,
}

/// How an event stands in its room (spec, "Checks performed on receipt of a PDU").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Part of the room, for all to see.
    Accepted,
    /// Allowed where it stands in the graph, but not by what the room had become when it came: shown to nobody, built upon
    /// by nothing of ours.
    SoftFailed,
    /// Refused by the rules: kept so that its id is known.
    Rejected,
    /// Known only because other events cite it as their authorization or state: its own place is not known.
    Outlier,
    /// An outlier that the rules refuse.
    RejectedOutlier,
}

impl Verdict {
    pub(crate) fn is_rejected(self) -> bool {
        matches!(self, Self::Rejected | Self::RejectedOutlier)
    }

    /// Whether the state before it is not known.
    pub(crate) fn is_outlier(self) -> bool {
        matches!(self, Self::Outlier | Self::RejectedOutlier)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    /// Canonical JSON as it is federated; pruned once redacted.
    pub(crate) json: String,
    pub(crate) verdict: Verdict,
    /// The last part of its key in [`TIMELINE`].
    pub(crate) order: u32,
    /// The state before the event; empty for an outlier.
    pub(crate) state_before: Root,
    /// The state after it, where that differs from `room_state`: on a branch.
    pub(crate) state_after: Option<Root>,
    /// The current state of the room once the event was in.
    pub(crate) room_state: Root,
    /// The redaction that pruned it.
    pub(crate) redacted_by: Option<OwnedEventId>,
    /// The device and transaction that sent it, told to nobody else.
    pub(crate) transaction: Option<(OwnedDeviceId, OwnedTransactionId)>,
    /// The event that held the same piece of state before.
    pub(crate) replaces: Option<OwnedEventId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GapRow {
    /// Events that are cited there and that this server does not have; nothing is cited once the history is complete.
    pub(crate) missing: Vec<OwnedEventId>,
    /// How many rows of [`TIMELINE`] were fetched.
    pub(crate) fetched: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RootRow(pub(crate) Root);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerRow {
    /// Members that are joined; never 0.
    pub(crate) joined: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutsideRow {
    /// The version of the room, as the other server said.
    pub(crate) version: String,
    /// The member event as it is federated.
    pub(crate) event: String,
    /// The server of the inviter, or the one that took the knock: the way in, and back.
    pub(crate) through: OwnedServerName,
}

/// An event id as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OwnedEventIdRow(pub(crate) OwnedEventId);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberRow {
    pub(crate) membership: Membership,
    pub(crate) event_id: OwnedEventId,
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelationRow {
    pub(crate) event_id: OwnedEventId,
    pub(crate) rel_type: String,
    pub(crate) event_type: String,
    pub(crate) sender: OwnedUserId,
    /// The key of an annotation.
    pub(crate) key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ThreadRow {
    /// The last part of its last event's key in [`TIMELINE`].
    pub(crate) order: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    pub(crate) room_id: OwnedRoomId,
    pub(crate) creator: OwnedUserId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiptRow {
    pub(crate) event_id: OwnedEventId,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiptKey {
    pub(crate) receipt_type: String,
    pub(crate) thread: String,
    pub(crate) user: OwnedUserId,
}

store::record! {
    RoomRow: 1;
    HeadRow: 1;
    EventRow: 2;
    GapRow: 1;
    RootRow: 1;
    ServerRow: 1;
    OutsideRow: 1;
    OwnedEventIdRow: 1;
    MemberRow: 1;
    UserRoom: 1;
    RelationRow: 1;
    ThreadRow: 1;
    AliasRow: 1;
    ReceiptRow: 1;
    ReceiptKey: 1;
}
