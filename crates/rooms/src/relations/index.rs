//! Rows that tell what an event relates to: they stand where the event stands in the timeline, whenever it came.

use std::collections::HashSet;

use events::Pdu;
use kernel::id::OwnedEventId;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{Stamp, Stamped};

use crate::{
    Boundary, Event, Result,
    accept::Unit,
    tables::{RELATED, RELATIONS, RelationRow, THREADS, ThreadRow},
};

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

/// The event that this one relates to, and how. What cannot be read relates to nothing, nor does state.
fn relation(pdu: &Pdu) -> Option<(OwnedEventId, RelationRow)> {
    if pdu.is_state() {
        return None;
    }
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

/// Notes what an event relates to that came as it happened.
pub(crate) fn index(unit: &mut Unit<'_>, pdu: &Pdu, stamp: Stamp) {
    let Some((target, row)) = relation(pdu) else { return };
    let room = unit.room.id.clone();
    unit.batch.put(&RELATIONS, (room.as_ref(), target.as_ref(), stamp, 0_u32), &row);
    unit.batch.put(&RELATED, (room.as_ref(), target.as_ref()), &());
    if row.rel_type == "m.thread" {
        unit.batch.put_stamped(&THREADS, (room.as_ref(), target.as_ref()), stamp, &ThreadRow { order: 0 });
    }
}

/// The same for an event of the past, which is put where it belongs. `threads` are those whose last event this unit has looked
/// for: it puts in the newest first. The commit fails with a conflict if a thread is written to meanwhile.
pub(crate) fn index_past(
    unit: &mut Unit<'_>,
    pdu: &Pdu,
    place: Boundary,
    threads: &mut HashSet<OwnedEventId>,
) -> Result<()> {
    let Some((target, row)) = relation(pdu) else { return Ok(()) };
    let (room, Boundary { position, order }) = (unit.room.id.clone(), place);
    let key = (room.as_ref(), target.as_ref());
    unit.batch.put(&RELATIONS, (room.as_ref(), target.as_ref(), position, order), &row);
    unit.batch.put(&RELATED, key, &());
    if row.rel_type != "m.thread" || !threads.insert(target.clone()) {
        return Ok(());
    }
    let last = unit.inner.scope.get(&THREADS, key)?;
    if last.as_ref().is_none_or(|last| (last.position, last.value.order) < (position, order)) {
        unit.batch.expect(&THREADS, key, last.as_ref());
        unit.batch.put(&THREADS, key, &Stamped { position, value: ThreadRow { order } });
    }
    Ok(())
}

/// A redacted event relates to nothing any more.
pub(crate) fn forget(unit: &mut Unit<'_>, event: &Event) {
    let Some((target, _)) = relation(&event.pdu) else { return };
    let key = (unit.room.id.clone(), target, event.position, event.order);
    unit.batch.delete(&RELATIONS, key);
}
