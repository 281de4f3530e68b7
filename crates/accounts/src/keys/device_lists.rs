//! Whose device list changed when: what syncs and other servers go by.

use kernel::{
    Position,
    id::{OwnedUserId, UserId},
};
use store::Batch;

use crate::{
    Accounts, Change, Result, TOPIC,
    tables::{DEVICE_LIST_LOG, DEVICE_LISTS, SIGNED},
};

/// Rows read at once.
const PAGE: usize = 5_000;

impl Accounts {
    /// The local users whose devices or keys changed after `since`, up to and including `upto`, in the order of their last
    /// changes. One who changed again after `upto` is not among them: they come with that change.
    pub fn device_list_changes(&self, since: Position, upto: Position) -> Result<Vec<OwnedUserId>> {
        let mut users = Vec::new();
        let mut after = since;
        loop {
            let scan = self.scope().scan(&DEVICE_LIST_LOG, ()).from_prefix((after.next(),)).through_prefix((upto,));
            let rows = scan.limit(PAGE).keys()?;
            let Some((last, _)) = rows.last() else { return Ok(users) };
            after = *last;
            let full = rows.len() == PAGE;
            users.extend(rows.into_iter().map(|(_, user)| user));
            if !full {
                return Ok(users);
            }
        }
    }

    /// When the user's devices or keys last changed: the `stream_id` of federation; the start if never.
    pub fn device_list_position(&self, user: &UserId) -> Result<Position> {
        Ok(self.scope().get(&DEVICE_LISTS, (user,))?.map_or(Position::START, |row| row.position))
    }

    /// The users whose master key this one signed after `since`, up to and including `upto`: only their own devices learn
    /// of it, by `device_lists.changed`.
    pub fn signed_users(&self, user: &UserId, since: Position, upto: Position) -> Result<Vec<OwnedUserId>> {
        let rows = self.scope().scan(&SIGNED, (user,)).limit(PAGE).rows()?.into_iter();
        let within = rows.filter(|(_, row)| row.position > since && row.position <= upto);
        Ok(within.map(|((_, signed), _)| signed).collect())
    }

    /// Adds to the batch that the user's devices or keys change. Once per batch, holding the user's changes.
    pub(crate) fn note_device_list(&self, batch: &mut Batch, user: &UserId) -> Result<()> {
        if let Some(before) = self.scope().get(&DEVICE_LISTS, (user,))? {
            batch.delete(&DEVICE_LIST_LOG, (before.position, user));
        }
        let stamp = batch.stamp();
        batch.put_stamped(&DEVICE_LISTS, (user,), stamp, &());
        batch.put(&DEVICE_LIST_LOG, (stamp, user), &());
        batch.announce(TOPIC, stamp, &Change::DeviceKeys { user: user.to_owned() });
        Ok(())
    }
}
