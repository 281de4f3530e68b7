//! Finding an event by its time, also among what other servers have (spec, `timestamp_to_event`).

use std::sync::Arc;

use kernel::{
    Position, Timestamp,
    id::{EventId, OwnedEventId, RoomId, UserId},
};
use store::Direction;
use tokio::time::{Instant, timeout_at};

use super::{PATIENCE, ROUNDS_MAX};
use crate::{Boundary, Event, Result, Rooms, room::Room};

impl Rooms {
    /// The visible event closest to a moment, at or after it, or at or before it. Where history is missing here around that
    /// moment, other servers are asked, and what they find is fetched.
    pub async fn event_by_time(
        &self,
        room: &RoomId,
        user: &UserId,
        at: Timestamp,
        direction: Direction,
    ) -> Result<Option<Arc<Event>>> {
        let here = self.event_by_time_here(room, user, at, direction)?;
        if self.gap_around(&*self.inner.room(room)?, at)?.is_none() {
            return Ok(here);
        }
        let deadline = Instant::now() + PATIENCE;
        let told = timeout_at(deadline, self.closest_elsewhere(room, at, direction)).await.ok().transpose()?;
        let Some((id, sent)) = told.flatten() else { return Ok(here) };
        if here.as_ref().is_some_and(|here| distance(at, here.pdu.origin_server_ts()) <= distance(at, sent)) {
            return Ok(here);
        }
        match timeout_at(deadline, self.fetch_around(room, at, &id)).await {
            Ok(outcome) => outcome?,
            Err(_) => tracing::info!(%room, event = %id, "an event that another server found lies too far back"),
        }
        // Whatever the other server said of it, what is here now decides.
        self.event_by_time_here(room, user, at, direction)
    }

    /// What other servers have at that moment, by the first that knows.
    async fn closest_elsewhere(
        &self,
        room: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> Result<Option<(OwnedEventId, Timestamp)>> {
        let room = self.inner.room(room)?;
        for server in self.historians(&room)? {
            match self.inner.remote.event_by_time(&server, &room.id, at, direction).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) => tracing::info!(%server, room = %room.id, %error, "no event of that time was found"),
            }
        }
        Ok(None)
    }

    /// Fetches what is missing around the moment until the event is here, within bounds.
    async fn fetch_around(&self, room: &RoomId, at: Timestamp, id: &EventId) -> Result<()> {
        let loaded = self.inner.room(room)?;
        for _ in 0..ROUNDS_MAX {
            let Some(gap) = self.gap_around(&loaded, at)? else { break };
            if self.has_place(&loaded, id)? || !self.fetch_history(room, gap.position).await? {
                break;
            }
        }
        Ok(())
    }

    /// The last gap in the timeline between the events around that moment.
    fn gap_around(&self, room: &Room, at: Timestamp) -> Result<Option<Boundary>> {
        let place = |direction| -> Result<Option<Boundary>> {
            let found = self.closest(room, at, direction, |_| Ok(true))?;
            Ok(found.map(|event| Boundary::just_after(&event)))
        };
        let before = place(Direction::Backward)?.unwrap_or(Boundary::at(Position::START));
        let after = place(Direction::Forward)?.unwrap_or(Boundary::at(self.position()));
        Ok(self.gaps(room, Some(before.min(after)), before.max(after), false)?.first().copied())
    }
}

fn distance(a: Timestamp, b: Timestamp) -> u64 {
    a.0.abs_diff(b.0)
}
