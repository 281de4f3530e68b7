//! A space and the rooms in it, one step deep (spec, `GET /_matrix/federation/v1/hierarchy`).

use kernel::id::{RoomId, ServerName};

use crate::{
    Error, Result, Rooms,
    spaces::{Hierarchy, Told},
};

/// Rooms of one space that are told of; of others the link only.
const TOLD_MAX: usize = 100;

impl Rooms {
    /// The answer as JSON text: the room, and of those in it what the server may be told.
    ///
    /// # Errors
    /// [`Error::NoSuchRoom`], alike for a room that is not here and for one that the server may not be told of.
    pub fn hierarchy_for(&self, origin: &ServerName, room: &RoomId, suggested_only: bool) -> Result<String> {
        if !self.may_preview_from(room, origin)? {
            return Err(Error::NoSuchRoom);
        }
        let children = self.children(room, suggested_only)?;
        let room = self.told(room)?.with_children(&children);
        let mut answer = Hierarchy { room, children: Vec::new(), inaccessible_children: Vec::new() };
        for child in children.iter().take(TOLD_MAX) {
            if !self.has_server(&child.room, self.server_name())? {
                continue;
            }
            match self.may_preview_from(&child.room, origin)? {
                true => answer.children.push(self.told(&child.room)?),
                false => answer.inaccessible_children.push(child.room.clone()),
            }
        }
        serde_json::to_string(&answer).map_err(|error| Error::Damaged(error.to_string()))
    }

    fn told(&self, room: &RoomId) -> Result<Told> {
        Ok(Told::new(room.to_owned(), self.summary(room)?))
    }
}
