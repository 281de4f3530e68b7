//! Which servers to ask for a way in to a room, or out of it, and which of their refusals a client is told.

use kernel::{
    Fault, Kind,
    id::{OwnedServerName, RoomId, ServerName, UserId},
};

use crate::{Error, Membership, Result, Rooms, tables::USER_ROOMS};

/// Servers that are asked for one membership.
const ASKED_MAX: usize = 5;

impl Rooms {
    /// Those that the client names first, then those that `also` are known to help, and the inviter's. Where the client names
    /// none, those that were in the room when this one last was, and the one that the room's id names.
    pub(super) fn ways(
        &self,
        user: &UserId,
        room: &RoomId,
        via: &[OwnedServerName],
        also: Vec<OwnedServerName>,
    ) -> Result<Vec<OwnedServerName>> {
        let mut candidates = [via, &also].concat();
        candidates.extend(self.outside(user, room)?.map(|row| row.through));
        if let Some(row) = self.inner.scope.get(&USER_ROOMS, (user, room))?
            && row.value.membership == Membership::Invite
        {
            candidates.push(row.value.sender.server_name().to_owned());
        }
        if via.is_empty() {
            candidates.extend(room.server_name().map(ToOwned::to_owned));
            candidates.extend(self.servers(room)?);
        }
        let own: &ServerName = self.server_name();
        let mut ways: Vec<OwnedServerName> = Vec::new();
        for server in candidates {
            if server != own && !ways.contains(&server) && ways.len() < ASKED_MAX {
                ways.push(server);
            }
        }
        Ok(ways)
    }
}

/// Why no server helped.
#[derive(Default)]
pub(super) struct Refusals(Option<Error>);

impl Refusals {
    /// Takes in one refusal.
    ///
    /// # Errors
    /// The error itself if it is this server's own fault: no other server would do better.
    pub(super) fn add(&mut self, server: &ServerName, room: &RoomId, error: Error) -> Result<()> {
        if matches!(error, Error::Store(_) | Error::Damaged(_)) {
            return Err(error);
        }
        tracing::info!(%server, %room, %error, "another server did not help");
        if self.0.as_ref().is_none_or(|known| telling(known) < telling(&error)) {
            self.0 = Some(error);
        }
        Ok(())
    }

    /// The one that says most; without any, nobody knew whom to ask.
    pub(super) fn most_telling(self) -> Error {
        self.0.unwrap_or(Error::NoSuchRoom)
    }
}

/// How much a refusal tells the user: that they may not outweighs that a server could not be reached.
fn telling(error: &Error) -> u8 {
    match error.kind() {
        Kind::Forbidden => 4,
        Kind::IncompatibleRoomVersion { .. } => 3,
        Kind::UnableToAuthoriseJoin | Kind::UnableToGrantJoin => 2,
        Kind::NotFound => 1,
        _ => 0,
    }
}
