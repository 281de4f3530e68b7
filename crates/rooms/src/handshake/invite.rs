//! A local user invites somebody: of this server, or of another, whose server must agree first.

use std::collections::HashMap;

use events::Pdu;
use kernel::id::{OwnedServerName, RoomId};
use tokio::task::JoinSet;

use crate::{Actor, Error, NewEvent, RemoteError, Result, Rooms, Verdict, membership::invite_content};

impl Rooms {
    /// Invites somebody, of whom the edge tells the profile if they are local.
    ///
    /// # Errors
    /// [`Error::Denied`] by the room's rules; [`Error::Remote`] if the other server does not take the invite. Nothing is
    /// stored then.
    pub async fn invite(
        &self,
        actor: &Actor,
        room: &RoomId,
        invitee: &Actor,
        reason: Option<&str>,
        is_direct: bool,
    ) -> Result<()> {
        if invitee.user.server_name() == self.server_name() {
            let mut unit = self.change(room).await?;
            unit.invite(actor, invitee, reason, is_direct)?;
            return unit.commit().await;
        }
        let (this, actor, room, invitee) = (self.clone(), actor.clone(), room.to_owned(), invitee.clone());
        let reason = reason.map(str::to_owned);
        // A task of its own: an invite that the other server took must be in the room, though the client be gone.
        let inviting =
            tokio::spawn(
                async move { this.invite_elsewhere(&actor, &room, &invitee, reason.as_deref(), is_direct).await },
            );
        inviting.await.map_err(|_| Error::Damaged("inviting somebody panicked".to_owned()))?
    }

    /// The room is not locked while the other server is asked: what was said in it meanwhile stands beside the invite.
    async fn invite_elsewhere(
        &self,
        actor: &Actor,
        room: &RoomId,
        invitee: &Actor,
        reason: Option<&str>,
        is_direct: bool,
    ) -> Result<()> {
        let (invite, introduction) = {
            let unit = self.change(room).await?;
            let content = invite_content(invitee, reason, is_direct).into();
            let invite = unit.seal(actor, NewEvent::state("m.room.member", invitee.user.as_str(), &content)?)?;
            unit.authorise(&invite)?;
            let introduction = unit.introduction_by(&actor.user)?;
            (invite, introduction.iter().map(|pdu| pdu.json().to_owned()).collect::<Vec<_>>())
        };
        let room = self.inner.room(room)?;
        let server = invitee.user.server_name();
        let copy = self.inner.remote.send_invite(server, &invite, room.version.as_str(), &introduction).await?;
        let invite: Pdu = self.countersigned(&invite, room.version, server, &copy).await?;
        let own = self.server_name().to_owned();
        let before = self.state_before(&own, &room, &invite).await?;
        match self.place(&room, invite, before, Some(own)).await? {
            Verdict::Accepted => Ok(()),
            _ => Err(Error::Denied("The room does not allow it any more".to_owned())),
        }
    }

    /// # Errors
    /// [`RemoteError::NotAllowed`] if some are of a server that this one has nothing to do with.
    pub(crate) fn check_reach(&self, invitees: &[Actor]) -> Result<()> {
        let mut servers = invitees.iter().map(|invitee| invitee.user.server_name());
        match servers.find(|server| *server != self.server_name() && !self.inner.remote.reaches(server)) {
            Some(server) => Err(RemoteError::NotAllowed(server.to_owned()).into()),
            None => Ok(()),
        }
    }

    /// Sends the invites of a room that was just created to users of other servers. The room is there whatever comes of them.
    pub(crate) async fn invite_all_elsewhere(&self, actor: &Actor, room: &RoomId, invitees: &[Actor], is_direct: bool) {
        let mut by_server: HashMap<OwnedServerName, Vec<Actor>> = HashMap::new();
        for invitee in invitees.iter().filter(|invitee| invitee.user.server_name() != self.server_name()) {
            by_server.entry(invitee.user.server_name().to_owned()).or_default().push(invitee.clone());
        }
        let mut servers = JoinSet::new();
        for invitees in by_server.into_values() {
            let (this, actor, room) = (self.clone(), actor.clone(), room.to_owned());
            servers.spawn(async move {
                for invitee in invitees {
                    let Err(error) = this.invite_elsewhere(&actor, &room, &invitee, None, is_direct).await else {
                        continue;
                    };
                    tracing::info!(%room, invitee = %invitee.user, %error, "an invite to a new room was not taken");
                    if matches!(error, Error::Remote(RemoteError::Unreachable(_) | RemoteError::NotAllowed(_))) {
                        break;
                    }
                }
            });
        }
        while servers.join_next().await.is_some() {}
    }
}
