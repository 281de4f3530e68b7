//! An event as it is stored, and the ones kept in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use events::Pdu;
use kernel::{
    Position,
    id::{EventId, OwnedDeviceId, OwnedEventId, OwnedTransactionId, RoomId},
};
use quick_cache::{Weighter, sync::Cache};
use store::{Announcement, Stamped};

use crate::{
    Change, Error, Membership, Result, TOPIC,
    accept::member_of,
    room::Room,
    state::Root,
    tables::{EVENTS, EventRow, Verdict},
};

/// Events kept in memory for each tenant, in bytes of JSON.
const CACHE_BYTES: u64 = 16 << 20;
const EVENT_BYTES_TYPICAL: u64 = 1_000;

/// A stored event with what the server knows about it.
#[derive(Debug)]
pub struct Event {
    pub pdu: Arc<Pdu>,
    pub verdict: Verdict,
    /// When it came: its place in the timeline.
    pub position: Position,
    /// Its place among history that was fetched for that position; 0 for an event that came as it happened.
    pub order: u32,
    /// The state of the room before it.
    pub state_before: Root,
    /// The state after it, on its own branch of the room's graph.
    pub state_after: Root,
    /// The current state of the room once it was in.
    pub room_state: Root,
    pub redacted_by: Option<OwnedEventId>,
    /// The device and transaction that sent it: for that device's eyes only.
    pub transaction: Option<(OwnedDeviceId, OwnedTransactionId)>,
    /// The event that was this piece of state before.
    pub replaces: Option<OwnedEventId>,
}

impl Event {
    /// What a member event says; `None` for any other.
    pub fn membership(&self) -> Option<Membership> {
        member_of(&self.pdu).map(|(_, membership)| membership)
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<OwnedEventId, Arc<Event>> for ByBytes {
    fn weight(&self, _: &OwnedEventId, event: &Arc<Event>) -> u64 {
        // The JSON, its parsed fields again, and the bookkeeping.
        512 + 2 * event.pdu.json().len() as u64
    }
}

/// A tenant's events in memory.
pub(crate) struct Events {
    cache: Cache<OwnedEventId, Arc<Event>, ByBytes>,
    /// Counts rewritten events: one that was read before must not be kept after.
    rewrites: AtomicU64,
}

impl Events {
    pub(crate) fn new() -> Self {
        let items = usize::try_from(CACHE_BYTES / EVENT_BYTES_TYPICAL).unwrap_or(usize::MAX);
        Self { cache: Cache::with_weighter(items, CACHE_BYTES, ByBytes), rewrites: AtomicU64::new(0) }
    }

    fn rewritten<'a>(&self, ids: impl Iterator<Item = &'a OwnedEventId>) {
        for id in ids {
            self.rewrites.fetch_add(1, Ordering::SeqCst);
            self.cache.remove(id);
        }
    }

    pub(crate) fn update(&self, announcements: &[Announcement]) {
        for announcement in announcements.iter().filter(|a| a.topic == TOPIC) {
            match announcement.read() {
                Ok(Change::Event { event_id, redacts, known, .. }) => {
                    self.rewritten(redacts.iter().chain(known.then_some(&event_id)));
                }
                Ok(Change::Known { events, .. }) => self.rewritten(events.iter()),
                _ => {}
            }
        }
    }
}

impl crate::Inner {
    /// The event of this id in this room, whether or not anybody may see it.
    pub(crate) fn event(&self, room: &Room, id: &EventId) -> Result<Option<Arc<Event>>> {
        if let Some(event) = self.events.cache.get(id)
            && event.pdu.room_id() == room.id
        {
            return Ok(Some(event));
        }
        let before = self.events.rewrites.load(Ordering::SeqCst);
        let Some(row) = self.scope.get(&EVENTS, (room.id.as_ref(), id))? else { return Ok(None) };
        let event = Arc::new(read(room, id, row)?);
        self.keep(before, &event);
        Ok(Some(event))
    }

    /// The events of these ids, in their order. One that is missing is damage: the ids come from our own tables.
    pub(crate) fn events(&self, room: &Room, ids: &[OwnedEventId]) -> Result<Vec<Arc<Event>>> {
        let before = self.events.rewrites.load(Ordering::SeqCst);
        let mut found: Vec<Option<Arc<Event>>> =
            ids.iter().map(|id| self.events.cache.get(id).filter(|event| event.pdu.room_id() == room.id)).collect();
        let missing: Vec<(&RoomId, &EventId)> = ids
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(id, _)| (room.id.as_ref(), id.as_ref()))
            .collect();
        let mut rows = self.scope.multi_get(&EVENTS, &missing)?.into_iter();
        for (slot, id) in found.iter_mut().zip(ids).filter(|(slot, _)| slot.is_none()) {
            let row = rows.next().flatten().ok_or_else(|| Error::Damaged(format!("event {id} is missing")))?;
            let event = Arc::new(read(room, id, row)?);
            self.keep(before, &event);
            *slot = Some(event);
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn keep(&self, rewrites_before: u64, event: &Arc<Event>) {
        let id = event.pdu.event_id();
        self.events.cache.insert(id.to_owned(), event.clone());
        if self.events.rewrites.load(Ordering::SeqCst) != rewrites_before {
            self.events.cache.remove(id);
        }
    }
}

fn read(room: &Room, id: &EventId, row: Stamped<EventRow>) -> Result<Event> {
    let Stamped { position, value: row } = row;
    let pdu = Pdu::from_stored(id.to_owned(), row.json, room.version, row.verdict.is_rejected())
        .map_err(|error| Error::Damaged(format!("event {id}: {error}")))?;
    Ok(Event {
        pdu: Arc::new(pdu),
        verdict: row.verdict,
        position,
        order: row.order,
        state_before: row.state_before,
        state_after: row.state_after.unwrap_or(row.room_state),
        room_state: row.room_state,
        redacted_by: row.redacted_by,
        transaction: row.transaction,
        replaces: row.replaces,
    })
}
