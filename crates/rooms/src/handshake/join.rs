//! A local user joins a room: here, if this server is in it, or else by way of one that is.

use std::sync::Arc;

use events::{MembershipTemplate, RoomVersion};
use kernel::id::{OwnedServerName, RoomId, ServerName};
use serde_json::{Map, Value};

use super::{progress::Progress, ways::Refusals};
use crate::{
    Actor, Error, Handshake, Membership, RemoteError, Result, Rooms, Verdict, compose::put_name,
    membership::membership_content, remote::versions, room::Room, tables::HeadRow,
};

/// How an attempt to join on this server went.
enum Here {
    Joined,
    /// Another server has to let the user in: one of these, or whichever is in the room.
    AskOthers(Vec<OwnedServerName>),
}

impl Rooms {
    /// Joins the room, or finds that the user is in it already.
    pub async fn join(&self, actor: &Actor, room: &RoomId, reason: Option<&str>) -> Result<()> {
        self.join_saying(actor, room, &[], reason, Map::new()).await
    }

    /// The same by way of one of these servers, if this one is not in the room, and with fields of the client's own in the
    /// member event.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::NoSuchRoom`], and what other servers refused as [`Error::Remote`]; nothing is stored then.
    pub async fn join_saying(
        &self,
        actor: &Actor,
        room: &RoomId,
        via: &[OwnedServerName],
        reason: Option<&str>,
        fields: Map<String, Value>,
    ) -> Result<()> {
        let mut content = fields;
        content.remove("join_authorised_via_users_server");
        content.extend(membership_content(Membership::Join, reason));
        let Here::AskOthers(also) = self.join_here(actor, room, &content).await? else { return Ok(()) };
        let ways = self.ways(&actor.user, room, via, also)?;
        let (this, actor, room) = (self.clone(), actor.clone(), room.to_owned());
        // A task of its own: once another server has let the user in, this one must learn of the room, though the client be gone.
        let joining = tokio::spawn(async move { this.join_elsewhere(&actor, &room, ways, content).await });
        joining.await.map_err(|_| Error::Damaged("joining a room panicked".to_owned()))?
    }

    async fn join_here(&self, actor: &Actor, room: &RoomId, content: &Map<String, Value>) -> Result<Here> {
        if !self.has_server(room, self.server_name())? {
            return Ok(Here::AskOthers(Vec::new()));
        }
        let mut unit = self.change(room).await?;
        match unit.membership(&actor.user)? {
            Some(Membership::Join) => return Ok(Here::Joined),
            Some(Membership::Invite) => {}
            // The invite came from outside: the room as it is here knows nothing of it.
            _ if self.is_invited_outside(&actor.user, room)? => return Ok(Here::AskOthers(Vec::new())),
            _ => {}
        }
        let mut content = content.clone();
        match self.authoriser(&unit, &actor.user) {
            Ok(None) => {}
            Ok(Some(user)) => drop(content.insert("join_authorised_via_users_server".to_owned(), user.as_str().into())),
            Err(Error::CannotGrant) => return Ok(Here::AskOthers(self.granting_servers(&unit)?)),
            Err(error) => return Err(error),
        }
        unit.set_membership(actor, &actor.user, content)?;
        unit.commit().await?;
        Ok(Here::Joined)
    }

    async fn join_elsewhere(
        &self,
        actor: &Actor,
        room: &RoomId,
        ways: Vec<OwnedServerName>,
        content: Map<String, Value>,
    ) -> Result<()> {
        let _turn = self.inner.arrivals.turn(room).await?;
        // Who waited for another to come in may find the door open.
        if let Here::Joined = self.join_here(actor, room, &content).await? {
            return Ok(());
        }
        let (mut refusals, mut progress) = (Refusals::default(), Progress::begin(room));
        for server in ways {
            match self.join_through(&server, actor, room, &content, &mut progress).await {
                Ok(()) => {
                    progress.finish();
                    return Ok(());
                }
                Err(error) => refusals.add(&server, room, error)?,
            }
        }
        Err(refusals.most_telling())
    }

    async fn join_through(
        &self,
        server: &ServerName,
        actor: &Actor,
        id: &RoomId,
        content: &Map<String, Value>,
        progress: &mut Progress,
    ) -> Result<()> {
        let remote = &self.inner.remote;
        let offered = remote.template(server, Handshake::Join, id, &actor.user, &versions()).await?;
        let version = offered.version()?;
        let room = self.entered(id, version)?;
        let template = MembershipTemplate::parse(&offered.event, version, id, &actor.user, Membership::Join)?;
        let authoriser = template.authoriser.clone();
        if authoriser.as_ref().is_some_and(|user| user.server_name() != server) {
            return Err(RemoteError::Malformed(server.to_owned()).into());
        }
        let mut content = events::canonical_content(&Value::Object(content.clone()).to_string())?;
        put_name(&mut content, actor);
        let join = template.seal(&self.inner.signer.load(), content, self.inner.clock.now())?;
        let answer = remote.send_join(server, id, &join).await?;
        let join = match (authoriser, &answer.event) {
            (None, _) => join,
            (Some(_), Some(returned)) => self.countersigned(&join, version, server, returned).await?,
            (Some(_), None) => return Err(RemoteError::Malformed(server.to_owned()).into()),
        };
        if self.has_server(id, self.server_name())? {
            // This server was in the room and could not let the user in: the join comes to it as any event.
            return match self.take(server, &room, join).await? {
                Verdict::Accepted => Ok(()),
                _ => Err(Error::Denied("The room does not allow it".to_owned())),
            };
        }
        self.come_in(server, room, join, answer, progress).await
    }

    /// The room, also if this server has never been in it: then it is known to nobody yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for another version than the room has (hazard F13).
    fn entered(&self, id: &RoomId, version: RoomVersion) -> Result<Arc<Room>> {
        match self.inner.room(id) {
            Ok(room) if room.version == version => Ok(room),
            Ok(_) => Err(Error::Unavailable("The other server says that the room has another version".to_owned())),
            Err(Error::NoSuchRoom) => {
                Ok(Arc::new(Room::new(id.to_owned(), version, HeadRow::EMPTY, Default::default())))
            }
            Err(error) => Err(error),
        }
    }
}
