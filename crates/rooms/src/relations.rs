//! Events that relate to others: edits, threads, reactions, references (spec, "Forming relationships between events").

use std::sync::Arc;

use events::Pdu;
use kernel::{
    Position,
    id::{EventId, OwnedEventId, RoomId, UserId},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{Direction, Stamp, Stamped};

use crate::{
    Boundary, Event, Result, Rooms, Viewer,
    accept::Unit,
    tables::{RELATED, RELATIONS, RelationRow, THREADS},
};

/// Relations of one event that are looked at for its aggregations.
const RELATIONS_READ_MAX: usize = 1_000;
/// How deep `recurse` follows relations of relations.
const RECURSION_DEPTH_MAX: usize = 3;

#[derive(Deserialize)]
struct Relating {
    #[serde(rename = "m.relates_to")]
    relates_to: Option<RelatesTo>,
}

#[derive(Deserialize)]
struct RelatesTo {
    rel_type: Option<String>,
    event_id: Option<OwnedEventId>,
    key: Option<String>,
}

/// The event that this one relates to, and how. What cannot be read relates to nothing.
fn relation(pdu: &Pdu) -> Option<(OwnedEventId, RelationRow)> {
    let relates_to = pdu.content_as::<Relating>().ok()?.relates_to?;
    let row = RelationRow {
        event_id: pdu.event_id().to_owned(),
        rel_type: relates_to.rel_type?,
        event_type: pdu.kind().to_owned(),
        sender: pdu.sender().to_owned(),
        key: relates_to.key,
    };
    Some((relates_to.event_id?, row))
}

/// The event that content annotates, and the key of the annotation.
pub(crate) fn annotation(content: &RawValue) -> Option<(OwnedEventId, String)> {
    let relates_to = serde_json::from_str::<Relating>(content.get()).ok()?.relates_to?;
    let RelatesTo { rel_type, event_id, key } = relates_to;
    rel_type.filter(|rel_type| rel_type == "m.annotation").and_then(|_| event_id.zip(key))
}

/// Notes what the event relates to.
pub(crate) fn index(unit: &mut Unit<'_>, pdu: &Pdu, stamp: Stamp) {
    if pdu.is_state() {
        return;
    }
    let Some((target, row)) = relation(pdu) else { return };
    let room = unit.room.id.clone();
    unit.batch.put(&RELATIONS, (room.as_ref(), target.as_ref(), stamp), &row);
    unit.batch.put_stamped(&RELATED, (room.as_ref(), target.as_ref()), stamp, &());
    if row.rel_type == "m.thread" {
        unit.batch.put_stamped(&THREADS, (room.as_ref(), target.as_ref()), stamp, &());
    }
}

/// The same for an event of the past, which makes no thread the latest.
pub(crate) fn index_past(unit: &mut Unit<'_>, pdu: &Pdu, at: Position) -> Result<()> {
    let Some((target, row)) = relation(pdu).filter(|_| !pdu.is_state()) else { return Ok(()) };
    let (room, stamp) = (unit.room.id.clone(), unit.batch.stamp());
    let key = (room.as_ref(), target.as_ref());
    unit.batch.put(&RELATIONS, (room.as_ref(), target.as_ref(), stamp), &row);
    unit.batch.put_stamped(&RELATED, key, stamp, &());
    if row.rel_type == "m.thread" && !unit.inner.scope.has(&THREADS, key)? {
        unit.batch.put(&THREADS, key, &Stamped { position: at, value: () });
    }
    Ok(())
}

/// A redacted event relates to nothing any more.
pub(crate) fn forget(unit: &mut Unit<'_>, event: &Event) -> Result<()> {
    let Some((target, _)) = relation(&event.pdu) else { return Ok(()) };
    let room = unit.room.id.clone();
    let rows = unit.inner.scope.scan(&RELATIONS, (room.as_ref(), target.as_ref())).limit(RELATIONS_READ_MAX).rows()?;
    for ((room, target, position), _) in rows.into_iter().filter(|(_, row)| row.event_id == event.pdu.event_id()) {
        unit.batch.delete(&RELATIONS, (room, target, position));
    }
    Ok(())
}

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
        let rows = self.inner.scope.scan(&RELATIONS, target).limit(RELATIONS_READ_MAX).rows()?;
        for (_, row) in rows {
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
                            if (latest.position, latest.order) > (thread.latest.position, thread.latest.order) {
                                thread.latest = latest;
                            }
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
        let depth = if query.recurse { RECURSION_DEPTH_MAX } else { 1 };
        let mut rows = self.relation_rows(&viewer.room().id.clone(), target, depth)?;
        rows.retain(|(_, row)| {
            query.rel_type.as_ref().is_none_or(|wanted| *wanted == row.rel_type)
                && query.event_type.as_ref().is_none_or(|wanted| *wanted == row.event_type)
        });
        rows.sort_unstable_by_key(|(position, _)| *position);
        if direction == Direction::Backward {
            rows.reverse();
        }
        let after_from = |position: Position| match (from, direction) {
            (None, _) => true,
            (Some(from), Direction::Forward) => position > from.position,
            (Some(from), Direction::Backward) => position <= from.position,
        };
        let room = viewer.room().clone();
        let mut events: Vec<Arc<Event>> = Vec::new();
        for (position, row) in rows.into_iter().filter(|(position, _)| after_from(*position)) {
            if events.len() >= limit {
                let next = match direction {
                    Direction::Forward => Position(position.0.saturating_sub(1)),
                    Direction::Backward => position,
                };
                return Ok(Related { events, next: Some(Boundary::at(next)), depth: query.recurse.then_some(depth) });
            }
            if let Some(event) = self.inner.event(&room, &row.event_id)?
                && event.redacted_by.is_none()
                && viewer.sees(&event)?
            {
                events.push(event);
            }
        }
        Ok(Related { events, next: None, depth: query.recurse.then_some(depth) })
    }

    fn relation_rows(&self, room: &RoomId, target: &EventId, depth: usize) -> Result<Vec<(Position, RelationRow)>> {
        let mut found: Vec<(Position, RelationRow)> = Vec::new();
        let mut targets = vec![target.to_owned()];
        for _ in 0..depth {
            let mut next = Vec::new();
            for target in targets {
                let room_left = RELATIONS_READ_MAX.saturating_sub(found.len());
                let rows = self.inner.scope.scan(&RELATIONS, (room, target.as_ref())).limit(room_left).rows()?;
                next.extend(rows.iter().map(|(_, row)| row.event_id.clone()));
                found.extend(rows.into_iter().map(|((_, _, position), row)| (position, row)));
            }
            targets = next;
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
        let mut rows = self.inner.scope.scan(&THREADS, (room.id.as_ref(),)).rows()?;
        rows.sort_unstable_by_key(|(_, row)| std::cmp::Reverse(row.position));
        let mut events: Vec<Arc<Event>> = Vec::new();
        for ((_, root), row) in
            rows.into_iter().filter(|(_, row)| from.is_none_or(|from| row.position <= from.position))
        {
            if events.len() >= limit {
                return Ok(Related { events, next: Some(Boundary::at(row.position)), depth: None });
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
