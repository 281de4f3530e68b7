//! Reading the state of rooms: now, at an event, or at a moment of the stream.

use std::sync::Arc;

use events::PowerLevels;
use kernel::{
    Position,
    id::{RoomId, UserId},
};

use crate::{
    Error, Event, Inner, Result, Rooms,
    room::Room,
    state::{Difference, Root},
    tables::{HEADS, STATE_LOG, STATE_NOW},
};

impl Rooms {
    /// The event that is this piece of state now.
    pub fn current_state(&self, room: &RoomId, event_type: &str, state_key: &str) -> Result<Option<Arc<Event>>> {
        let Some(id) = self.inner.scope.get(&STATE_NOW, (room, event_type, state_key))? else { return Ok(None) };
        self.inner.event(&*self.inner.room(room)?, &id.0)
    }

    /// The event that was this piece of state in that state.
    pub fn state_event(
        &self,
        room: &RoomId,
        state: Root,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<Arc<Event>>> {
        self.inner.state_in(&*self.inner.room(room)?, state, event_type, state_key)
    }

    /// All events of a state.
    pub fn state_events(&self, room: &RoomId, state: Root) -> Result<Vec<Arc<Event>>> {
        let ids: Vec<_> = self.inner.trees.all(state)?.into_iter().map(|entry| entry.event_id).collect();
        self.inner.events(&*self.inner.room(room)?, &ids)
    }

    /// The room's state as it is on disk.
    pub fn current_root(&self, room: &RoomId) -> Result<Root> {
        Ok(self.inner.scope.get(&HEADS, (room,))?.ok_or(Error::NoSuchRoom)?.state)
    }

    /// The room's state at a moment of the stream.
    pub fn root_at(&self, room: &RoomId, position: Position) -> Result<Root> {
        let scan = self.inner.scope.scan(&STATE_LOG, (room,)).through((room, position)).backward();
        Ok(scan.first()?.map_or(Root::EMPTY, |(_, root)| root.0))
    }

    /// What differs between two states of a room.
    pub fn difference(&self, old: Root, new: Root) -> Result<Vec<Difference>> {
        self.inner.trees.difference(old, new)
    }

    pub fn power_levels(&self, room: &RoomId) -> Result<PowerLevels> {
        let create = self.current_state(room, "m.room.create", "")?.ok_or(Error::NoSuchRoom)?;
        let levels = self.current_state(room, "m.room.power_levels", "")?;
        let version = self.inner.room(room)?.version;
        Ok(PowerLevels::read(version, &create.pdu, levels.as_ref().map(|event| event.pdu.as_ref())))
    }

    /// Whether the user is in the room and has the power to set state of this type.
    pub fn may_send_state(&self, room: &RoomId, user: &UserId, event_type: &str) -> Result<bool> {
        let joined = self.membership(room, user)? == Some(crate::Membership::Join);
        Ok(joined && self.power_levels(room)?.may_send(user, event_type, true))
    }
}

impl Inner {
    /// The event that is this piece of state in that state.
    pub(crate) fn state_in(
        &self,
        room: &Room,
        state: Root,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<Arc<Event>>> {
        match self.trees.get(state, event_type, state_key)? {
            Some(id) => self.event(room, &id),
            None => Ok(None),
        }
    }
}
