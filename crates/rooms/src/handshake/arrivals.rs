//! Whose turn it is to come in to a room by way of another server: one user of each room at a time, and few rooms at once.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use kernel::id::{OwnedRoomId, RoomId};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::{Result, Rooms};

/// Rooms of a tenant that are come in to at the same time: each may bring tens of thousands of events.
const AT_ONCE_MAX: usize = 4;
/// Rooms with a turn that are remembered before those that are over are forgotten.
const REMEMBERED_MAX: usize = 256;
/// How long events of a room wait for a user of this server to have come in to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A tenant's turns.
pub(crate) struct Arrivals {
    rooms: Mutex<HashMap<OwnedRoomId, Weak<Turns<()>>>>,
    places: Arc<Semaphore>,
}

/// A turn; it ends when this is dropped.
pub(super) struct Turn {
    _room: OwnedMutexGuard<()>,
    _place: OwnedSemaphorePermit,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { rooms: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

impl Arrivals {
    pub(super) async fn turn(&self, room: &RoomId) -> Result<Turn> {
        let turns = {
            let mut rooms = self.rooms.lock();
            if rooms.len() > REMEMBERED_MAX {
                rooms.retain(|_, turns| turns.strong_count() > 0);
            }
            let known = rooms.get(room).and_then(Weak::upgrade);
            let turns = known.unwrap_or_default();
            rooms.insert(room.to_owned(), Arc::downgrade(&turns));
            turns
        };
        let room = turns.lock_owned().await;
        let place = self.places.clone().acquire_owned().await.map_err(|_| store::Error::Unavailable)?;
        Ok(Turn { _room: room, _place: place })
    }
}

impl Rooms {
    /// Waits for a user of this server who is coming in to the room, if one is: the other servers send its events already.
    /// Returns at once if nobody is.
    pub(crate) async fn arrived(&self, room: &RoomId) {
        let turns = self.inner.arrivals.rooms.lock().get(room).and_then(Weak::upgrade);
        if let Some(turns) = turns {
            // Who waits too long takes the room for one that is not here; what is missed is fetched with the next event.
            let _ = tokio::time::timeout(PATIENCE, turns.lock()).await;
        }
    }
}
