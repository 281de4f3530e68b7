//! How a join by way of another server goes on, for the log and the metrics: a large room takes minutes.

use std::time::{Duration, Instant};

use kernel::id::{OwnedRoomId, RoomId};

/// Between two lines of the log about the steps of one join.
const TOLD_EVERY: Duration = Duration::from_secs(3);

/// A join that is under way for as long as this lives.
pub(super) struct Progress {
    room: OwnedRoomId,
    begun: Instant,
    told: Instant,
    /// Pieces of state of the room, and events that were stored.
    state: usize,
    events: usize,
}

impl Progress {
    pub(super) fn begin(room: &RoomId) -> Self {
        metrics::gauge!("beffroi_joins_under_way").increment(1.0);
        let now = Instant::now();
        Self { room: room.to_owned(), begun: now, told: now, state: 0, events: 0 }
    }

    /// Logs how far a step has come, unless a line was logged just before.
    pub(super) fn tell(&mut self, step: &'static str, done: usize, of: usize) {
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            tracing::info!(room = %self.room, step, done, of, "coming in to a room");
        }
    }

    pub(super) fn stored(&mut self, events: usize) {
        self.events += events;
        metrics::counter!("beffroi_join_events").increment(u64::try_from(events).unwrap_or(u64::MAX));
    }

    pub(super) fn has_state(&mut self, pieces: usize) {
        self.state = pieces;
    }

    /// The user is in the room.
    pub(super) fn finish(&self) {
        let (seconds, state, events) = (self.begun.elapsed().as_secs_f64(), self.state, self.events);
        metrics::histogram!("beffroi_join_seconds").record(seconds);
        tracing::info!(room = %self.room, state, events, seconds, "came in to a room");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        metrics::gauge!("beffroi_joins_under_way").decrement(1.0);
    }
}
