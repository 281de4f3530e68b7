//! A local user leaves a room, declines an invite or withdraws a knock.

use events::{Draft, MembershipTemplate, Pdu, RoomVersion};
use kernel::id::{OwnedEventId, OwnedServerName, RoomId, ServerName, UserId};
use serde_json::Value;

use crate::{
    Actor, Error, Handshake, Membership, Result, Rooms,
    membership::membership_content,
    outside::{self, Outside},
    remote::versions,
    tables::{OutsideRow, USER_ROOMS},
};

/// Servers that are asked to take an invite back.
const ASKED_MAX: usize = 2;

/// An invite to, or a knock on, a room that this server is not in.
struct Pending {
    version: RoomVersion,
    event: Pdu,
    through: OwnedServerName,
    row: Option<OutsideRow>,
}

impl Rooms {
    /// Leaves the room, declines its invite or withdraws a knock. An invite that its server cannot be told is declined of is
    /// gone for the user all the same.
    pub async fn leave(&self, actor: &Actor, room: &RoomId, reason: Option<&str>) -> Result<()> {
        if let Some(pending) = self.pending(&actor.user, room)? {
            let (this, actor, room) = (self.clone(), actor.clone(), room.to_owned());
            let reason = reason.map(str::to_owned);
            // A task of its own: what another server was told must be so here, though the client be gone.
            let leaving =
                tokio::spawn(async move { this.leave_outside(&actor, &room, pending, reason.as_deref()).await });
            return leaving.await.map_err(|_| Error::Damaged("leaving a room panicked".to_owned()))?;
        }
        if matches!(self.own_membership(&actor.user, room)?, Some(Membership::Leave)) {
            return Ok(());
        }
        let mut unit = self.change(room).await?;
        if matches!(unit.membership(&actor.user)?, Some(Membership::Leave)) {
            return Ok(());
        }
        unit.set_membership(actor, &actor.user, membership_content(Membership::Leave, reason))?;
        unit.commit().await
    }

    /// The user's invite or knock, if it is for other servers to end it.
    fn pending(&self, user: &UserId, room: &RoomId) -> Result<Option<Pending>> {
        let Some(own) = self.inner.scope.get(&USER_ROOMS, (user, room))?.map(|row| row.value) else { return Ok(None) };
        if !matches!(own.membership, Membership::Invite | Membership::Knock) {
            return Ok(None);
        }
        if let Some(row) = self.outside(user, room)? {
            let (version, event) = (outside::version(&row)?, outside::read(&row, &own)?);
            return Ok(Some(Pending { version, event, through: row.through.clone(), row: Some(row) }));
        }
        if self.has_server(room, self.server_name())? {
            return Ok(None);
        }
        // It came while this server was in the room, which has lost its last member here since.
        let room = self.inner.room(room)?;
        let event = self.inner.event(&room, &own.event_id)?.ok_or(Error::NoSuchEvent)?;
        let event = Pdu::clone(&event.pdu);
        Ok(Some(Pending { version: room.version, event, through: own.sender.server_name().to_owned(), row: None }))
    }

    async fn leave_outside(&self, actor: &Actor, room: &RoomId, pending: Pending, reason: Option<&str>) -> Result<()> {
        let mut left = None;
        for server in
            self.ways(&actor.user, room, std::slice::from_ref(&pending.through), Vec::new())?.iter().take(ASKED_MAX)
        {
            match self.leave_through(server, actor, room, reason).await {
                Ok(leave) => {
                    left = Some(leave);
                    break;
                }
                Err(error) => tracing::info!(%server, %room, %error, "another server did not take the leave"),
            }
        }
        let leave = match left {
            Some(leave) => leave,
            None => self.leave_alone(actor, room, &pending, reason)?,
        };
        let Pending { version, through, row, .. } = pending;
        let ended = Outside { version, event: &leave, through, stripped: Vec::new(), replaces: row };
        self.keep_outside(room, ended).await
    }

    async fn leave_through(
        &self,
        server: &ServerName,
        actor: &Actor,
        room: &RoomId,
        reason: Option<&str>,
    ) -> Result<Pdu> {
        let remote = &self.inner.remote;
        let offered = remote.template(server, Handshake::Leave, room, &actor.user, &versions()).await?;
        let version = offered.version()?;
        let template = MembershipTemplate::parse(&offered.event, version, room, &actor.user, Membership::Leave)?;
        let content = Value::Object(membership_content(Membership::Leave, reason));
        let content = events::canonical_content(&content.to_string())?;
        let leave = template.seal(&self.inner.signer.load(), content, self.inner.clock.now())?;
        remote.send_leave(server, room, &leave).await?;
        Ok(leave)
    }

    /// A leave for the user's own eyes: no part of any room, and signed by nobody.
    fn leave_alone(&self, actor: &Actor, room: &RoomId, pending: &Pending, reason: Option<&str>) -> Result<Pdu> {
        let Pending { version, event, .. } = pending;
        let content = Value::Object(membership_content(Membership::Leave, reason));
        let draft = Draft {
            room_id: Some(room.to_owned()),
            sender: actor.user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(actor.user.to_string()),
            content: events::canonical_content(&content.to_string())?,
            redacts: None,
            prev_events: vec![event.event_id().to_owned()],
            auth_events: vec![event.event_id().to_owned()],
            depth: event.depth().saturating_add(1),
            origin_server_ts: self.inner.clock.now(),
        };
        let leave = draft.unsigned(*version, |_| event.reference_hash(*version).ok())?;
        let hash = leave.reference_hash(*version)?;
        let id = if version.ids_are_given() { format!("${hash}:{}", self.server_name()) } else { format!("${hash}") };
        let id = OwnedEventId::try_from(id).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(Pdu::from_stored(id, leave.into_json(), *version, false)?)
    }
}
