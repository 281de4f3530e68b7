//! Redactions take effect as they enter the room, and on what comes after them.

use std::sync::Arc;

use events::Pdu;
use kernel::id::{EventId, OwnedEventId};
use store::Stamped;

use super::Unit;
use crate::{
    Change, Error, Result, TOPIC,
    event::Event,
    state::Root,
    tables::{EARLY_REDACTIONS, EVENTS, EventRow},
};

/// Redactions of one event that are looked at when it comes.
const EARLY_MAX: usize = 1_000;

impl Unit<'_> {
    /// Prunes the event that this one, sent in that state, redacts, if it is here and the redaction may; returns its id then.
    /// What the room's state is meanwhile does not count: it is another on each server.
    pub(super) fn redact(&mut self, pdu: &Pdu, state: Root) -> Result<Option<OwnedEventId>> {
        let Some(target) = target_of(pdu) else { return Ok(None) };
        // Its event, should it come next, must find it.
        self.holds_on = true;
        let Some(event) = self.inner.event(&self.room, target)? else {
            self.batch.put(&EARLY_REDACTIONS, (self.room.id.as_ref(), target, pdu.event_id()), &());
            return Ok(None);
        };
        Ok(self.prune(&event, pdu, state)?.then(|| target.to_owned()))
    }

    /// The same for a redaction of the past. An event that has no place here yet is pruned as it gets one:
    /// its id is returned.
    pub(super) fn redact_past(&mut self, pdu: &Pdu, state: Root) -> Result<Option<OwnedEventId>> {
        let Some(target) = target_of(pdu) else { return Ok(None) };
        match self.inner.event(&self.room, target)?.filter(|event| !event.verdict.is_outlier()) {
            Some(event) => {
                if self.prune(&event, pdu, state)? {
                    // No event of the feed names it: whoever has it in memory must hear of it.
                    let stamp = self.batch.stamp();
                    let change = Change::Known { room: self.room.id.clone(), events: vec![target.to_owned()] };
                    self.batch.announce(TOPIC, stamp, &change);
                }
                Ok(None)
            }
            None => Ok(Some(target.to_owned())),
        }
    }

    fn prune(&mut self, event: &Event, redaction: &Pdu, state: Root) -> Result<bool> {
        if event.redacted_by.is_some() || !self.may_redact(redaction, &event.pdu, state)? {
            return Ok(false);
        }
        let pruned = events::redact(&event.pdu, self.room.version)?;
        let row = event_row(event, pruned.into_json(), Some(redaction.event_id().to_owned()));
        let row = Stamped { position: event.position, value: row };
        self.batch.put(&EVENTS, (self.room.id.as_ref(), event.pdu.event_id()), &row);
        crate::relations::forget(self, event);
        Ok(true)
    }

    /// A redaction of this event that came before it, if one of them may.
    pub(super) fn early_redaction(&mut self, event: &Pdu) -> Result<Option<OwnedEventId>> {
        let id = event.event_id();
        if let Some(known) = self.inner.event(&self.room, id)?
            && known.redacted_by.is_some()
        {
            // It was pruned while it had no place.
            return Ok(known.redacted_by.clone());
        }
        let early = self.inner.scope.scan(&EARLY_REDACTIONS, (self.room.id.as_ref(), id)).limit(EARLY_MAX).keys()?;
        let mut redacted_by = None;
        for (room, target, redaction) in early {
            self.batch.delete(&EARLY_REDACTIONS, (room.as_ref(), target.as_ref(), redaction.as_ref()));
            let redaction = self.inner.event(&self.room, &redaction)?;
            let redaction = redaction.ok_or_else(|| Error::Damaged("an early redaction is missing".to_owned()))?;
            if redacted_by.is_none() && self.may_redact(&redaction.pdu, event, redaction.state_before)? {
                redacted_by = Some(redaction.pdu.event_id().to_owned());
            }
        }
        Ok(redacted_by)
    }

    pub(super) fn may_redact(&self, redaction: &Pdu, target: &Pdu, state: Root) -> Result<bool> {
        Ok(events::may_redact(self.room.version, redaction, target, &self.power_levels_in(state)?))
    }

    /// The power levels of the room as this unit has it.
    pub(crate) fn power_levels(&self) -> Result<events::PowerLevels> {
        self.power_levels_in(self.head.state)
    }

    fn power_levels_in(&self, state: Root) -> Result<events::PowerLevels> {
        let create = self
            .state_in(state, "m.room.create", "")?
            .ok_or_else(|| Error::Damaged("a room without creation".into()))?;
        let levels: Option<Arc<Pdu>> = self.state_in(state, "m.room.power_levels", "")?;
        Ok(events::PowerLevels::read(self.room.version, &create, levels.as_deref()))
    }
}

fn target_of(pdu: &Pdu) -> Option<&EventId> {
    if pdu.kind() == "m.room.redaction" { pdu.redacts() } else { None }
}

fn event_row(event: &Event, json: String, redacted_by: Option<OwnedEventId>) -> EventRow {
    EventRow {
        json,
        verdict: event.verdict,
        order: event.order,
        state_before: event.state_before,
        state_after: (event.state_after != event.room_state).then_some(event.state_after),
        room_state: event.room_state,
        redacted_by,
        transaction: event.transaction.clone(),
        replaces: event.replaces.clone(),
    }
}
