//! Redactions take effect as they enter the room, and on what comes after them.

use std::sync::Arc;

use events::Pdu;
use kernel::id::{EventId, OwnedEventId};
use store::Stamped;

use super::Unit;
use crate::{
    Error, Result,
    event::Event,
    tables::{EARLY_REDACTIONS, EVENTS, EventRow, OwnedEventIdRow},
};

impl Unit<'_> {
    /// Prunes the event that this one redacts, if it is here and the redaction may; returns its id then.
    pub(super) fn redact(&mut self, pdu: &Pdu) -> Result<Option<OwnedEventId>> {
        if pdu.kind() != "m.room.redaction" {
            return Ok(None);
        }
        let Some(target) = pdu.redacts() else { return Ok(None) };
        let Some(event) = self.inner.event(&self.room, target)? else {
            let key = (self.room.id.as_ref(), target);
            self.batch.put(&EARLY_REDACTIONS, key, &OwnedEventIdRow(pdu.event_id().to_owned()));
            return Ok(None);
        };
        if event.redacted_by.is_some() || !self.may_redact(pdu, &event.pdu)? {
            return Ok(None);
        }
        let pruned = events::redact(&event.pdu, self.room.version)?;
        let row = event_row(&event, pruned.into_json(), Some(pdu.event_id().to_owned()));
        let row = Stamped { position: event.position, value: row };
        self.batch.put(&EVENTS, (self.room.id.as_ref(), target), &row);
        crate::relations::forget(self, &event)?;
        Ok(Some(target.to_owned()))
    }

    /// The redaction of this event that came before it, if it may.
    pub(super) fn early_redaction(&mut self, id: &EventId) -> Result<Option<OwnedEventId>> {
        let key = (self.room.id.as_ref(), id);
        let Some(OwnedEventIdRow(redaction)) = self.inner.scope.get(&EARLY_REDACTIONS, key)? else { return Ok(None) };
        let (redaction, target) = (self.event(&redaction)?, self.event(id)?);
        let effective = self.may_redact(&redaction, &target)?;
        self.batch.delete(&EARLY_REDACTIONS, (self.room.id.as_ref(), id));
        Ok(effective.then(|| redaction.event_id().to_owned()))
    }

    fn may_redact(&self, redaction: &Pdu, target: &Pdu) -> Result<bool> {
        Ok(events::may_redact(self.room.version, redaction, target, &self.power_levels()?))
    }

    /// The power levels of the room as this unit has it.
    pub(crate) fn power_levels(&self) -> Result<events::PowerLevels> {
        let create =
            self.state("m.room.create", "")?.ok_or_else(|| Error::Damaged("a room without creation".into()))?;
        let levels: Option<Arc<Pdu>> = self.state("m.room.power_levels", "")?;
        Ok(events::PowerLevels::read(self.room.version, &create, levels.as_deref()))
    }
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
