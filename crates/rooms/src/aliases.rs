//! Room aliases of this server (spec, "Room aliases").

use kernel::id::{OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, UserId};

use serde_json::{Map, Value};

use crate::{
    Actor, Change, Error, NewEvent, RemoteError, Result, Rooms, TOPIC,
    accept::Unit,
    tables::{ALIASES, AliasRow, ROOM_ALIASES},
};

impl Rooms {
    /// The room that the alias points at; `None` if it is nobody's.
    pub fn resolve_alias(&self, alias: &RoomAliasId) -> Result<Option<OwnedRoomId>> {
        Ok(self.inner.scope.get(&ALIASES, (alias,))?.map(|row| row.room_id))
    }

    /// The room that the alias points at, wherever it is registered, and servers by way of which it may be joined.
    ///
    /// # Errors
    /// [`Error::NoSuchAlias`]; [`Error::Remote`] if its server cannot be asked.
    pub async fn resolve_alias_anywhere(&self, alias: &RoomAliasId) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
        if alias.server_name() == self.server_name() {
            let room = self.resolve_alias(alias)?.ok_or(Error::NoSuchAlias)?;
            let servers = self.servers(&room)?;
            return Ok((room, servers));
        }
        match self.inner.remote.resolve_alias(alias).await {
            Ok(found) => Ok(found),
            Err(RemoteError::NotFound(_)) => Err(Error::NoSuchAlias),
            Err(error) => Err(error.into()),
        }
    }

    pub fn aliases(&self, room: &RoomId) -> Result<Vec<OwnedRoomAliasId>> {
        let keys = self.inner.scope.scan(&ROOM_ALIASES, (room,)).keys()?;
        Ok(keys.into_iter().map(|(_, alias)| alias).collect())
    }

    /// Points a new alias at a room that this server has.
    ///
    /// # Errors
    /// [`Error::AliasTaken`], [`Error::NoSuchRoom`], [`Error::InvalidParam`] for an alias of another server.
    pub async fn set_alias(&self, user: &UserId, alias: &RoomAliasId, room: &RoomId) -> Result<()> {
        if alias.server_name() != self.server_name() {
            return Err(Error::InvalidParam("The alias must be of this server".to_owned()));
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

    /// Takes an alias away: its creator may, and whoever may set the room's canonical alias. If the latter delete an alias
    /// that is canonical, it is so no more.
    pub async fn delete_alias(&self, actor: &Actor, alias: &RoomAliasId) -> Result<()> {
        let room = self.resolve_alias(alias)?.ok_or(Error::NoSuchAlias)?;
        let mut unit = self.change(&room).await?;
        // Whoever deletes or moves an alias holds the lock of its room: from here on the row stays.
        let row = self.inner.scope.get(&ALIASES, (alias,))?.filter(|row| row.room_id == room);
        let row = row.ok_or(Error::NoSuchAlias)?;
        let has_power = self.may_send_state(&room, &actor.user, "m.room.canonical_alias")?;
        if row.creator != actor.user && !has_power {
            return Err(Error::Denied("You may not delete this alias".to_owned()));
        }
        let stamp = unit.batch.stamp();
        unit.batch.delete(&ALIASES, (alias,));
        unit.batch.delete(&ROOM_ALIASES, (room.as_ref(), alias));
        unit.batch.announce(TOPIC, stamp, &Change::Published { room });
        if has_power && let Some(event) = without(&unit, alias)? {
            unit.compose(actor, event, None)?;
        }
        unit.commit().await
    }
}

/// The canonical alias event of the room without this alias, if it names it.
fn without(unit: &Unit<'_>, alias: &RoomAliasId) -> Result<Option<NewEvent>> {
    let Some(now) = unit.state("m.room.canonical_alias", "")? else { return Ok(None) };
    let mut content: Map<String, Value> = now.content_as().unwrap_or_default();
    let before = content.clone();
    let is_it = |value: &Value| value.as_str() == Some(alias.as_str());
    if content.get("alias").is_some_and(is_it) {
        content.remove("alias");
    }
    if let Some(alternatives) = content.get_mut("alt_aliases").and_then(Value::as_array_mut) {
        alternatives.retain(|value| !is_it(value));
        if alternatives.is_empty() {
            content.remove("alt_aliases");
        }
    }
    (content != before).then(|| NewEvent::state("m.room.canonical_alias", "", &Value::Object(content))).transpose()
}
