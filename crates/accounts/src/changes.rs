//! What changed in an account since a position: the account's part of a sync.

use kernel::{
    Position,
    id::{OwnedRoomId, RoomId, UserId},
};
use store::Stamped;

use crate::{
    Accounts, Error, Result,
    data::room_key,
    push_rules,
    tables::{DATA, DATA_LOG, DataKey, DataRow},
};

/// Rows read at once.
const PAGE: usize = 1_000;
/// Content of account data that is not set any more.
const UNSET: &str = "{}";

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
    pub fn data_changes(&self, user: &UserId, since: Position, upto: Position) -> Result<Vec<DataChange>> {
        let mut changes = Vec::new();
        let mut after = since;
        loop {
            let scan = self.scope().scan(&DATA_LOG, (user,)).after((user, after)).through((user, upto));
            let rows = scan.limit(PAGE).rows()?;
            let full = rows.len() == PAGE;
            if let Some(((_, last), _)) = rows.last() {
                after = *last;
            }
            let keys: Vec<_> = rows.iter().map(|(_, key)| (user, key.room.as_str(), key.kind.as_str())).collect();
            let values = self.scope().multi_get(&DATA, &keys)?;
            for (((_, position), key), value) in rows.into_iter().zip(values) {
                changes.extend(self.data_change(user, position, key, value)?);
            }
            if !full {
                break;
            }
        }
        if since == Position::START {
            changes.retain(|change| change.content != UNSET);
            if !changes.iter().any(|change| change.room.is_none() && change.kind == push_rules::KIND) {
                let content = self.push_rules_content(user)?;
                let kind = push_rules::KIND.to_owned();
                changes.insert(0, DataChange { position: Position::START, room: None, kind, content });
            }
        }
        Ok(changes)
    }

    /// All account data of one room that is set.
    pub fn room_data(&self, user: &UserId, room: &RoomId) -> Result<Vec<DataChange>> {
        let mut all = Vec::new();
        for ((_, room, kind), Stamped { position, value }) in
            self.scope().scan(&DATA, (user, room_key(Some(room)))).limit(PAGE).rows()?
        {
            let key = DataKey { room, kind };
            all.extend(self.data_change(user, position, key, Some(Stamped { position, value }))?);
        }
        all.retain(|change| change.content != UNSET);
        Ok(all)
    }

    /// `None` for a row that was written again since its entry in the log was read: it comes with its new position.
    fn data_change(
        &self,
        user: &UserId,
        position: Position,
        key: DataKey,
        row: Option<Stamped<DataRow>>,
    ) -> Result<Option<DataChange>> {
        let DataKey { room, kind } = key;
        let Some(row) = row.filter(|row| row.position == position) else { return Ok(None) };
        let content = match kind.as_str() {
            push_rules::KIND if room.is_empty() => self.push_rules_content(user)?,
            _ => self.content(user, &room, &kind, row.value)?,
        };
        let room = match room.as_str() {
            "" => None,
            id => Some(RoomId::parse(id).map_err(|error| Error::Damaged(error.to_string()))?),
        };
        Ok(Some(DataChange { position, room, kind, content }))
    }
}
