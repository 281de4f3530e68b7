//! The timeline of a room: pages of it, what is new in it, and single events by time.

use std::{fmt, str::FromStr, sync::Arc};

use kernel::{
    Position, Timestamp,
    id::{OwnedEventId, RoomId, UserId},
};
use store::Direction;

use crate::{
    Event, Result, Rooms, Viewer,
    room::Room,
    tables::{BY_TIME, GAPS, TIMELINE},
};

/// Timeline rows that one page reads at most, seen or not: a page that meets more hidden ones ends early, with a token.
const ROWS_READ_MAX: usize = 4_000;
/// Timeline rows read at a time.
const ROWS_AT_A_TIME: usize = 128;
/// Gaps of one room that are looked at.
const GAPS_MAX: usize = 100;

/// A place between two events of a room's timeline: just after what stands at this position and order. `Display` and `FromStr`
/// are its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boundary {
    pub position: Position,
    /// Among history that was fetched for the position; the highest when all of it lies before.
    pub(crate) order: u32,
}

impl Boundary {
    /// Just after all that the position brought.
    pub fn at(position: Position) -> Self {
        Self { position, order: u32::MAX }
    }

    pub fn just_after(event: &Event) -> Self {
        Self { position: event.position, order: event.order }
    }

    pub fn just_before(event: &Event) -> Self {
        Self::before(event.position, event.order)
    }

    /// Where to go on, in a direction, after what stands here.
    pub(crate) fn past(self, direction: Direction) -> Self {
        match direction {
            Direction::Forward => self,
            Direction::Backward => Self::before(self.position, self.order),
        }
    }

    /// Behind a gap that opens here: past what is missing, if that cannot be had.
    pub(crate) fn over_gap(self) -> Self {
        Self::before(self.position, self.order)
    }

    fn before(position: Position, order: u32) -> Self {
        match order.checked_sub(1) {
            Some(order) => Self { position, order },
            None => Self::at(Position(position.0.saturating_sub(1))),
        }
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.position)?;
        if self.order == u32::MAX { Ok(()) } else { write!(f, ".{}", self.order) }
    }
}

impl FromStr for Boundary {
    type Err = ();

    fn from_str(token: &str) -> std::result::Result<Self, ()> {
        let token = token.strip_prefix('t').ok_or(())?;
        let (position, order) =
            token.split_once('.').map_or((token, None), |(position, order)| (position, Some(order)));
        let order = order.map_or(Ok(u32::MAX), str::parse).map_err(drop)?;
        Ok(Self { position: Position(position.parse().map_err(drop)?), order })
    }
}

/// Some consecutive visible events of a timeline.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order that was asked for.
    pub events: Vec<Arc<Event>>,
    /// Where the next page begins; `None` when there is nothing beyond.
    pub next: Option<Boundary>,
    /// The page ends where history is missing that other servers may have ([`Rooms::fetch_history`]).
    pub gap: Option<Position>,
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

/// The rows of a timeline between two places, in a direction.
struct Stretch<'a> {
    rooms: &'a Rooms,
    room: Arc<Room>,
    to: Option<Boundary>,
    direction: Direction,
    /// Only what came as it happened.
    live: bool,
}

type TimelineRow = (Position, u32, OwnedEventId);

