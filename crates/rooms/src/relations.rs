//! Events that relate to others: edits, threads, reactions, references (spec, "Forming relationships between events").

mod index;

use std::sync::Arc;

use kernel::id::{EventId, OwnedEventId, RoomId, UserId};
use store::{Direction, Stamped};

use crate::{
    Boundary, Event, Result, Rooms, Viewer,
    tables::{RELATED, RELATIONS, RelationRow, THREADS, ThreadRow},
};

pub(crate) use index::{annotation, forget, index, index_past};

/// Relations of one event that are looked at for its aggregations, or for one page.
const RELATIONS_READ_MAX: usize = 1_000;
/// How deep `recurse` follows relations of relations.
const RECURSION_DEPTH_MAX: usize = 3;

/// Whether an edit is later than another, wherever they came from (spec, "Event replacements").
fn is_later(edit: &Event, than: &Event) -> bool {
    let key = |event: &Event| (event.pdu.origin_server_ts(), event.pdu.event_id().to_owned());
    key(edit) >= key(than)
}

/// Which relations are asked for.
#[derive(Clone, Debug, Default)]
pub struct RelationQuery {
    pub rel_type: Option<String>,
    pub event_type: Option<String>,
    /// Also what relates to what relates to the event.
    pub recurse: bool,
}

/// Some events that relate to one event.
#[derive(Clone, Debug)]
pub struct Related {
    pub events: Vec<Arc<Event>>,
    /// Where the next page begins; `None` when there is nothing beyond.
    pub next: Option<Boundary>,
    /// How deep relations were followed, when that was asked for.
    pub depth: Option<usize>,
}

/// A thread, as its root shows it.
#[derive(Clone, Debug)]
pub struct ThreadSummary {
    pub latest: Arc<Event>,
    pub count: u64,
    /// Whether the viewer wrote in it.
    pub participated: bool,
}

/// What an event shows of those that relate to it (spec, "Aggregations of child events").
#[derive(Clone, Debug, Default)]
pub struct Aggregations {
    /// The last edit by the event's own sender.
    pub edit: Option<Arc<Event>>,
    pub thread: Option<ThreadSummary>,
    pub references: Vec<OwnedEventId>,
}

