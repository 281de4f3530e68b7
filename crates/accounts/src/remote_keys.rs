//! Keys of users of other servers. Those who share a room with somebody here are kept, brought up to date by what their
//! servers send, and asked for again where something was missed (spec, "Device Management"); all others are asked for
//! each time.
//!
//! Accounts know no rooms: callers say who shares one, and since when. A kept list counts only for those who have shared a
//! room with its user since before it was asked for: until then the user's server had no reason to tell of changes.

mod answers;
mod claim;
mod query;
mod refresh;
mod updates;

use std::collections::BTreeMap;

use kernel::{
    Position,
    id::{OwnedDeviceId, OwnedUserId, UserId},
};
use store::Batch;

pub use query::{RemoteAnswer, SharedSince};
pub(crate) use refresh::Refreshes;

use crate::{
    Accounts, Result, UserKeys, json,
    keys::{
        cross_signing::public_key,
        query::{signed, with_display_name},
    },
    tables::{
        DEVICE_LIST_LOG, DEVICE_LISTS, REMOTE_DEVICES, REMOTE_LISTS, REMOTE_STALE, RemoteDeviceRow, RemoteListRow,
    },
};

/// Devices of one user that are kept; more are passed over.
const DEVICES_MAX: usize = 200;
/// Updates of one user whose numbers are remembered.
const SEEN_MAX: usize = 20;

/// A remote user's keys, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keys {
    devices: BTreeMap<OwnedDeviceId, RemoteDeviceRow>,
    master: Option<String>,
    self_signing: Option<String>,
}

impl RemoteListRow {
    /// Whether the list is as the user's server has it, for somebody who has shared a room with the user since `since`.
    fn counts(&self, since: Position) -> bool {
        self.stale.is_none() && self.asked >= since
    }

    /// Whether this update came before or was in the answer: the number that an answer gives is not that of an update with
    /// every server.
    fn knows(&self, stream_id: u64) -> bool {
        self.stream_id == stream_id || self.seen.contains(&stream_id)
    }

    /// Notes that an update came.
    fn saw(&mut self, stream_id: u64) {
        self.seen.push(stream_id);
        let more = self.seen.len().saturating_sub(SEEN_MAX);
        self.seen.drain(..more);
    }
}

impl Accounts {
    /// Where the tenant's stream stood when the user's list, which is up to date, was asked for; `None` if there is none.
    /// It counts for whoever has shared a room with the user since then or before.
    pub fn list_asked(&self, user: &UserId) -> Result<Option<Position>> {
        Ok(self.remote_list(user)?.filter(|list| list.stale.is_none()).map(|list| list.asked))
    }

    /// At most `limit` users after `after` whose lists are kept.
    pub fn kept_lists(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<OwnedUserId>> {
        let scan = self.scope().scan(&REMOTE_LISTS, ());
        let scan = match after {
            Some(user) => scan.after((user,)),
            None => scan,
        };
        Ok(scan.limit(limit).keys()?.into_iter().map(|(user,)| user).collect())
    }

    /// Nobody here shares a room with the user any more: nothing of theirs is kept, for nobody tells of its changes.
    pub async fn forget_list(&self, user: &UserId) -> Result<()> {
        let _changing = self.change(user).await;
        let Some(list) = self.remote_list(user)? else { return Ok(()) };
        let mut batch = self.scope().batch();
        self.put_list(&mut batch, user, Some(&list), None);
        for key in self.scope().scan(&REMOTE_DEVICES, (user,)).keys()? {
            batch.delete(&REMOTE_DEVICES, key);
        }
        if let Some(changed) = self.scope().get(&DEVICE_LISTS, (user,))? {
            batch.delete(&DEVICE_LISTS, (user,));
            batch.delete(&DEVICE_LIST_LOG, (changed.position, user));
        }
        self.commit(batch).await?;
        Ok(())
    }

    fn remote_list(&self, user: &UserId) -> Result<Option<RemoteListRow>> {
        Ok(self.scope().get(&REMOTE_LISTS, (user,))?)
    }

    fn remote_devices(&self, user: &UserId) -> Result<BTreeMap<OwnedDeviceId, RemoteDeviceRow>> {
        let rows = self.scope().scan(&REMOTE_DEVICES, (user,)).rows()?.into_iter();
        Ok(rows.map(|((_, device), row)| (device, row)).collect())
    }

    /// The user's keys, if they are kept and count for somebody who has shared a room with the user since `since`.
    fn kept_keys(&self, user: &UserId, since: Position) -> Result<Option<Keys>> {
        let Some(list) = self.remote_list(user)?.filter(|list| list.counts(since)) else { return Ok(None) };
        let devices = self.remote_devices(user)?;
        Ok(Some(Keys { devices, master: list.master, self_signing: list.self_signing }))
    }

    /// Writes the row of a list together with the time at which it is to be asked for again.
    fn put_list(
        &self,
        batch: &mut Batch,
        user: &UserId,
        before: Option<&RemoteListRow>,
        after: Option<&RemoteListRow>,
    ) {
        if let Some(stale) = before.and_then(|list| list.stale.as_ref()) {
            batch.delete(&REMOTE_STALE, (stale.due, user));
        }
        if let Some(stale) = after.and_then(|list| list.stale.as_ref()) {
            batch.put(&REMOTE_STALE, (stale.due, user), &());
        }
        match after {
            Some(list) => batch.put(&REMOTE_LISTS, (user,), list),
            None => batch.delete(&REMOTE_LISTS, (user,)),
        }
    }

    /// The keys as `caller` may see them, of these devices or of all when the list is empty: with the caller's own signature
    /// on the master key.
    fn shown(&self, caller: &UserId, user: &UserId, keys: Keys, devices: &[OwnedDeviceId]) -> Result<UserKeys> {
        let mut shown = UserKeys { self_signing: keys.self_signing, ..UserKeys::default() };
        for (device, row) in keys.devices {
            if devices.is_empty() || devices.contains(&device) {
                let object = with_display_name(json::stored_object(&row.keys)?, row.display_name);
                shown.devices.insert(device, json::text(&object)?);
            }
        }
        if let Some(text) = keys.master {
            let object = json::stored_object(&text)?;
            let public = public_key(&object).unwrap_or_default();
            let by_caller = self.signature_by_user(caller, user, &public)?.into_iter().collect();
            shown.master = Some(json::text(&signed(object, &by_caller))?);
        }
        Ok(shown)
    }
}

#[cfg(test)]
mod tests;
