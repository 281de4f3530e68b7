//! The state of a room before one of its events (spec, `GET /state`, `GET /state_ids`).

use std::sync::Arc;

use kernel::id::{EventId, RoomId, ServerName};

use crate::{Error, Result, Rooms, StateEvents, StateIds, receive::STATE_EVENTS_MAX, room::Room};

impl Rooms {
    /// The state before the event, and the auth chain of that. In a large room it reads much.
    ///
    /// # Errors
    /// [`Error::Denied`] to a server that is not in the room; [`Error::NoSuchEvent`] for an event that has no place in it.
    pub fn state_for(&self, origin: &ServerName, room: &RoomId, event: &EventId) -> Result<StateEvents> {
        let room = self.served(origin, room)?;
        let StateIds { state, auth_chain } = self.ids_before(&room, event)?;
        Ok(StateEvents { state: self.inner.texts(&room, &state)?, auth_chain: self.inner.texts(&room, &auth_chain)? })
    }

    /// The same, only the ids.
    pub fn state_ids_for(&self, origin: &ServerName, room: &RoomId, event: &EventId) -> Result<StateIds> {
        self.ids_before(&self.served(origin, room)?, event)
    }

    fn ids_before(&self, room: &Arc<Room>, event: &EventId) -> Result<StateIds> {
        let event = self.inner.valid(room, event)?;
        if event.verdict.is_outlier() {
            return Err(Error::NoSuchEvent);
        }
        let trees = &self.inner.trees;
        if trees.len(event.state_before)? > STATE_EVENTS_MAX {
            return Err(Error::TooLarge("The state of the room is too large".to_owned()));
        }
        let state: Vec<_> = trees.all(event.state_before)?.into_iter().map(|entry| entry.event_id).collect();
        let auth_chain = self.inner.auth_chain(room, &state)?;
        Ok(StateIds { state, auth_chain })
    }
}
