//! What other servers may see of a room's history: what one of their users might.

use std::{collections::HashMap, sync::Arc};

use events::{Pdu, content::HistoryVisibility};
use kernel::id::{OwnedServerName, OwnedUserId, ServerName};

use super::{membership_in, visibility_in};
use crate::{Event, Membership, Result, Rooms, room::Room, state::Root};

/// Users of one server whose memberships are looked at, those who are in the room now first.
const USERS_MAX: usize = 1_000;

/// The view of a server that is in the room.
pub(crate) struct ServerViewer<'a> {
    rooms: &'a Rooms,
    room: Arc<Room>,
    server: OwnedServerName,
    users: Option<Vec<OwnedUserId>>,
    /// Neighbouring events mostly have the same state.
    seen: HashMap<Root, bool>,
}

impl<'a> ServerViewer<'a> {
    pub(crate) fn new(rooms: &'a Rooms, room: Arc<Room>, server: &ServerName) -> Self {
        Self { rooms, room, server: server.to_owned(), users: None, seen: HashMap::new() }
    }

    /// Whether the server may see the event whole: by the state before it or, for an event that changes what decides, after.
    pub(crate) fn sees(&mut self, event: &Event) -> Result<bool> {
        if event.verdict.is_outlier() {
            // Known only as state: that is told to all who are in the room.
            return Ok(event.pdu.is_state());
        }
        Ok(self.allows(event.state_before)? || self.allows(event.state_after)?)
    }

    /// The event, or what a redaction leaves of it.
    pub(crate) fn shown(&mut self, event: &Event) -> Result<Pdu> {
        match self.sees(event)? {
            true => Ok((*event.pdu).clone()),
            false => Ok(events::redact(&event.pdu, self.room.version)?),
        }
    }

    fn allows(&mut self, state: Root) -> Result<bool> {
        if let Some(known) = self.seen.get(&state) {
            return Ok(*known);
        }
        let allowed = match visibility_in(&self.rooms.inner, &self.room, state)? {
            HistoryVisibility::WorldReadable | HistoryVisibility::Shared => true,
            HistoryVisibility::Invited => self.has_user(state, &[Membership::Join, Membership::Invite])?,
            HistoryVisibility::Joined => self.has_user(state, &[Membership::Join])?,
        };
        self.seen.insert(state, allowed);
        Ok(allowed)
    }

    /// Whether a user of the server has one of these memberships in that state.
    fn has_user(&mut self, state: Root, memberships: &[Membership]) -> Result<bool> {
        let users = match self.users.take() {
            Some(users) => users,
            None => self.users_of_server()?,
        };
        let mut found = false;
        for user in &users {
            let membership = membership_in(&self.rooms.inner, &self.room, state, user)?;
            if membership.is_some_and(|membership| memberships.contains(&membership)) {
                found = true;
                break;
            }
        }
        self.users = Some(users);
        Ok(found)
    }

    /// The server's users who have or had a membership.
    fn users_of_server(&self) -> Result<Vec<OwnedUserId>> {
        let mut members = self.rooms.members(&self.room.id)?;
        members.retain(|member| member.user.server_name() == self.server);
        members.sort_by_key(|member| member.membership != Membership::Join);
        Ok(members.into_iter().take(USERS_MAX).map(|member| member.user).collect())
    }
}
