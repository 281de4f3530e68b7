//! With whom this server shares a room, and since when: what keys of other servers' users may be relied on.

use std::collections::HashMap;

use accounts::{SharedSince, Wanted};
use kernel::{
    Position,
    id::{OwnedRoomId, RoomId, UserId},
};
use rooms::Membership;

use crate::Town;

/// The rooms of a caller, and since when somebody of this server has been in each.
struct Sharing<'a> {
    town: &'a Town,
    joined: Vec<(OwnedRoomId, Position)>,
    /// Looked up only where the caller came too late.
    first_here: HashMap<OwnedRoomId, Position>,
}

/// Since when this server has been in a room together with each of these users of other servers, if the caller is in one
/// with them: where a kept list counts from a room on that is found, no further one is looked at.
pub(super) fn shared_since(town: &Town, caller: &UserId, users: &Wanted) -> web::Result<SharedSince> {
    let mut joined = Vec::new();
    for room in town.rooms.joined_rooms(caller)? {
        let since = town.rooms.last_join(caller, &room)?.unwrap_or(Position::END);
        joined.push((room, since));
    }
    let mut sharing = Sharing { town, joined, first_here: HashMap::new() };
    let mut shared = SharedSince::new();
    for user in users.keys() {
        let asked = town.accounts.list_asked(user)?;
        if let Some(since) = sharing.since(user, asked)? {
            shared.insert(user.clone(), since);
        }
    }
    Ok(shared)
}

impl Sharing<'_> {
    /// The first position that is found not to be after `enough`, or else some position.
    fn since(&mut self, user: &UserId, enough: Option<Position>) -> web::Result<Option<Position>> {
        let mut late = Vec::new();
        for (room, joined) in &self.joined {
            let Some(came) = self.came(room, user)? else { continue };
            let since = came.max(*joined);
            // Without a list nothing is gained by looking on.
            if enough.is_none_or(|enough| since <= enough) {
                return Ok(Some(since));
            }
            late.push((room.clone(), came));
        }
        let mut since = None;
        for (room, came) in late {
            let both = self.first_here(&room)?.max(came);
            since = Some(since.map_or(both, |before: Position| before.min(both)));
        }
        Ok(since)
    }

    /// When the user came into the room, if they are in it. A new name moves it: then their list is asked for once more,
    /// which does no harm.
    fn came(&self, room: &RoomId, user: &UserId) -> web::Result<Option<Position>> {
        if self.town.rooms.membership(room, user)? != Some(Membership::Join) {
            return Ok(None);
        }
        let event = self.town.rooms.current_state(room, "m.room.member", user.as_str())?;
        Ok(Some(event.map_or(Position::END, |event| event.position)))
    }

    /// Since when somebody of this server has been in the room without a break.
    fn first_here(&mut self, room: &RoomId) -> web::Result<Position> {
        if let Some(first) = self.first_here.get(room) {
            return Ok(*first);
        }
        let mut first = Position::END;
        for member in self.town.rooms.members(room)? {
            if member.membership == Membership::Join && self.town.accounts.is_local(&member.user) {
                let joined = self.town.rooms.last_join(&member.user, room)?;
                first = joined.map_or(first, |joined| first.min(joined));
            }
        }
        self.first_here.insert(room.to_owned(), first);
        Ok(first)
    }
}
