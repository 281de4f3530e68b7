//! Room aliases of this server (spec, "Room aliases").

use kernel::id::{OwnedRoomAliasId, OwnedRoomId, RoomAliasId, RoomId, UserId};

use crate::{
    Change, Error, Result, Rooms, TOPIC,
    tables::{ALIASES, AliasRow, ROOM_ALIASES},
};

impl Rooms {
    /// The room that the alias points at; `None` if it is nobody's.
    pub fn resolve_alias(&self, alias: &RoomAliasId) -> Result<Option<OwnedRoomId>> {
        Ok(self.inner.scope.get(&ALIASES, (alias,))?.map(|row| row.room_id))
    }

    pub fn aliases(&self, room: &RoomId) -> Result<Vec<OwnedRoomAliasId>> {
        let keys = self.inner.scope.scan(&ROOM_ALIASES, (room,)).keys()?;
        Ok(keys.into_iter().map(|(_, alias)| alias).collect())
    }

    /// Points a new alias at a room that this server has.
    ///
    /// # Errors
    /// [`Error::AliasTaken`], [`Error::NoSuchRoom`], [`Error::Invalid`] for an alias of another server.
    pub async fn set_alias(&self, user: &UserId, alias: &RoomAliasId, room: &RoomId) -> Result<()> {
        if alias.server_name() != self.server_name() {
            return Err(Error::Invalid("The alias must be of this server".to_owned()));
        }
        self.inner.room(room)?;
        let mut batch = self.inner.scope.batch();
        let stamp = batch.stamp();
        batch.expect(&ALIASES, (alias,), None);
        batch.put(&ALIASES, (alias,), &AliasRow { room_id: room.to_owned(), creator: user.to_owned() });
        batch.put(&ROOM_ALIASES, (room, alias), &());
        batch.announce(TOPIC, stamp, &Change::Published { room: room.to_owned() });
        match self.inner.scope.commit(batch).await {
            Ok(_) => Ok(()),
            Err(store::Error::Conflict) => Err(Error::AliasTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an alias away: its creator may, and whoever may set the room's canonical alias.
    pub async fn delete_alias(&self, user: &UserId, alias: &RoomAliasId) -> Result<()> {
        let row = self.inner.scope.get(&ALIASES, (alias,))?.ok_or(Error::NoSuchAlias)?;
        let room = row.room_id.clone();
        if row.creator != user && !self.may_send_state(&room, user, "m.room.canonical_alias")? {
            return Err(Error::Denied("You may not delete this alias".to_owned()));
        }
        let mut batch = self.inner.scope.batch();
        let stamp = batch.stamp();
        batch.expect(&ALIASES, (alias,), Some(&row));
        batch.delete(&ALIASES, (alias,));
        batch.delete(&ROOM_ALIASES, (room.as_ref(), alias));
        batch.announce(TOPIC, stamp, &Change::Published { room });
        match self.inner.scope.commit(batch).await {
            Err(store::Error::Conflict) => Err(Error::NoSuchAlias),
            outcome => Ok(outcome.map(drop)?),
        }
    }
}
