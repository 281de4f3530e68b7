//! Asking for a whole list, one question at a time for each user, and again where it failed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kernel::{
    Position,
    id::{OwnedUserId, UserId},
};
use parking_lot::Mutex;

use super::{Keys, answers};
use crate::{
    Accounts, Error, Result,
    tables::{REMOTE_DEVICES, REMOTE_STALE, RemoteListRow, StaleRow},
};

/// Times that a list is asked for because something changed while the answer was under way.
const ATTEMPTS_MAX: usize = 5;
/// Between two questions in the background: the first time after a failure, and at most.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Who is being asked for.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<HashMap<OwnedUserId, Arc<tokio::sync::Mutex<()>>>>);

/// A place in the line of those who ask for a user; leaves nothing behind, however it ends.
struct Turn<'a> {
    refreshes: &'a Refreshes,
    user: &'a UserId,
    line: Arc<tokio::sync::Mutex<()>>,
}

impl Refreshes {
    fn turn<'a>(&'a self, user: &'a UserId) -> Turn<'a> {
        let line = self.0.lock().entry(user.to_owned()).or_default().clone();
        Turn { refreshes: self, user, line }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut refreshes = self.refreshes.0.lock();
        // Nobody else is in line: only the map and this turn hold it.
        if Arc::strong_count(&self.line) == 2 {
            refreshes.remove(self.user);
        }
    }
}

impl Accounts {
    /// At most `limit` users whose lists are to be asked for again by now. To be given to [`Accounts::refresh_list`], or to
    /// [`Accounts::forget_list`] if nobody shares a room with them any more.
    pub fn stale_lists(&self, limit: usize) -> Result<Vec<OwnedUserId>> {
        let due = self.scope().scan(&REMOTE_STALE, ()).through_prefix((self.now(),)).limit(limit).keys()?;
        Ok(due.into_iter().map(|(_, user)| user).collect())
    }

    /// Asks the user's server for the whole list, unless the one that is kept counts for whoever has shared a room with them
    /// since `since`. What changed by it is announced.
    ///
    /// # Errors
    /// `Remote`; the background asks again later. `Conflict` if the list changed each time while it was asked for.
    pub async fn refresh_list(&self, user: &UserId, since: Position) -> Result<()> {
        let turn = self.inner.refreshes.turn(user);
        let _first = turn.line.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.remote_list(user)?;
            if before.as_ref().is_some_and(|list| list.counts(since)) {
                return Ok(());
            }
            let asked = self.position();
            let answer = self.inner.remote.devices(user).await;
            let answer = answer.and_then(|list| Ok((list.stream_id, answers::list(user, list)?)));
            match answer {
                Ok((stream_id, keys)) => {
                    if self.keep(user, before, asked, stream_id, keys).await? {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.put_off(user).await?;
                    return Err(error.into());
                }
            }
        }
        Err(Error::Conflict)
    }

    /// Keeps a list, unless something came while it was under way: returns whether it did.
    async fn keep(
        &self,
        user: &UserId,
        before: Option<RemoteListRow>,
        asked: Position,
        stream_id: u64,
        keys: Keys,
    ) -> Result<bool> {
        let _changing = self.change(user).await;
        if self.remote_list(user)? != before {
            return Ok(false);
        }
        let there = self.remote_devices(user)?;
        let Keys { devices, master, self_signing } = keys;
        let changed = before
            .as_ref()
            .is_some_and(|before| devices != there || before.master != master || before.self_signing != self_signing);
        let mut batch = self.scope().batch();
        for device in there.keys().filter(|device| !devices.contains_key(*device)) {
            batch.delete(&REMOTE_DEVICES, (user, &**device));
        }
        for (device, row) in devices.iter().filter(|(device, row)| there.get(*device) != Some(row)) {
            batch.put(&REMOTE_DEVICES, (user, &**device), row);
        }
        // What came before the question is in the answer.
        let seen = before.as_ref().map(|before| before.seen.clone()).unwrap_or_default();
        let list = RemoteListRow { stream_id, seen, asked, master, self_signing, stale: None };
        self.put_list(&mut batch, user, before.as_ref(), Some(&list));
        if changed {
            self.note_device_list(&mut batch, user, &[])?;
        }
        self.commit(batch).await?;
        Ok(true)
    }

    /// The user's server did not answer: the background waits longer each time.
    async fn put_off(&self, user: &UserId) -> Result<()> {
        let _changing = self.change(user).await;
        let Some(before) = self.remote_list(user)? else { return Ok(()) };
        let Some(stale) = &before.stale else { return Ok(()) };
        let due = self.now().plus(pause(stale.failures));
        let stale = StaleRow { due, failures: stale.failures.saturating_add(1), missed: stale.missed };
        let list = RemoteListRow { stale: Some(stale), ..before.clone() };
        let mut batch = self.scope().batch();
        self.put_list(&mut batch, user, Some(&before), Some(&list));
        self.commit(batch).await?;
        Ok(())
    }
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(PAUSE_MAX)
}
