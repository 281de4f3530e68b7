//! `make_join`, `make_leave` and `make_knock` of other servers: the event that their user may make now.

use events::content::Membership;
use kernel::id::{RoomId, ServerName, UserId};

use crate::{Error, Result, Rooms, accept::Unit, membership::membership_content};

/// A membership event for another server to complete and sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub room_version: &'static str,
    /// JSON without id, hashes and signatures.
    pub event: String,
}

impl Rooms {
    /// The join that the user of `origin` may make; `versions` are the room versions that `origin` knows.
    ///
    /// # Errors
    /// [`Error::NoSuchRoom`], [`Error::IncompatibleRoomVersion`], [`Error::Denied`]; for a restricted room
    /// [`Error::CannotAuthorise`] and [`Error::CannotGrant`], upon which another server should be asked.
    pub async fn make_join(
        &self,
        origin: &ServerName,
        room: &RoomId,
        user: &UserId,
        versions: &[String],
    ) -> Result<Template> {
        self.offer(origin, room, user, Membership::Join, Some(versions)).await
    }

    /// The leave of somebody who is in the room, invited to it or knocking.
    pub async fn make_leave(&self, origin: &ServerName, room: &RoomId, user: &UserId) -> Result<Template> {
        self.offer(origin, room, user, Membership::Leave, None).await
    }

    /// The knock; errors as [`Rooms::make_join`].
    pub async fn make_knock(
        &self,
        origin: &ServerName,
        room: &RoomId,
        user: &UserId,
        versions: &[String],
    ) -> Result<Template> {
        self.offer(origin, room, user, Membership::Knock, Some(versions)).await
    }

    async fn offer(
        &self,
        origin: &ServerName,
        room: &RoomId,
        user: &UserId,
        membership: Membership,
        versions: Option<&[String]>,
    ) -> Result<Template> {
        let room = self.open_to(origin, room)?;
        let room_version = room.version.as_str();
        if user.server_name() != origin {
            return Err(Error::Denied("The user is of another server".to_owned()));
        }
        if versions.is_some_and(|known| !known.iter().any(|version| version == room_version)) {
            return Err(Error::IncompatibleRoomVersion(room_version.to_owned()));
        }
        if membership == Membership::Knock && !room.version.has_knocking() {
            return Err(Error::Denied("Nobody knocks on rooms of this version".to_owned()));
        }
        let guard = room.lock().await;
        let unit = Unit::new(&self.inner, room, guard);
        let mut content = membership_content(membership, None);
        if membership == Membership::Join
            && let Some(authoriser) = self.authoriser(&unit, user)?
        {
            content.insert("join_authorised_via_users_server".to_owned(), authoriser.as_str().into());
        }
        Ok(Template { room_version, event: unit.offer(user, content)?.into_json() })
    }
}
