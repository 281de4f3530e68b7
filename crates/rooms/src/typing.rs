//! Who is typing: in memory only, by design lost at a restart.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::{
    Timestamp,
    id::{OwnedRoomId, OwnedUserId, RoomId, ServerName, UserId},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, Membership, Result, Rooms};

/// Longest time that one notice of typing holds.
const HOLDS_MAX: Duration = Duration::from_secs(120);
/// How long a notice of another server holds: it says so again within this, or that it is over.
const REMOTE_HOLDS: Duration = Duration::from_secs(60);
/// How often it is looked whose time is over, while anybody types.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Users shown as typing in one room.
const TYPISTS_MAX: usize = 100;

/// A tenant's typists. Changes are numbered; numbers grow across restarts, as they begin at the time of the start.
pub struct Typing {
    rooms: Mutex<HashMap<OwnedRoomId, Typists>>,
    serial: watch::Sender<u64>,
    /// A task looks whose time is over.
    is_looked_after: AtomicBool,
}

#[derive(Default)]
struct Typists {
    until: Vec<(OwnedUserId, Timestamp)>,
    changed: u64,
}

impl Typing {
    pub(crate) fn new(started: Timestamp) -> Self {
        let serial = watch::Sender::new(started.0);
        Self { rooms: Mutex::default(), serial, is_looked_after: AtomicBool::new(false) }
    }

    /// Says that the user, who is in the room, types for this long, or (`None`) no longer.
    fn set(&self, room: &RoomId, user: &UserId, holds: Option<Duration>, now: Timestamp) {
        let until = now.plus(holds.unwrap_or_default().min(HOLDS_MAX));
        let mut rooms = self.rooms.lock();
        let typists = rooms.entry(room.to_owned()).or_default();
        let before = typists.until.len();
        let known = typists.until.iter().position(|(typist, _)| typist == user);
        let changed = match (known, holds) {
            (Some(index), None) => {
                typists.until.remove(index);
                true
            }
            (Some(index), Some(_)) => {
                if let Some((_, end)) = typists.until.get_mut(index) {
                    *end = until;
                }
                false
            }
            (None, Some(_)) if before < TYPISTS_MAX => {
                typists.until.push((user.to_owned(), until));
                true
            }
            (None, _) => false,
        };
        if changed {
            typists.changed = self.advance();
        }
    }

    /// Drops those whose time is over. Whether anybody types still.
    fn expire(&self, now: Timestamp) -> bool {
        let mut anybody = false;
        self.rooms.lock().retain(|_, typists| {
            let before = typists.until.len();
            typists.until.retain(|(_, until)| *until > now);
            if typists.until.len() != before {
                typists.changed = self.advance();
            }
            anybody |= !typists.until.is_empty();
            // An empty room is kept for those who still have to be told that nobody types.
            !typists.until.is_empty() || *self.serial.borrow() - typists.changed < 10_000
        });
        anybody
    }

    /// The users typing in the room, if that changed after `since`.
    pub fn changed_since(&self, room: &RoomId, since: u64) -> Option<Vec<OwnedUserId>> {
        let rooms = self.rooms.lock();
        let typists = rooms.get(room).filter(|typists| typists.changed > since)?;
        Some(typists.until.iter().map(|(user, _)| user.clone()).collect())
    }

    /// The rooms in which something changed after `since`.
    pub fn rooms_changed_since(&self, since: u64) -> Vec<OwnedRoomId> {
        let rooms = self.rooms.lock();
        rooms.iter().filter(|(_, typists)| typists.changed > since).map(|(room, _)| room.clone()).collect()
    }

    /// The number of the last change.
    pub fn serial(&self) -> u64 {
        *self.serial.borrow()
    }

    /// Follows the changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.serial.subscribe()
    }

    fn advance(&self) -> u64 {
        let mut now = 0;
        self.serial.send_modify(|serial| {
            *serial += 1;
            now = *serial;
        });
        now
    }
}

impl Rooms {
    /// Says that the user types in the room for this long, or (`None`) no longer.
    ///
    /// # Errors
    /// [`Error::NotMember`]
    pub fn set_typing(&self, room: &RoomId, user: &UserId, holds: Option<Duration>) -> Result<()> {
        if self.membership(room, user)? != Some(Membership::Join) {
            return Err(Error::NotMember);
        }
        self.inner.typing.set(room, user, holds, self.inner.clock.now());
        if holds.is_some() {
            self.look_after_typists();
        }
        Ok(())
    }

    /// What another server says of one of its users.
    ///
    /// # Errors
    /// [`Error::Denied`] for a user who is not of that server, or a room that it has no part in; [`Error::NotMember`].
    pub fn receive_typing(&self, origin: &ServerName, room: &RoomId, user: &UserId, typing: bool) -> Result<()> {
        self.check_speaks_for(origin, room, user)?;
        self.set_typing(room, user, typing.then_some(REMOTE_HOLDS))
    }

    /// Ends what is over, for as long as anybody types: one task, however many do.
    fn look_after_typists(&self) {
        if self.inner.typing.is_looked_after.swap(true, Ordering::SeqCst) {
            return;
        }
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.typing.expire(inner.clock.now()) {
                    continue;
                }
                inner.typing.is_looked_after.store(false, Ordering::SeqCst);
                // Somebody may have begun at this very moment, and counted on this task.
                if !inner.typing.expire(inner.clock.now()) || inner.typing.is_looked_after.swap(true, Ordering::SeqCst)
                {
                    return;
                }
            }
        });
    }
}
