//! What came before events (spec, `GET /backfill`, `POST /get_missing_events`).
//!
//! Only events with a place in the room are told: an outlier's own past is not here. What the rules refuse is left out, and
//! what lies behind it is not. An event that was soft-failed is told to whoever asks by an event that follows it, for they
//! have taken that in (spec, "Soft failure").

use std::{
    collections::{BinaryHeap, HashSet},
    sync::Arc,
};

use kernel::{
    Position,
    id::{EventId, OwnedEventId, RoomId, ServerName},
};

use crate::{
    Event, Gap, Result, Rooms,
    receive::{MISSING_MAX, by_citation},
    room::Room,
    visibility::ServerViewer,
};

/// Events of one answer to a request for history.
pub(crate) const BACKFILL_MAX: usize = 100;
/// Events that a request may begin from.
const BEGINNINGS_MAX: usize = 100;
/// Events that are looked at for one answer, told or not.
const LOOKED_AT_MAX: usize = 1_000;

impl Rooms {
    /// At most `limit` of these events and those that came before them, newest first; what a redaction leaves of what the
    /// server may not see.
    ///
    /// # Errors
    /// [`Error::Denied`](crate::Error::Denied) to a server that is not in the room.
    pub fn backfill_for(
        &self,
        origin: &ServerName,
        room: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
    ) -> Result<Vec<String>> {
        let room = self.served(origin, room)?;
        let mut viewer = ServerViewer::new(self, room.clone(), origin);
        let mut walk = Walk { rooms: self, room: &room, known: HashSet::new(), waiting: BinaryHeap::new() };
        walk.visit(from.iter().take(BEGINNINGS_MAX))?;
        let mut told = Vec::new();
        while told.len() < limit.min(BACKFILL_MAX)
            && let Some(event) = walk.next()?
        {
            if !event.verdict.is_rejected() {
                told.push(viewer.shown(&event)?.into_json());
            }
        }
        Ok(told)
    }

    /// The events that lead to the latest ones from what the other server has, oldest first, the latest ones left out; what
    /// a redaction leaves of what the server may not see.
    ///
    /// # Errors
    /// [`Error::Denied`](crate::Error::Denied) to a server that is not in the room.
    pub fn missing_events_for(&self, origin: &ServerName, room: &RoomId, gap: &Gap<'_>) -> Result<Vec<String>> {
        let room = self.served(origin, room)?;
        let mut viewer = ServerViewer::new(self, room.clone(), origin);
        let limit = gap.limit.min(MISSING_MAX);
        let latest = || gap.latest.iter().take(BEGINNINGS_MAX);
        let mut known: HashSet<OwnedEventId> =
            gap.earliest.iter().take(BEGINNINGS_MAX).chain(latest()).cloned().collect();
        let mut front: Vec<Arc<Event>> = Vec::new();
        for id in latest() {
            front.extend(self.placed(&room, id)?);
        }
        let mut found = Vec::new();
        // Breadth first, so that a limit cuts off what is furthest from the latest.
        while !front.is_empty() && found.len() < limit && known.len() < LOOKED_AT_MAX {
            let mut next = Vec::new();
            for id in front.iter().flat_map(|event| event.pdu.prev_events()) {
                if !known.insert(id.clone()) {
                    continue;
                }
                let Some(event) = self.placed(&room, id)?.filter(|event| event.pdu.depth() >= gap.min_depth) else {
                    continue;
                };
                if !event.verdict.is_rejected() && found.len() < limit {
                    found.push(viewer.shown(&event)?);
                }
                next.push(event);
            }
            front = next;
        }
        found.sort_by_key(|pdu| pdu.depth());
        Ok(by_citation(found, |pdu| pdu.prev_events()).into_iter().map(|pdu| pdu.into_json()).collect())
    }

    /// The event, if it has a place in the room.
    fn placed(&self, room: &Room, id: &EventId) -> Result<Option<Arc<Event>>> {
        Ok(self.inner.event(room, id)?.filter(|event| !event.verdict.is_outlier()))
    }
}

/// A walk back through a room's graph, the deepest first.
struct Walk<'a> {
    rooms: &'a Rooms,
    room: &'a Room,
    known: HashSet<OwnedEventId>,
    waiting: BinaryHeap<(u64, Position, u32, OwnedEventId)>,
}

impl Walk<'_> {
    fn visit<'a>(&mut self, ids: impl Iterator<Item = &'a OwnedEventId>) -> Result<()> {
        for id in ids {
            if self.known.len() < LOOKED_AT_MAX
                && self.known.insert(id.clone())
                && let Some(event) = self.rooms.placed(self.room, id)?
            {
                self.waiting.push((event.pdu.depth(), event.position, event.order, id.clone()));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Arc<Event>>> {
        let Some((_, _, _, id)) = self.waiting.pop() else { return Ok(None) };
        let event = self.rooms.placed(self.room, &id)?;
        if let Some(event) = &event {
            self.visit(event.pdu.prev_events().iter())?;
        }
        Ok(event)
    }
}
