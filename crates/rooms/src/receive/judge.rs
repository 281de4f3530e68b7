//! The verdict on an event of another server (spec, "Checks performed on receipt of a PDU", 4 to 6).

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use events::{Pdu, StateKey};
use kernel::id::EventId;

use crate::{Error, Result, Rooms, Verdict, room::Room, state::Root};

impl Rooms {
    /// Judges the event by what it cites, by the state before it, and, if that is given, by what the room is now. All that it
    /// cites as its authorization is here.
    pub(crate) fn judge(&self, room: &Room, pdu: &Pdu, before: Root, now: Option<Root>) -> Result<Verdict> {
        let fetch = |id: &EventId| Ok(self.inner.event(room, id)?.map(|event| event.pdu.clone()));
        if self.is_rejected_by_citation(room, pdu, fetch)? != Some(false) {
            return Ok(Verdict::Rejected);
        }
        if !self.is_allowed_in(room, pdu, before)? {
            return Ok(Verdict::Rejected);
        }
        match now {
            Some(now) if now != before && !self.is_allowed_in(room, pdu, now)? => Ok(Verdict::SoftFailed),
            _ => Ok(Verdict::Accepted),
        }
    }

    /// Whether the rules allow the event in this state.
    pub(crate) fn is_allowed_in(&self, room: &Room, pdu: &Pdu, state: Root) -> Result<bool> {
        let failure = RefCell::new(None);
        let read = |event_type: &str, state_key: &str| -> Result<Option<Arc<Pdu>>> {
            let Some(id) = self.inner.trees.get(state, event_type, state_key)? else { return Ok(None) };
            let event = self.inner.event(room, &id)?;
            event.map(|event| Some(event.pdu.clone())).ok_or_else(|| Error::Damaged(format!("event {id} is missing")))
        };
        let keep = |error: Error| {
            failure.borrow_mut().get_or_insert(error);
        };
        let state = |event_type: &str, key: &str| read(event_type, key).map_err(keep).ok().flatten();
        let allowed = events::authorise(room.version, pdu, state);
        match failure.into_inner() {
            Some(error) => Err(error),
            None => Ok(explained(pdu, allowed)),
        }
    }

    /// Whether what the event cites as its authorization does not allow it; `None` if some of that is not here.
    pub(crate) fn is_rejected_by_citation(
        &self,
        room: &Room,
        pdu: &Pdu,
        fetch: impl Fn(&EventId) -> Result<Option<Arc<Pdu>>>,
    ) -> Result<Option<bool>> {
        let mut cited: HashMap<StateKey, Arc<Pdu>> = HashMap::new();
        let mut found = HashMap::new();
        for id in pdu.auth_events() {
            let Some(event) = fetch(id)? else { return Ok(None) };
            if let Some(key) = event.state_entry() {
                cited.insert(key, event.clone());
            }
            found.insert(id.clone(), event);
        }
        if let Some(id) = room.creation()
            && let Some(create) = fetch(&id)?
        {
            cited.insert(("m.room.create".to_owned(), String::new()), create.clone());
            found.insert(id, create);
        }
        let by_id = |id: &EventId| found.get(id).cloned();
        let state = |kind: &str, key: &str| cited.get(&(kind.to_owned(), key.to_owned())).cloned();
        let allowed = events::authorise_stateless(room.version, pdu, by_id)
            .and_then(|()| events::authorise(room.version, pdu, state));
        Ok(Some(!explained(pdu, allowed)))
    }
}

fn explained(pdu: &Pdu, allowed: events::Result<()>) -> bool {
    if let Err(error) = &allowed {
        tracing::debug!(room = %pdu.room_id(), event = %pdu.event_id(), %error, "an event is refused");
    }
    allowed.is_ok()
}
