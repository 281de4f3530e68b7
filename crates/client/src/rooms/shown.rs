//! Events of one room as one caller is shown them.

use std::sync::Arc;

use kernel::id::{OwnedDeviceId, RoomId};
use rooms::{Event, Render, Rooms, Viewer};
use ruma_common::serde::Raw;
use serde_json::value::RawValue;
use web::{Caller, Result};

use crate::Town;

/// A caller's view of a room, for the length of one answer.
pub(super) struct Shown<'a> {
    pub(super) viewer: Viewer<'a>,
    rooms: &'a Rooms,
    device: Option<OwnedDeviceId>,
}

impl<'a> Shown<'a> {
    /// Asks nothing about what the caller may see: that is [`Rooms::standing`] and [`Viewer::sees`].
    pub(super) fn new(town: &'a Town, caller: &Caller, room: &RoomId) -> Result<Self> {
        let viewer = town.rooms.viewer(room, &caller.user)?;
        Ok(Self { viewer, rooms: &town.rooms, device: caller.device.clone() })
    }

    /// The event alone.
    pub(super) fn event(&mut self, event: &Event) -> Result<Box<RawValue>> {
        self.render(event, false)
    }

    /// The event with what relates to it.
    pub(super) fn bundled(&mut self, event: &Event) -> Result<Box<RawValue>> {
        self.render(event, true)
    }

    /// [`Shown::bundled`] of each, as ruma's type of the answer has it.
    pub(super) fn all<T>(&mut self, events: &[Arc<Event>]) -> Result<Vec<Raw<T>>> {
        events.iter().map(|event| Ok(Raw::from_json(self.bundled(event)?))).collect()
    }

    fn render(&mut self, event: &Event, bundle: bool) -> Result<Box<RawValue>> {
        let how = Render { without_room_id: false, device: self.device.as_deref(), bundle };
        Ok(self.rooms.render(&mut self.viewer, event, how)?)
    }
}
