//! What changed in an account since a position: the account's part of a sync.

use kernel::{
    Position,
    id::{OwnedRoomId, UserId},
};

use crate::{Accounts, Result, accounts::later};

/// Account data that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChange {
    pub position: Position,
    /// `None`: global.
    pub room: Option<OwnedRoomId>,
    pub kind: String,
    /// JSON object.
    pub content: String,
}

impl Accounts {
    /// The account data, global and of rooms, that changed after `since`, up to and including `upto`, oldest first. From
    /// the start, all that is set: push rules are always among them then.
    pub fn data_changes(&self, _user: &UserId, _since: Position, _upto: Position) -> Result<Vec<DataChange>> {
        later()
    }

    /// All account data of one room that is set.
    pub fn room_data(&self, _user: &UserId, _room: &kernel::id::RoomId) -> Result<Vec<DataChange>> {
        later()
    }
}
