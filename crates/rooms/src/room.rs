//! A room in memory: who may write to it next, and what the next event builds on.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Weak},
};

use events::RoomVersion;
use kernel::id::{OwnedDeviceId, OwnedEventId, OwnedRoomId, OwnedServerName, OwnedTransactionId, OwnedUserId, RoomId};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::sync::OwnedMutexGuard;

use crate::{
    Error, Result,
    tables::{HEADS, HeadRow, ROOMS, SERVERS},
};

/// Rooms kept in memory for each tenant while nobody writes to them.
const ROOMS_MAX: usize = 1_000;
/// Transactions that a room remembers in memory: those whose rows may not be on disk yet are among them.
const TRANSACTIONS_MAX: usize = 256;

pub(crate) struct Room {
    pub(crate) id: OwnedRoomId,
    pub(crate) version: RoomVersion,
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

/// What only the writer of the moment sees: it may be ahead of the disk.
pub(crate) struct Writer {
    pub(crate) head: HeadRow,
    /// The servers with joined members, and how many.
    pub(crate) servers: Arc<BTreeMap<OwnedServerName, u32>>,
    sent: VecDeque<(TransactionKey, OwnedEventId)>,
}

pub(crate) type TransactionKey = (OwnedUserId, OwnedDeviceId, OwnedTransactionId);

impl Writer {
    pub(crate) fn remember(&mut self, key: TransactionKey, event: OwnedEventId) {
        if self.sent.len() >= TRANSACTIONS_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((key, event));
    }

    pub(crate) fn sent(&self, key: &TransactionKey) -> Option<OwnedEventId> {
        self.sent.iter().rev().find(|(sent, _)| sent == key).map(|(_, event)| event.clone())
    }
}

impl Room {
    pub(crate) fn new(
        id: OwnedRoomId,
        version: RoomVersion,
        head: HeadRow,
        servers: BTreeMap<OwnedServerName, u32>,
    ) -> Self {
        let writer = Writer { head, servers: Arc::new(servers), sent: VecDeque::new() };
        Self { id, version, writer: Arc::new(tokio::sync::Mutex::new(writer)) }
    }

    /// From version 12 on, the event that the room's id is the hash of: all rest on it, and none cites it.
    pub(crate) fn creation(&self) -> Option<OwnedEventId> {
        let hash = self.version.room_id_is_create_event().then(|| self.id.strip_sigil())?;
        OwnedEventId::try_from(format!("${hash}")).ok()
    }

    /// Waits for its turn to write. Whoever holds the guard is alone.
    pub(crate) async fn lock(&self) -> OwnedMutexGuard<Writer> {
        self.writer.clone().lock_owned().await
    }
}

/// The rooms in memory. A room that is in use is there once only, however the cache evicts: its lock must be one.
pub(crate) struct Loaded {
    in_use: Mutex<HashMap<OwnedRoomId, Weak<Room>>>,
    recent: Cache<OwnedRoomId, Arc<Room>>,
}

impl Default for Loaded {
    fn default() -> Self {
        Self { in_use: Mutex::default(), recent: Cache::new(ROOMS_MAX) }
    }
}

impl crate::Inner {
    /// The room of this id, if this server has it.
    pub(crate) fn room(&self, id: &RoomId) -> Result<Arc<Room>> {
        if let Some(room) = self.loaded.recent.get(id) {
            return Ok(room);
        }
        let mut in_use = self.loaded.in_use.lock();
        if let Some(room) = in_use.get(id).and_then(Weak::upgrade) {
            self.loaded.recent.insert(id.to_owned(), room.clone());
            return Ok(room);
        }
        let row = self.scope.get(&ROOMS, (id,))?.ok_or(Error::NoSuchRoom)?;
        let head = self.scope.get(&HEADS, (id,))?.ok_or_else(|| Error::Damaged(format!("room {id} has no head")))?;
        let version = RoomVersion::parse(&row.version).map_err(|error| Error::Damaged(error.to_string()))?;
        let servers =
            self.scope.scan(&SERVERS, (id,)).rows()?.into_iter().map(|((_, server), row)| (server, row.joined));
        let room = Arc::new(Room::new(id.to_owned(), version, head, servers.collect()));
        if in_use.len() > 2 * ROOMS_MAX {
            in_use.retain(|_, room| room.strong_count() > 0);
        }
        in_use.insert(id.to_owned(), Arc::downgrade(&room));
        self.loaded.recent.insert(id.to_owned(), room.clone());
        Ok(room)
    }
}
