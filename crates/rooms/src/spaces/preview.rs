//! Who may be told what a room is, without being in it.

use events::content::{HistoryVisibility, JoinRule, JoinRulesContent, history_visibility};
use kernel::id::{RoomId, ServerName, UserId};

use super::Told;
use crate::{Error, Membership, Result, Rooms};

impl Rooms {
    /// Whether the user may be told what the room is: they are in it or invited, or it is open to them or to all.
    pub fn may_preview(&self, room: &RoomId, user: &UserId) -> Result<bool> {
        match self.membership(room, user)? {
            Some(Membership::Join | Membership::Invite | Membership::Knock) => Ok(true),
            Some(Membership::Ban) => Ok(false),
            _ => self.is_open(room, |allowed| Ok(self.membership(allowed, user)? == Some(Membership::Join))),
        }
    }

    /// The same of a room that is not here, by what another server tells of it.
    pub(crate) fn may_preview_told(&self, told: &Told, user: &UserId) -> Result<bool> {
        match self.rooms_of(user)?.get(&told.room_id).map(|own| own.room.membership) {
            Some(Membership::Join | Membership::Invite | Membership::Knock) => return Ok(true),
            Some(Membership::Ban) => return Ok(false),
            _ => {}
        }
        if told.is_world_readable() || matches!(told.join_rule(), "public" | "knock" | "knock_restricted") {
            return Ok(true);
        }
        for allowed in told.allowed_rooms() {
            if self.membership(&allowed, user)? == Some(Membership::Join) {
                return Ok(told.join_rule() == "restricted");
            }
        }
        Ok(false)
    }

    /// Whether the server may be told what a room is that this server is in: one of its users is in it or invited, or it is
    /// open to one of them or to all.
    pub(crate) fn may_preview_from(&self, room: &RoomId, server: &ServerName) -> Result<bool> {
        if !self.has_server(room, self.server_name())? {
            return Ok(false);
        }
        match self.check_acl(room, server) {
            Err(Error::Denied(_)) => return Ok(false),
            other => other?,
        }
        Ok(self.has_server(room, server)?
            || self.is_open(room, |allowed| self.has_server(allowed, server))?
            || self.has_invited(room, server)?)
    }

    /// Whether the room is open to all, or to those who are in a room that its restriction names.
    fn is_open(&self, room: &RoomId, is_in: impl Fn(&RoomId) -> Result<bool>) -> Result<bool> {
        let visibility = self.current_state(room, "m.room.history_visibility", "")?;
        if visibility.is_some_and(|event| history_visibility(&event.pdu) == HistoryVisibility::WorldReadable) {
            return Ok(true);
        }
        let Some(rules) = self.current_state(room, "m.room.join_rules", "")? else { return Ok(false) };
        let rules = JoinRulesContent::of(&rules.pdu);
        match rules.join_rule {
            JoinRule::Public | JoinRule::Knock | JoinRule::KnockRestricted => Ok(true),
            JoinRule::Invite | JoinRule::Private => Ok(false),
            JoinRule::Restricted => {
                for allowed in &rules.allowed_rooms {
                    if is_in(allowed)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    fn has_invited(&self, room: &RoomId, server: &ServerName) -> Result<bool> {
        let (_, invited) = self.member_counts(room)?;
        if invited == 0 {
            return Ok(false);
        }
        let members = self.members(room)?;
        Ok(members.iter().any(|m| m.membership == Membership::Invite && m.user.server_name() == server))
    }
}
