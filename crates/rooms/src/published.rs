//! The public room directory, and what it and others show of a room: its summary.

use events::{Pdu, content::JoinRulesContent};
use kernel::id::{OwnedEventId, OwnedRoomId, RoomId, ServerName, UserId};

use serde_json::{Map, Value};

use crate::{AskedRooms, Change, Error, Result, Rooms, TOPIC, tables::PUBLISHED};

/// A room at a glance (spec, "PublishedRoomsChunk", `GET /room_summary`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub name: Option<String>,
    pub topic: Option<String>,
    pub avatar_url: Option<String>,
    pub canonical_alias: Option<String>,
    pub join_rule: Option<String>,
    /// The rooms whose members may join, for a restricted room.
    pub allowed_rooms: Vec<OwnedRoomId>,
    pub room_type: Option<String>,
    pub encryption: Option<String>,
    pub room_version: String,
    pub joined: u64,
    pub world_readable: bool,
    pub guest_can_join: bool,
}

/// A field of the content, if it is text.
fn content_text(pdu: &Pdu, field: &str) -> Option<String> {
    let content: Map<String, Value> = pdu.content_as().ok()?;
    content.get(field)?.as_str().map(str::to_owned)
}

impl Rooms {
    pub fn is_published(&self, room: &RoomId) -> Result<bool> {
        Ok(self.inner.scope.has(&PUBLISHED, (room,))?)
    }

    /// All rooms in the directory.
    pub fn published(&self) -> Result<Vec<OwnedRoomId>> {
        Ok(self.inner.scope.scan(&PUBLISHED, ()).keys()?.into_iter().map(|(room,)| room).collect())
    }

    /// The rooms that another server lists: its answer as JSON text, unverified.
    ///
    /// # Errors
    /// [`Error::Remote`]
    pub async fn published_elsewhere(&self, server: &ServerName, ask: &AskedRooms<'_>) -> Result<String> {
        Ok(self.inner.remote.public_rooms(server, ask).await?)
    }

    /// Puts the room into the directory or takes it out; whoever may set its canonical alias may.
    pub async fn publish(&self, user: &UserId, room: &RoomId, published: bool) -> Result<()> {
        self.inner.room(room)?;
        if !self.may_send_state(room, user, "m.room.canonical_alias")? {
            return Err(Error::Denied("You may not change whether this room is listed".to_owned()));
        }
        let mut batch = self.inner.scope.batch();
        let stamp = batch.stamp();
        if published {
            batch.put(&PUBLISHED, (room,), &());
        } else {
            batch.delete(&PUBLISHED, (room,));
        }
        batch.announce(TOPIC, stamp, &Change::Published { room: room.to_owned() });
        self.inner.scope.commit(batch).await?;
        Ok(())
    }

    /// The field of this piece of the room's state, if it is text that says something.
    fn state_text(&self, room: &RoomId, event_type: &str, field: &str) -> Result<Option<String>> {
        let event = self.current_state(room, event_type, "")?;
        Ok(event.and_then(|event| content_text(&event.pdu, field)).filter(|text| !text.is_empty()))
    }

    /// What the room was made for, such as `m.space`.
    pub(crate) fn room_type(&self, room: &RoomId) -> Result<Option<String>> {
        self.state_text(room, "m.room.create", "type")
    }

    pub fn summary(&self, room: &RoomId) -> Result<Summary> {
        let text = |event_type: &str, field: &str| self.state_text(room, event_type, field);
        let rules = self.current_state(room, "m.room.join_rules", "")?.map(|event| JoinRulesContent::of(&event.pdu));
        Ok(Summary {
            name: text("m.room.name", "name")?,
            topic: text("m.room.topic", "topic")?,
            avatar_url: text("m.room.avatar", "url")?,
            canonical_alias: text("m.room.canonical_alias", "alias")?,
            join_rule: rules.as_ref().map(|rules| rules.join_rule.as_str().to_owned()),
            allowed_rooms: rules.map(|rules| rules.allowed_rooms).unwrap_or_default(),
            room_type: self.room_type(room)?,
            encryption: text("m.room.encryption", "algorithm")?,
            room_version: self.inner.room(room)?.version.as_str().to_owned(),
            joined: self.member_counts(room)?.0,
            world_readable: text("m.room.history_visibility", "history_visibility")?.as_deref()
                == Some("world_readable"),
            guest_can_join: text("m.room.guest_access", "guest_access")?.as_deref() == Some("can_join"),
        })
    }

    /// The id of the event that created the room.
    pub fn create_event(&self, room: &RoomId) -> Result<OwnedEventId> {
        let event = self.current_state(room, "m.room.create", "")?.ok_or(Error::NoSuchRoom)?;
        Ok(event.pdu.event_id().to_owned())
    }
}
