//! Memberships that only the room's own rules decide on: kicks and bans; what goes with them (spec, "Room membership").
//!
//! Joins, leaves, knocks and invites, which may take another server, are in `handshake`.

use events::content::MemberContent;
use kernel::id::{OwnedEventId, RoomId, UserId};
use serde_json::{Map, Value, json};
use store::Stamped;

use crate::{
    Actor, Change, Error, Membership, NewEvent, Result, Rooms, TOPIC,
    accept::Unit,
    tables::{MEMBERS, USER_ROOMS},
};

impl Rooms {
    pub async fn kick(&self, actor: &Actor, room: &RoomId, user: &UserId, reason: Option<&str>) -> Result<()> {
        let mut unit = self.change(room).await?;
        match unit.membership(user)? {
            Some(Membership::Join | Membership::Invite | Membership::Knock) => {}
            // The one who is told to go is not here: nothing to do would hide a mistake.
            _ => return Err(Error::Denied("This user is not in the room".to_owned())),
        }
        unit.set_membership(actor, user, membership_content(Membership::Leave, reason))?;
        unit.commit().await
    }

    pub async fn ban(&self, actor: &Actor, room: &RoomId, user: &UserId, reason: Option<&str>) -> Result<()> {
        let mut unit = self.change(room).await?;
        unit.set_membership(actor, user, membership_content(Membership::Ban, reason))?;
        unit.commit().await
    }

    /// # Errors
    /// [`Error::BadState`] for a user who is not banned.
    pub async fn unban(&self, actor: &Actor, room: &RoomId, user: &UserId, reason: Option<&str>) -> Result<()> {
        let mut unit = self.change(room).await?;
        if unit.membership(user)? != Some(Membership::Ban) {
            return Err(Error::BadState("This user is not banned".to_owned()));
        }
        unit.set_membership(actor, user, membership_content(Membership::Leave, reason))?;
        unit.commit().await
    }

    /// Takes a room that the user has left off their lists.
    ///
    /// # Errors
    /// [`Error::Invalid`] while the user is in it or invited.
    pub async fn forget(&self, user: &UserId, room: &RoomId) -> Result<()> {
        let _turn = match self.inner.room(room) {
            Ok(room) => Some(room.lock().await),
            // An invite or a knock that ended is forgotten too, though this server never was in the room.
            Err(Error::NoSuchRoom) => None,
            Err(error) => return Err(error),
        };
        let Some(row) = self.inner.scope.get(&USER_ROOMS, (user, room))? else { return Err(Error::NoSuchRoom) };
        if !matches!(row.value.membership, Membership::Leave | Membership::Ban) {
            return Err(Error::Invalid("You must leave the room before you forget it".to_owned()));
        }
        let mut batch = self.inner.scope.batch();
        let stamp = batch.stamp();
        // They left when they left: a sync that told of it must not tell it again.
        let forgotten = Stamped { position: row.position, value: crate::UserRoom { forgotten: true, ..row.value } };
        batch.put(&USER_ROOMS, (user, room), &forgotten);
        batch.announce(TOPIC, stamp, &Change::Forgotten { room: room.to_owned(), user: user.to_owned() });
        self.inner.scope.commit(batch).await?;
        Ok(())
    }

    /// Has every room that the user is in show their name and picture of now.
    pub async fn update_profile(&self, actor: &Actor) -> Result<()> {
        for room in self.joined_rooms(&actor.user)? {
            let mut unit = self.change(&room).await?;
            let Some(now) = unit.state("m.room.member", actor.user.as_str())? else { continue };
            let content = MemberContent::of(&now);
            let same = content.displayname == actor.display_name && content.avatar_url == actor.avatar_url;
            if same || content.membership != Some(Membership::Join) {
                continue;
            }
            unit.set_membership(actor, &actor.user, membership_content(Membership::Join, None))?;
            unit.commit().await?;
        }
        Ok(())
    }
}

impl Unit<'_> {
    /// The user's membership as this unit has it so far.
    pub(crate) fn membership(&self, user: &UserId) -> Result<Option<Membership>> {
        if let Some(row) = self.inner.scope.get(&MEMBERS, (self.room.id.as_ref(), user))? {
            return Ok(Some(row.membership));
        }
        Ok(None)
    }

    pub(crate) fn set_membership(
        &mut self,
        actor: &Actor,
        user: &UserId,
        content: Map<String, Value>,
    ) -> Result<OwnedEventId> {
        let event = NewEvent::state("m.room.member", user.as_str(), &Value::Object(content))?;
        Ok(self.compose(actor, event, None)?.event_id().to_owned())
    }

    pub(crate) fn invite(
        &mut self,
        actor: &Actor,
        invitee: &Actor,
        reason: Option<&str>,
        is_direct: bool,
    ) -> Result<OwnedEventId> {
        self.set_membership(actor, &invitee.user, invite_content(invitee, reason, is_direct))
    }
}

pub(crate) fn membership_content(membership: Membership, reason: Option<&str>) -> Map<String, Value> {
    let mut content = Map::new();
    content.insert("membership".to_owned(), json!(membership.as_str()));
    if let Some(reason) = reason {
        content.insert("reason".to_owned(), json!(reason));
    }
    content
}

pub(crate) fn invite_content(invitee: &Actor, reason: Option<&str>, is_direct: bool) -> Map<String, Value> {
    let mut content = membership_content(Membership::Invite, reason);
    for (field, value) in [("displayname", &invitee.display_name), ("avatar_url", &invitee.avatar_url)] {
        if let Some(value) = value {
            content.insert(field.to_owned(), json!(value));
        }
    }
    if is_direct {
        content.insert("is_direct".to_owned(), json!(true));
    }
    content
}
