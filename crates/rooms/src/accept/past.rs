//! History that was fetched later takes its place in the timeline. The room's end and its state stay what they are.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::Pdu;
use kernel::{Position, id::OwnedEventId};
use store::Stamped;

use super::Unit;
use crate::{
    Boundary, Change, Result, TOPIC, Verdict,
    state::Root,
    tables::{BY_TIME, EARLY_REDACTIONS, EVENTS, EventRow, GAPS, GapRow, OwnedEventIdRow, TIMELINE},
};

/// An event of the past, with the states around it, which are on disk.
pub(crate) struct Past {
    pub(crate) pdu: Pdu,
    /// `None` for one that is not kept.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) state_before: Root,
    pub(crate) state_after: Root,
}

/// A redaction that is older than what is here, and the state in which it was sent.
type Redaction = (Arc<Pdu>, Root);

/// What the events of one unit leave for those that are put in after them, which are older.
#[derive(Default)]
struct Newer {
    /// Redactions, by what they redact.
    redactions: HashMap<OwnedEventId, Vec<Redaction>>,
    /// The roots of threads whose last event may be among them.
    threads: HashSet<OwnedEventId>,
}

impl Unit<'_> {
    /// Puts events into the timeline at the gap, given newest first, before what was put there earlier; `missing` is what
    /// came before them. The commit fails with a conflict if the gap is no longer as it was `found`.
    pub(crate) fn insert_past(
        &mut self,
        gap: Position,
        found: &GapRow,
        past: Vec<Past>,
        missing: Vec<OwnedEventId>,
    ) -> Result<()> {
        let room = self.room.id.clone();
        let mut row = GapRow { missing, fetched: found.fetched };
        let (mut events, mut newer) = (Vec::new(), Newer::default());
        for one in past {
            let key = (room.as_ref(), one.pdu.event_id());
            let known = self.inner.scope.get(&EVENTS, key)?;
            let Some(verdict) = one.verdict else { continue };
            if known.as_ref().is_some_and(|known| !known.value.verdict.is_outlier()) {
                // It came by itself meanwhile.
                continue;
            }
            self.batch.expect(&EVENTS, key, known.as_ref());
            events.push(one.pdu.event_id().to_owned());
            if verdict == Verdict::Accepted {
                let place = Boundary { position: gap, order: u32::MAX.saturating_sub(row.fetched) };
                self.put_past(place, one, &mut newer)?;
                row.fetched += 1;
            } else {
                let json = one.pdu.json().to_owned();
                self.put_past_row(gap, 0, &one, EventRow { verdict, ..row_of(&one, json) });
            }
        }
        for (target, redactions) in newer.redactions {
            for (redaction, _) in redactions {
                self.batch.put(&EARLY_REDACTIONS, (room.as_ref(), target.as_ref(), redaction.event_id()), &());
            }
        }
        self.batch.expect(&GAPS, (room.as_ref(), gap), Some(found));
        self.batch.put(&GAPS, (room.as_ref(), gap), &row);
        if !events.is_empty() {
            let stamp = self.batch.stamp();
            self.batch.announce(TOPIC, stamp, &Change::Known { room, events });
        }
        Ok(())
    }

    fn put_past(&mut self, place: Boundary, one: Past, newer: &mut Newer) -> Result<()> {
        let pdu = Arc::new(one.pdu.clone());
        let (room, id) = (self.room.id.clone(), pdu.event_id().to_owned());
        let mut redacted_by = None;
        for (redaction, state) in newer.redactions.remove(&id).unwrap_or_default() {
            if redacted_by.is_none() && self.may_redact(&redaction, &pdu, state)? {
                redacted_by = Some(redaction.event_id().to_owned());
            }
        }
        if redacted_by.is_none() {
            redacted_by = self.early_redaction(&pdu)?;
        }
        if let Some(target) = self.redact_past(&pdu, one.state_before)? {
            newer.redactions.entry(target).or_default().push((pdu.clone(), one.state_before));
        }
        let json = match &redacted_by {
            Some(_) => events::redact(&pdu, self.room.version)?.into_json(),
            None => {
                crate::relations::index_past(self, &pdu, place, &mut newer.threads)?;
                pdu.json().to_owned()
            }
        };
        let replaces = self.replaced(&pdu, one.state_before)?;
        let Boundary { position, order } = place;
        let row = EventRow { order, redacted_by, replaces, ..row_of(&one, json) };
        self.put_past_row(position, order, &one, row);
        self.batch.put(&TIMELINE, (room.as_ref(), position, order), &OwnedEventIdRow(id.clone()));
        self.batch.put(&BY_TIME, (room.as_ref(), pdu.origin_server_ts(), id.as_ref()), &());
        Ok(())
    }

    fn put_past_row(&mut self, gap: Position, order: u32, one: &Past, row: EventRow) {
        let row = Stamped { position: gap, value: EventRow { order, ..row } };
        self.batch.put(&EVENTS, (self.room.id.as_ref(), one.pdu.event_id()), &row);
    }
}

/// The room's state once the event was in is that of its own branch: what others made of it then is not known.
fn row_of(one: &Past, json: String) -> EventRow {
    EventRow {
        json,
        verdict: Verdict::Accepted,
        order: 0,
        state_before: one.state_before,
        state_after: None,
        room_state: one.state_after,
        redacted_by: None,
        transaction: None,
        replaces: None,
    }
}
