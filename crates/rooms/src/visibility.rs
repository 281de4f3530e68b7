//! Who may see which event: the one function behind every read path (spec, "Room history visibility").

mod servers;

use std::{collections::HashMap, sync::Arc};

use events::content::{self, HistoryVisibility};
use kernel::{
    Position,
    id::{OwnedUserId, RoomId, UserId},
};

use crate::{
    Error, Event, Inner, Membership, Result, Rooms, Verdict, accept::member_of, ends::says_nothing, room::Room,
    state::Root,
};

pub(crate) use servers::ServerViewer;

/// How a user stands towards a room: which version of its state they may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the room, or the room is open to the world's eyes: the state of now.
    Present,
    /// Was in it until here: the state of then.
    Left { state: Root, position: Position },
}

/// One user's view of one room's history.
pub struct Viewer<'a> {
    inner: &'a Inner,
    room: Arc<Room>,
    user: OwnedUserId,
    now: Option<Membership>,
    last_join: Option<Position>,
    /// Neighbouring events mostly have the same state.
    seen: HashMap<Root, (HistoryVisibility, Option<Membership>)>,
}

impl Rooms {
    /// What the user may read of the room.
    ///
    /// # Errors
    /// [`Error::NotMember`] for somebody who never was in it, or has forgotten it, unless all the world may read it; also
    /// for a room that is not there, so that nobody learns which are.
    pub fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing> {
        let own = self.rooms_of(user)?.get(room).map(|own| (own.room.membership, own.room.forgotten));
        match own {
            Some((Membership::Join, _)) => return Ok(Standing::Present),
            Some((Membership::Leave | Membership::Ban, false)) => {
                if let Some(position) = self.last_leave(user, room)?
                    && !self.world_readable(room)?
                {
                    return Ok(Standing::Left { state: self.root_at(room, position)?, position });
                }
            }
            _ => {}
        }
        match self.inner.room(room) {
            Ok(_) if self.world_readable(room)? => Ok(Standing::Present),
            Ok(_) | Err(Error::NoSuchRoom) => Err(Error::NotMember),
            Err(error) => Err(error),
        }
    }

    fn world_readable(&self, room: &RoomId) -> Result<bool> {
        let event = self.current_state(room, "m.room.history_visibility", "")?;
        Ok(event.is_some_and(|e| content::history_visibility(&e.pdu) == HistoryVisibility::WorldReadable))
    }

    /// The user's view of the room's history.
    pub fn viewer(&self, room: &RoomId, user: &UserId) -> Result<Viewer<'_>> {
        let room = match self.inner.room(room) {
            // A room that this server never was in: there is the user's own invite or knock to see.
            Err(Error::NoSuchRoom) => self.room_outside(user, room)?.ok_or(Error::NoSuchRoom)?,
            found => found?,
        };
        let own = self.rooms_of(user)?.get(&room.id).map(|own| own.room.membership);
        let last_join = self.last_join(user, &room.id)?;
        let user = user.to_owned();
        Ok(Viewer { inner: &self.inner, room, user, now: own, last_join, seen: HashMap::new() })
    }

    /// The event, if the user may see it.
    ///
    /// # Errors
    /// [`Error::NoSuchEvent`], alike for an event that is not there, is another room's, or is hidden.
    pub fn visible_event(&self, room: &RoomId, user: &UserId, id: &kernel::id::EventId) -> Result<Arc<Event>> {
        let mut viewer = self.viewer(room, user).map_err(|error| match error {
            Error::NoSuchRoom => Error::NoSuchEvent,
            other => other,
        })?;
        let forgotten = self.rooms_of(user)?.get(room).is_some_and(|own| own.room.forgotten);
        if forgotten && !self.world_readable(room)? {
            return Err(Error::NoSuchEvent);
        }
        let event = match self.inner.event(&viewer.room, id)? {
            Some(event) => Some(event),
            None => self.outside_event(user, room)?.filter(|event| event.pdu.event_id() == id),
        };
        let event = event.ok_or(Error::NoSuchEvent)?;
        if viewer.sees(&event)? { Ok(event) } else { Err(Error::NoSuchEvent) }
    }
}

impl Viewer<'_> {
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The user's membership now.
    pub fn membership(&self) -> Option<Membership> {
        self.now
    }

    pub fn room_id(&self) -> &RoomId {
        &self.room.id
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Whether the user may see the event.
    pub fn sees(&mut self, event: &Event) -> Result<bool> {
        if says_nothing(&event.pdu) {
            return Ok(false);
        }
        if event.verdict != Verdict::Accepted {
            // Of what has no place in the room one may know what was decided about oneself.
            return Ok(
                event.verdict == Verdict::Outlier && member_of(&event.pdu).is_some_and(|(user, _)| user == self.user)
            );
        }
        let (visibility, membership) = self.at(event.state_before)?;
        if self.allows(visibility, membership, event.position) {
            return Ok(true);
        }
        // Events that change what decides are seen by whoever may see either side of the change.
        if event.pdu.is("m.room.history_visibility", "") {
            return Ok(self.allows(content::history_visibility(&event.pdu), membership, event.position));
        }
        // What was decided about oneself one may always know: an invite, its end, a ban.
        Ok(member_of(&event.pdu).is_some_and(|(user, _)| user == self.user))
    }

    /// The user's membership at an event (`unsigned.membership`): after it, if the event is about it.
    pub fn membership_at(&mut self, event: &Event) -> Result<Option<Membership>> {
        match member_of(&event.pdu) {
            Some((user, after)) if user == self.user => Ok(Some(after)),
            _ => Ok(self.at(event.state_before)?.1),
        }
    }

    fn allows(&self, visibility: HistoryVisibility, membership: Option<Membership>, at: Position) -> bool {
        let joined_later = self.now == Some(Membership::Join) || self.last_join.is_some_and(|joined| joined > at);
        match visibility {
            HistoryVisibility::WorldReadable => true,
            _ if membership == Some(Membership::Join) => true,
            HistoryVisibility::Shared => joined_later,
            HistoryVisibility::Invited => membership == Some(Membership::Invite),
            HistoryVisibility::Joined => false,
        }
    }

    fn at(&mut self, state: Root) -> Result<(HistoryVisibility, Option<Membership>)> {
        if let Some(known) = self.seen.get(&state) {
            return Ok(*known);
        }
        let visibility = visibility_in(self.inner, &self.room, state)?;
        let membership = membership_in(self.inner, &self.room, state, &self.user)?;
        self.seen.insert(state, (visibility, membership));
        Ok((visibility, membership))
    }
}

/// Who may read history by that state of the room.
fn visibility_in(inner: &Inner, room: &Room, state: Root) -> Result<HistoryVisibility> {
    let event = inner.state_in(room, state, "m.room.history_visibility", "")?;
    Ok(event.map_or(HistoryVisibility::Shared, |event| content::history_visibility(&event.pdu)))
}

/// The user's membership in that state of the room.
fn membership_in(inner: &Inner, room: &Room, state: Root, user: &UserId) -> Result<Option<Membership>> {
    let event = inner.state_in(room, state, "m.room.member", user.as_str())?;
    Ok(event.and_then(|event| member_of(&event.pdu)).map(|(_, membership)| membership))
}
