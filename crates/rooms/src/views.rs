//! What rooms keep in memory about what was committed: brought up to date before each position is published.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kernel::{
    Position,
    id::{OwnedRoomId, OwnedUserId, RoomId, UserId},
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use store::Announcement;

use crate::{Change, Result, TOPIC, members::UserRooms};

/// Users whose rooms are kept in memory, per tenant.
const USERS_MAX: usize = 2_000;
/// Rooms whose last change is kept in memory, per tenant.
const ROOMS_MAX: usize = 20_000;

pub(crate) struct Views {
    rooms_of: Cache<OwnedUserId, UserRooms>,
    /// Counts changes of any membership: a list read before one must not be kept after it.
    memberships: AtomicU64,
    last_change: Mutex<HashMap<OwnedRoomId, Position>>,
}

impl Views {
    pub(crate) fn new() -> Self {
        Self {
            rooms_of: Cache::new(USERS_MAX),
            memberships: AtomicU64::new(0),
            last_change: Mutex::new(HashMap::new()),
        }
    }

    /// Takes in what a commit announced.
    pub(crate) fn update(&self, announcements: &[Announcement]) {
        for announcement in announcements.iter().filter(|a| a.topic == TOPIC) {
            match announcement.read::<Change>() {
                Ok(change) => self.apply(announcement.position, &change),
                Err(error) => tracing::error!(%error, "an entry of the feed cannot be read"),
            }
        }
    }

    fn apply(&self, position: Position, change: &Change) {
        for user in change.memberships_of() {
            self.memberships.fetch_add(1, Ordering::SeqCst);
            self.rooms_of.remove(user);
        }
        if let Some(room) = change.room() {
            self.note(room, position);
        }
    }

    fn note(&self, room: &RoomId, position: Position) -> Position {
        let mut rooms = self.last_change.lock();
        if let Some(last) = rooms.get_mut(room) {
            *last = position.max(*last);
            return *last;
        }
        if rooms.len() >= ROOMS_MAX {
            // Rare and cheap to refill: each room is looked up again when it is next asked for.
            rooms.clear();
        }
        rooms.insert(room.to_owned(), position);
        position
    }

    /// The position of the room's last change that a sync shows; `load` finds it in the store.
    pub(crate) fn last_change(&self, room: &RoomId, load: impl FnOnce() -> Result<Position>) -> Result<Position> {
        if let Some(position) = self.last_change.lock().get(room) {
            return Ok(*position);
        }
        // A change committed meanwhile is noted already, and the later of the two stays.
        Ok(self.note(room, load()?))
    }

    pub(crate) fn rooms_of(
        &self,
        user: &UserId,
        load: impl FnOnce() -> Result<HashMap<OwnedRoomId, crate::members::UserRoomAt>>,
    ) -> Result<UserRooms> {
        if let Some(rooms) = self.rooms_of.get(user) {
            return Ok(rooms);
        }
        let before = self.memberships.load(Ordering::SeqCst);
        let rooms = Arc::new(load()?);
        self.rooms_of.insert(user.to_owned(), rooms.clone());
        if self.memberships.load(Ordering::SeqCst) != before {
            self.rooms_of.remove(user);
        }
        Ok(rooms)
    }
}
