//! A local user asks to be let in to a room: here, or by way of a server that is in it.

use events::{MembershipTemplate, RoomVersion};
use kernel::id::{OwnedServerName, RoomId, ServerName};
use serde_json::Value;

use super::{stripped::stripped, ways::Refusals};
use crate::{
    Actor, Error, Handshake, Membership, Result, Rooms, compose::put_name, membership::membership_content,
    outside::Outside, remote::versions,
};

impl Rooms {
    /// Knocks, by way of one of these servers if this one is not in the room.
    ///
    /// # Errors
    /// [`Error::Denied`] for somebody who is in the room, invited or banned, and where nobody may knock; what other servers
    /// refused as [`Error::Remote`].
    pub async fn knock(
        &self,
        actor: &Actor,
        room: &RoomId,
        via: &[OwnedServerName],
        reason: Option<&str>,
    ) -> Result<()> {
        if self.has_server(room, self.server_name())? {
            return self.knock_here(actor, room, reason).await;
        }
        // What this server remembers of the user's membership decides nothing: it may have ended without its knowledge.
        let ways = self.ways(&actor.user, room, via, Vec::new())?;
        let (this, actor, room) = (self.clone(), actor.clone(), room.to_owned());
        let reason = reason.map(str::to_owned);
        let knocking = tokio::spawn(async move { this.knock_elsewhere(&actor, &room, ways, reason.as_deref()).await });
        knocking.await.map_err(|_| Error::Damaged("knocking panicked".to_owned()))?
    }

    async fn knock_here(&self, actor: &Actor, room: &RoomId, reason: Option<&str>) -> Result<()> {
        let mut unit = self.change(room).await?;
        match unit.membership(&actor.user)? {
            Some(Membership::Join) => return Err(Error::Denied("You are in this room already".to_owned())),
            Some(Membership::Invite) => return Err(Error::Denied("You are invited to this room already".to_owned())),
            Some(Membership::Knock) => return Ok(()),
            _ => {}
        }
        unit.set_membership(actor, &actor.user, membership_content(Membership::Knock, reason))?;
        unit.commit().await
    }

    async fn knock_elsewhere(
        &self,
        actor: &Actor,
        room: &RoomId,
        ways: Vec<OwnedServerName>,
        reason: Option<&str>,
    ) -> Result<()> {
        let mut refusals = Refusals::default();
        for server in ways {
            match self.knock_through(&server, actor, room, reason).await {
                Ok(()) => return Ok(()),
                Err(error) => refusals.add(&server, room, error)?,
            }
        }
        Err(refusals.most_telling())
    }

    async fn knock_through(
        &self,
        server: &ServerName,
        actor: &Actor,
        room: &RoomId,
        reason: Option<&str>,
    ) -> Result<()> {
        let remote = &self.inner.remote;
        let offered = remote.template(server, Handshake::Knock, room, &actor.user, &versions()).await?;
        let version: RoomVersion = offered.version()?;
        let template = MembershipTemplate::parse(&offered.event, version, room, &actor.user, Membership::Knock)?;
        let content = Value::Object(membership_content(Membership::Knock, reason));
        let mut content = events::canonical_content(&content.to_string())?;
        put_name(&mut content, actor);
        let knock = template.seal(&self.inner.signer.load(), content, self.inner.clock.now())?;
        let told = remote.send_knock(server, room, &knock).await?;
        let replaces = self.outside(&actor.user, room)?;
        let kept =
            Outside { version, event: &knock, through: server.to_owned(), stripped: stripped(&told, &knock), replaces };
        self.keep_outside(room, kept).await
    }
}
