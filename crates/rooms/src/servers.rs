//! The servers of a room: who has members in it, and who may take part.

use std::collections::BTreeSet;

use events::content::{Membership, ServerAcl};
use kernel::id::{EventId, OwnedRoomId, OwnedServerName, RoomId, ServerName, UserId};

use crate::{
    Error, Result, Rooms, Verdict,
    tables::{SERVER_ROOMS, SERVERS},
};

impl Rooms {
    /// The servers with joined members, this one among them.
    pub fn servers(&self, room: &RoomId) -> Result<Vec<OwnedServerName>> {
        Ok(self.inner.scope.scan(&SERVERS, (room,)).keys()?.into_iter().map(|(_, server)| server).collect())
    }

    /// Whether the server has a joined member in the room.
    pub fn has_server(&self, room: &RoomId, server: &ServerName) -> Result<bool> {
        Ok(self.inner.scope.has(&SERVERS, (room, server))?)
    }

    /// The rooms in which the server has members.
    pub fn rooms_with_server(&self, server: &ServerName) -> Result<Vec<OwnedRoomId>> {
        Ok(self.inner.scope.scan(&SERVER_ROOMS, (server,)).keys()?.into_iter().map(|(_, room)| room).collect())
    }

    /// Whether anybody of this server is in a room with a user of another server.
    pub fn meets(&self, user: &UserId) -> Result<bool> {
        for room in self.rooms_with_server(user.server_name())? {
            let is_in = self.membership(&room, user)? == Some(Membership::Join);
            if is_in && self.has_server(&room, self.server_name())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The other servers with members in rooms that the local user is in.
    pub fn servers_sharing_with(&self, user: &UserId) -> Result<BTreeSet<OwnedServerName>> {
        let mut servers = BTreeSet::new();
        for room in self.joined_rooms(user)? {
            servers.extend(self.servers(&room)?);
        }
        servers.remove(self.server_name());
        Ok(servers)
    }

    /// # Errors
    /// [`Error::Denied`] for a server that the room's `m.room.server_acl` keeps out.
    pub(crate) fn check_acl(&self, room: &RoomId, server: &ServerName) -> Result<()> {
        match self.current_state(room, "m.room.server_acl", "")? {
            Some(event) if !ServerAcl::of(&event.pdu).allows(server) => {
                Err(Error::Denied("This server is kept out of the room".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// What another server needs to say what a user does in a room: the user is its own, and the server has part in the room.
    ///
    /// # Errors
    /// [`Error::Denied`]
    pub(crate) fn check_speaks_for(&self, server: &ServerName, room: &RoomId, user: &UserId) -> Result<()> {
        if user.server_name() != server {
            return Err(Error::Denied("The user is of another server".to_owned()));
        }
        self.check_server(room, server)
    }

    /// What another server needs to be told anything of a room: this server is in it, the other is, and is not kept out.
    ///
    /// # Errors
    /// [`Error::Denied`], alike for a room that is not here.
    pub(crate) fn check_server(&self, room: &RoomId, server: &ServerName) -> Result<()> {
        if !self.has_server(room, self.server_name())? || !self.has_server(room, server)? {
            return Err(Error::Denied("This server is not in the room".to_owned()));
        }
        self.check_acl(room, server)
    }
}

impl Rooms {
    /// An event as it is federated, if it is part of the room.
    pub fn pdu(&self, room: &RoomId, id: &EventId) -> Result<Option<String>> {
        let event = self.inner.event(&*self.inner.room(room)?, id)?;
        Ok(event.filter(|event| event.verdict == Verdict::Accepted).map(|event| event.pdu.json().to_owned()))
    }
}
