//! The timeline of a room: pages of it, what is new in it, and single events by time.

use std::{fmt, str::FromStr, sync::Arc};

use kernel::{
    Position, Timestamp,
    id::{OwnedEventId, RoomId, UserId},
};
use store::Direction;

use crate::{
    Event, Result, Rooms, Viewer,
    tables::{BY_TIME, TIMELINE},
};

/// Timeline rows that one page reads at most, seen or not: a page that meets more hidden ones ends early, with a token.
const ROWS_READ_MAX: usize = 4_000;
/// Timeline rows read at a time.
const ROWS_AT_A_TIME: usize = 128;

/// A place between two events of a room's timeline: just after this position. `Display` and `FromStr` are its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boundary(pub Position);

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl FromStr for Boundary {
    type Err = ();

    fn from_str(token: &str) -> std::result::Result<Self, ()> {
        token.strip_prefix('t').and_then(|digits| digits.parse().ok()).map(|at| Self(Position(at))).ok_or(())
    }
}

/// Some consecutive visible events of a timeline.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order that was asked for.
    pub events: Vec<Arc<Event>>,
    /// Where the next page begins; `None` when there is nothing beyond.
    pub next: Option<Boundary>,
}

/// What is new in a room since a moment of the stream.
#[derive(Clone, Debug)]
pub struct News {
    /// Oldest first.
    pub events: Vec<Arc<Event>>,
    /// There was more than the limit: the oldest are left out.
    pub limited: bool,
    /// Just before the first of them.
    pub before: Boundary,
}

impl Rooms {
    /// At most `limit` events that the user sees and `wanted` wants, from a place on, in a direction, up to another place.
    ///
    /// A page with fewer events than the limit is not the end: only `next: None` is.
    pub fn page(
        &self,
        viewer: &mut Viewer<'_>,
        from: Boundary,
        to: Option<Boundary>,
        direction: Direction,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Page> {
        if limit == 0 {
            return Ok(Page { events: Vec::new(), next: Some(from) });
        }
        let room = viewer.room().clone();
        let (mut events, mut at, mut read) = (Vec::new(), from, 0);
        loop {
            let rows = self.rows(&room.id, at, to, direction)?;
            let complete = rows.len() < ROWS_AT_A_TIME;
            let ids: Vec<OwnedEventId> = rows.iter().map(|(_, id)| id.clone()).collect();
            for (event, (position, _)) in self.inner.events(&room, &ids)?.into_iter().zip(&rows) {
                read += 1;
                at = match direction {
                    Direction::Forward => Boundary(*position),
                    Direction::Backward => Boundary(Position(position.0.saturating_sub(1))),
                };
                if wanted(&event) && viewer.sees(&event)? {
                    events.push(event);
                }
                if events.len() >= limit || read >= ROWS_READ_MAX {
                    return Ok(Page { events, next: Some(at) });
                }
            }
            if complete {
                return Ok(Page { events, next: None });
            }
        }
    }

    fn rows(
        &self,
        room: &RoomId,
        at: Boundary,
        to: Option<Boundary>,
        direction: Direction,
    ) -> Result<Vec<(Position, OwnedEventId)>> {
        let scan = self.inner.scope.scan(&TIMELINE, (room,)).limit(ROWS_AT_A_TIME);
        let scan = match (direction, to) {
            (Direction::Forward, None) => scan.after((room, at.0)),
            (Direction::Forward, Some(to)) => scan.after((room, at.0)).through((room, to.0)),
            (Direction::Backward, None) => scan.through((room, at.0)).backward(),
            (Direction::Backward, Some(to)) => scan.after((room, to.0)).through((room, at.0)).backward(),
        };
        Ok(scan.rows()?.into_iter().map(|((_, position), id)| (position, id.0)).collect())
    }

    /// The last `limit` visible and wanted events after `since`, up to and including `upto`.
    pub fn news(
        &self,
        viewer: &mut Viewer<'_>,
        since: Position,
        upto: Position,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<News> {
        let page = self.page(viewer, Boundary(upto), Some(Boundary(since)), Direction::Backward, limit, wanted)?;
        let mut events = page.events;
        events.reverse();
        let older = |at: Boundary| -> Result<bool> {
            Ok(!self.rows(&viewer.room().id, at, Some(Boundary(since)), Direction::Backward)?.is_empty())
        };
        let limited = page.next.map_or(Ok(false), older)?;
        let before = events.first().map_or(upto, |event| Position(event.position.0.saturating_sub(1)));
        Ok(News { events, limited, before: Boundary(before) })
    }

    /// The position of the room's last change that a sync shows.
    pub fn last_change(&self, room: &RoomId) -> Result<Position> {
        self.inner.views.last_change(room, || {
            let event = self.inner.scope.scan(&TIMELINE, (room,)).backward().limit(1).keys()?.pop();
            let receipt = self.last_receipt(room)?;
            Ok(event.map_or(Position::START, |(_, position)| position).max(receipt))
        })
    }

    /// The visible event closest to a moment, at or after it, or at or before it (spec, `timestamp_to_event`).
    pub fn event_by_time(
        &self,
        room: &RoomId,
        user: &UserId,
        at: Timestamp,
        direction: Direction,
    ) -> Result<Option<Arc<Event>>> {
        let mut viewer = self.viewer(room, user)?;
        let scan = self.inner.scope.scan(&BY_TIME, (room,)).limit(ROWS_READ_MAX);
        let scan = match direction {
            Direction::Forward => scan.from_prefix((room, at)),
            Direction::Backward => scan.through_prefix((room, at)).backward(),
        };
        let loaded = viewer.room().clone();
        for (_, _, id) in scan.keys()? {
            if let Some(event) = self.inner.event(&loaded, &id)?
                && viewer.sees(&event)?
            {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