impl Rooms {
    /// What the viewer may be shown of the event's relations.
    pub fn aggregations(
        &self,
        viewer: &mut Viewer<'_>,
        event: &Event,
        ignored: impl Fn(&UserId) -> bool,
    ) -> Result<Aggregations> {
        let room = viewer.room().clone();
        let target = (room.id.as_ref(), event.pdu.event_id());
        let mut found = Aggregations::default();
        if event.redacted_by.is_some() || !self.inner.scope.has(&RELATED, target)? {
            return Ok(found);
        }
        // Of too many the newest count: the last edit and the last reply are among them.
        let newest =
            self.relations_of(&room.id, event.pdu.event_id(), None, Direction::Backward, RELATIONS_READ_MAX)?;
        for (_, row) in newest.into_iter().rev() {
            if ignored(&row.sender) {
                continue;
            }
            match row.rel_type.as_str() {
                "m.replace" => {
                    let valid = row.sender == event.pdu.sender() && row.event_type == event.pdu.kind();
                    if let Some(edit) = self.inner.event(&room, &row.event_id)?
                        && valid
                        && !event.pdu.is_state()
                        && found.edit.as_ref().is_none_or(|last| is_later(&edit, last))
                        && viewer.sees(&edit)?
                    {
                        found.edit = Some(edit);
                    }
                }
                "m.reference" => {
                    if let Some(reference) = self.inner.event(&room, &row.event_id)?
                        && viewer.sees(&reference)?
                    {
                        found.references.push(row.event_id);
                    }
                }
                "m.thread" => {
                    let Some(latest) = self.inner.event(&room, &row.event_id)? else { continue };
                    if !viewer.sees(&latest)? {
                        continue;
                    }
                    let participated = row.sender == viewer.user();
                    match &mut found.thread {
                        Some(thread) => {
                            thread.count += 1;
                            thread.participated |= participated;
                            thread.latest = latest;
                        }
                        None => {
                            let participated = participated || event.pdu.sender() == viewer.user();
                            found.thread = Some(ThreadSummary { latest, count: 1, participated });
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether the sender has annotated the event with this key already.
    pub fn annotated(&self, room: &RoomId, target: &EventId, sender: &UserId, key: &str) -> Result<bool> {
        let rows = self.inner.scope.scan(&RELATIONS, (room, target)).limit(RELATIONS_READ_MAX).rows()?;
        let same = |row: &RelationRow| {
            row.rel_type == "m.annotation" && row.sender == sender && row.key.as_deref() == Some(key)
        };
        Ok(rows.iter().any(|(_, row)| same(row)))
    }

    /// A page of the events that relate to one (spec, `GET /relations`).
    pub fn related(
        &self,
        viewer: &mut Viewer<'_>,
        target: &EventId,
        query: &RelationQuery,
        from: Option<Boundary>,
        direction: Direction,
        limit: usize,
    ) -> Result<Related> {
        let room = viewer.room().clone();
        let (mut rows, depth) = match query.recurse {
            true => (self.relations_within(&room.id, target, from, direction)?, Some(RECURSION_DEPTH_MAX)),
            false => (self.relations_of(&room.id, target, from, direction, RELATIONS_READ_MAX)?, None),
        };
        let last = rows.last().map(|(place, _)| place.past(direction));
        let more = last.filter(|_| !query.recurse && rows.len() >= RELATIONS_READ_MAX);
        rows.retain(|(_, row)| {
            query.rel_type.as_ref().is_none_or(|wanted| *wanted == row.rel_type)
                && query.event_type.as_ref().is_none_or(|wanted| *wanted == row.event_type)
        });
        let (mut events, mut at): (Vec<Arc<Event>>, _) = (Vec::new(), from);
        for (place, row) in rows {
            if events.len() >= limit {
                return Ok(Related { events, next: at, depth });
            }
            at = Some(place.past(direction));
            if let Some(event) = self.inner.event(&room, &row.event_id)?
                && event.redacted_by.is_none()
                && viewer.sees(&event)?
            {
                events.push(event);
            }
        }
        Ok(Related { events, next: more, depth })
    }

    /// What relates to an event, from a place of the timeline on, in a direction.
    fn relations_of(
        &self,
        room: &RoomId,
        target: &EventId,
        from: Option<Boundary>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Boundary, RelationRow)>> {
        let scan = self.inner.scope.scan(&RELATIONS, (room, target)).limit(limit);
        let key = |from: Boundary| (room, target, from.position, from.order);
        let scan = match (direction, from) {
            (Direction::Forward, None) => scan,
            (Direction::Forward, Some(from)) => scan.after(key(from)),
            (Direction::Backward, None) => scan.backward(),
            (Direction::Backward, Some(from)) => scan.through(key(from)).backward(),
        };
        let rows = scan.rows()?.into_iter();
        Ok(rows.map(|((_, _, position, order), row)| (Boundary { position, order }, row)).collect())
    }

    /// The same, with what relates to that, and so on. What an event relates to may stand anywhere, so that all is read for each
    /// page: of too much, the newest.
    fn relations_within(
        &self,
        room: &RoomId,
        target: &EventId,
        from: Option<Boundary>,
        direction: Direction,
    ) -> Result<Vec<(Boundary, RelationRow)>> {
        let mut found: Vec<(Boundary, RelationRow)> = Vec::new();
        let mut targets = vec![target.to_owned()];
        for _ in 0..RECURSION_DEPTH_MAX {
            let mut next = Vec::new();
            for target in targets {
                let left = RELATIONS_READ_MAX.saturating_sub(found.len());
                let rows = self.relations_of(room, &target, None, Direction::Backward, left)?;
                next.extend(rows.iter().map(|(_, row)| row.event_id.clone()));
                found.extend(rows);
            }
            targets = next;
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        found.retain(|(place, _)| match (from, direction) {
            (None, _) => true,
            (Some(from), Direction::Forward) => *place > from,
            (Some(from), Direction::Backward) => *place <= from,
        });
        if direction == Direction::Backward {
            found.reverse();
        }
        Ok(found)
    }

    /// The roots of the room's threads, the one with the latest event first (spec, `GET /threads`).
    pub fn threads(
        &self,
        viewer: &mut Viewer<'_>,
        from: Option<Boundary>,
        limit: usize,
        participated: bool,
    ) -> Result<Related> {
        let room = viewer.room().clone();
        let rows = self.inner.scope.scan(&THREADS, (room.id.as_ref(),)).rows()?.into_iter();
        let place = |row: Stamped<ThreadRow>| Boundary { position: row.position, order: row.value.order };
        let mut threads: Vec<(Boundary, OwnedEventId)> = rows.map(|((_, root), row)| (place(row), root)).collect();
        threads.retain(|(place, _)| from.is_none_or(|from| *place <= from));
        threads.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        let mut events: Vec<Arc<Event>> = Vec::new();
        for (place, root) in threads {
            if events.len() >= limit {
                return Ok(Related { events, next: Some(place), depth: None });
            }
            let Some(event) = self.inner.event(&room, &root)? else { continue };
            if !viewer.sees(&event)? {
                continue;
            }
            let thread = self.aggregations(viewer, &event, |_| false)?.thread;
            if thread.is_some_and(|thread| !participated || thread.participated) {
                events.push(event);
            }
        }
        Ok(Related { events, next: None, depth: None })
    }
}
