//! Events between what this server has and what it was sent: asked for once, within bounds. What lies beyond is bridged by
//! the state at the other end (`state_at`).

use std::sync::Arc;

use events::Pdu;
use kernel::id::{OwnedEventId, ServerName};

use super::by_citation;
use crate::{Gap, Result, Rooms, room::Room, tables::HEADS};

/// Events that are told to fill a gap.
pub(crate) const MISSING_MAX: usize = 20;
/// Events that are asked for.
const ASKED_MAX: usize = 10;
/// Ends of the room that are named as what is here.
const EARLIEST_MAX: usize = 20;

impl Rooms {
    /// The events that lead from what is here to this one, oldest first; none if nothing is missing, or cannot be had.
    pub(super) async fn missing_before(&self, origin: &ServerName, room: &Arc<Room>, pdu: &Pdu) -> Result<Vec<Pdu>> {
        if self.unplaced(room, pdu)?.is_empty() {
            return Ok(Vec::new());
        }
        let Some(head) = self.inner.scope.get(&HEADS, (room.id.as_ref(),))? else { return Ok(Vec::new()) };
        let earliest: Vec<OwnedEventId> = head.extremities.into_iter().take(EARLIEST_MAX).collect();
        let latest = [pdu.event_id().to_owned()];
        let gap = Gap { earliest: &earliest, latest: &latest, limit: ASKED_MAX, min_depth: 0 };
        let found = match self.inner.remote.missing_events(origin, &room.id, &gap).await {
            Ok(mut found) => {
                found.truncate(MISSING_MAX);
                found
            }
            Err(error) => {
                tracing::info!(%origin, room = %room.id, %error, "missing events cannot be had");
                return Ok(Vec::new());
            }
        };
        let found = self.verified(&room.id, room.version, found).await;
        Ok(by_citation(found, Pdu::prev_events))
    }

    /// The events just before this one that have no place here.
    pub(crate) fn unplaced(&self, room: &Room, pdu: &Pdu) -> Result<Vec<OwnedEventId>> {
        let mut unplaced = Vec::new();
        for id in pdu.prev_events() {
            if !self.has_place(room, id)? {
                unplaced.push(id.clone());
            }
        }
        Ok(unplaced)
    }
}
