//! Matrix identifiers, as ruma checks them (spec appendices, "Identifier Grammar").

pub use ruma_common::{
    DeviceId, EventId, OwnedDeviceId, OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedTransactionId,
    OwnedUserId, RoomAliasId, RoomId, RoomVersionId, ServerName, TransactionId, UserId,
};
