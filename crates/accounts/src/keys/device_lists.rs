//! Whose device list changed when: what syncs and other servers go by.

use kernel::{
    Position,
    id::{DeviceId, OwnedUserId, UserId},
};
use store::Batch;

use crate::{
    Accounts, Change, Result, TOPIC,
    tables::{DEVICE_CHANGES, DEVICE_LIST_LOG, DEVICE_LISTS, DeviceChangeRow, SIGNED},
};

/// Rows read at once.
const PAGE: usize = 5_000;
/// Changes of one user's devices that are remembered one by one. A server that missed more asks for the whole list.
pub(crate) const CHANGES_KEPT: usize = 200;

/// A part of a local user's list that other servers are told of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    Device(&'a DeviceId),
    /// The master or self-signing key, or the signatures on them.
    SigningKeys,
}

impl Accounts {
    /// The users, of this server or others, whose devices or keys changed after `since`, up to and including `upto`, in the
    /// order of their last changes. One who changed again after `upto` is not among them: they come with that change.
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

    /// When the user's devices or keys last changed, as far as this server knows; the start if never.
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

    /// Adds to the batch that the user's devices or keys change, and what other servers must be told of it. Once per batch,
    /// holding the user's changes.
    pub(crate) fn note_device_list(&self, batch: &mut Batch, user: &UserId, parts: &[Part<'_>]) -> Result<()> {
        if let Some(before) = self.scope().get(&DEVICE_LISTS, (user,))? {
            batch.delete(&DEVICE_LIST_LOG, (before.position, user));
        }
        self.log_parts(batch, user, parts)?;
        let stamp = batch.stamp();
        batch.put_stamped(&DEVICE_LISTS, (user,), stamp, &());
        batch.put(&DEVICE_LIST_LOG, (stamp, user), &());
        batch.announce(TOPIC, stamp, &Change::DeviceKeys { user: user.to_owned() });
        Ok(())
    }

    /// Adds the changed parts to the user's log, each at a position of its own, and forgets the oldest.
    fn log_parts(&self, batch: &mut Batch, user: &UserId, parts: &[Part<'_>]) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let log = || self.scope().scan(&DEVICE_CHANGES, (user,));
        let mut last = log().backward().first()?.map_or(0, |(_, row)| row.number);
        for part in parts {
            last += 1;
            let device = match part {
                Part::Device(device) => Some((*device).to_owned()),
                Part::SigningKeys => None,
            };
            let stamp = batch.stamp();
            batch.put(&DEVICE_CHANGES, (user, stamp), &DeviceChangeRow { device, number: last });
        }
        let kept = u64::try_from(CHANGES_KEPT).unwrap_or(u64::MAX);
        for (key, row) in log().limit(parts.len() + 1).rows()? {
            if last.saturating_sub(row.number) >= kept {
                batch.delete(&DEVICE_CHANGES, key);
            }
        }
        Ok(())
    }
}