impl Stretch<'_> {
    /// The next rows from a place on; fewer than [`ROWS_AT_A_TIME`] are the last.
    fn rows(&self, at: Boundary) -> Result<Vec<TimelineRow>> {
        let room = &*self.room.id;
        let scan = self.rooms.inner.scope.scan(&TIMELINE, (room,)).limit(ROWS_AT_A_TIME);
        let key = |place: Boundary| (room, place.position, place.order);
        let scan = match (self.direction, self.to) {
            (Direction::Forward, None) => scan.after(key(at)),
            (Direction::Forward, Some(to)) => scan.after(key(at)).through(key(to)),
            (Direction::Backward, None) => scan.through(key(at)).backward(),
            (Direction::Backward, Some(to)) => scan.after(key(to)).through(key(at)).backward(),
        };
        Ok(scan.rows()?.into_iter().map(|((_, position, order), id)| (position, order, id.0)).collect())
    }

    /// Where to go on after this row.
    fn past(&self, position: Position, order: u32) -> Boundary {
        match (self.direction, self.live && order > 0) {
            // Fetched history is left out in one step, however long it is.
            (Direction::Forward, true) => Boundary::at(position),
            (Direction::Backward, true) => Boundary { position, order: 0 },
            (direction, false) => Boundary { position, order }.past(direction),
        }
    }

    /// Where the first gap opens that a walk backward from here comes to.
    fn next_gap(&self, from: Boundary) -> Result<Option<Boundary>> {
        if self.direction == Direction::Forward {
            return Ok(None);
        }
        // What came as it happened has a hole there even after the history was fetched.
        Ok(self.rooms.gaps(&self.room, self.to, from, self.live)?.first().copied())
    }
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
        let stretch = Stretch { rooms: self, room: viewer.room().clone(), to, direction, live: false };
        self.walk(&stretch, viewer, from, limit, wanted)
    }

    /// Where the timeline has gaps between these places, the newest first: those that are open, or all.
    pub(crate) fn gaps(
        &self,
        room: &Room,
        after: Option<Boundary>,
        upto: Boundary,
        all: bool,
    ) -> Result<Vec<Boundary>> {
        let room = &*room.id;
        let scan = self.inner.scope.scan(&GAPS, (room,)).through((room, upto.position)).backward();
        let rows = scan.limit(GAPS_MAX).rows()?.into_iter().filter(|(_, row)| all || !row.missing.is_empty());
        let places = rows.map(|((_, position), row)| Boundary { position, order: u32::MAX - row.fetched });
        Ok(places.filter(|place| *place <= upto && after.is_none_or(|after| *place > after)).collect())
    }

    fn walk(
        &self,
        stretch: &Stretch<'_>,
        viewer: &mut Viewer<'_>,
        from: Boundary,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Page> {
        if limit == 0 {
            return Ok(Page { events: Vec::new(), next: Some(from), gap: None });
        }
        let gap = stretch.next_gap(from)?;
        let (mut events, mut at, mut read) = (Vec::new(), from, 0);
        loop {
            let mut rows = stretch.rows(at)?;
            let complete = rows.len() < ROWS_AT_A_TIME;
            let last = rows.last().map_or(at, |(position, order, _)| stretch.past(*position, *order));
            rows.retain(|(_, order, _)| !stretch.live || *order == 0);
            let ids: Vec<OwnedEventId> = rows.iter().map(|(_, _, id)| id.clone()).collect();
            for (event, (position, order, _)) in self.inner.events(&stretch.room, &ids)?.into_iter().zip(&rows) {
                if let Some(gap) = gap.filter(|gap| Boundary { position: *position, order: *order } <= *gap) {
                    return Ok(Page { events, next: Some(gap), gap: Some(gap.position) });
                }
                read += 1;
                at = stretch.past(*position, *order);
                if wanted(&event) && viewer.sees(&event)? {
                    events.push(event);
                }
                if events.len() >= limit || read >= ROWS_READ_MAX {
                    return Ok(Page { events, next: Some(at), gap: None });
                }
            }
            if complete {
                return Ok(Page { events, next: gap, gap: gap.map(|gap| gap.position) });
            }
            at = last;
        }
    }

    /// The last `limit` visible and wanted events after `since`, up to and including `upto`, of those that came as they
    /// happened; none from before a gap.
    pub fn news(
        &self,
        viewer: &mut Viewer<'_>,
        since: Position,
        upto: Position,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<News> {
        let (room, to) = (viewer.room().clone(), Some(Boundary::at(since)));
        let stretch = Stretch { rooms: self, room, to, direction: Direction::Backward, live: true };
        let page = self.walk(&stretch, viewer, Boundary::at(upto), limit, wanted)?;
        let mut events = page.events;
        events.reverse();
        let before = events.first().map_or(Boundary::at(upto), |event| Boundary::just_before(event));
        let older = |at: Boundary| -> Result<bool> { Ok(!stretch.rows(at)?.is_empty()) };
        let limited = page.gap.is_some() || page.next.map_or(Ok(false), older)?;
        Ok(News { events, limited, before })
    }

    /// The position of the room's last change that a sync shows.
    pub fn last_change(&self, room: &RoomId) -> Result<Position> {
        self.inner.views.last_change(room, || {
            let event = self.inner.scope.scan(&TIMELINE, (room,)).backward().limit(1).keys()?.pop();
            let receipt = self.last_receipt(room)?;
            Ok(event.map_or(Position::START, |(_, position, _)| position).max(receipt))
        })
    }

    /// Of what is here, the visible event closest to a moment, at or after it, or at or before it.
    pub(crate) fn event_by_time_here(
        &self,
        room: &RoomId,
        user: &UserId,
        at: Timestamp,
        direction: Direction,
    ) -> Result<Option<Arc<Event>>> {
        let mut viewer = self.viewer(room, user)?;
        let room = viewer.room().clone();
        self.closest(&room, at, direction, |event| viewer.sees(event))
    }

    /// The event closest to a moment among those that are seen.
    pub(crate) fn closest(
        &self,
        room: &Room,
        at: Timestamp,
        direction: Direction,
        mut sees: impl FnMut(&Event) -> Result<bool>,
    ) -> Result<Option<Arc<Event>>> {
        let id = &*room.id;
        let scan = self.inner.scope.scan(&BY_TIME, (id,)).limit(ROWS_READ_MAX);
        let scan = match direction {
            Direction::Forward => scan.from_prefix((id, at)),
            Direction::Backward => scan.through_prefix((id, at)).backward(),
        };
        for (_, _, id) in scan.keys()? {
            if let Some(event) = self.inner.event(room, &id)?
                && sees(&event)?
            {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
