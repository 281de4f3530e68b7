//! Invites that other servers send for users of this one, and their end when it comes before the answer.

use events::{InviteExpectation, Pdu, RoomVersion, content::Membership};
use kernel::id::{EventId, OwnedEventId, OwnedUserId, RoomId, ServerName, UserId};
use serde::Deserialize;

use super::stripped::stripped;
use crate::{
    Error, Received, Result, Rooms, Verdict,
    outside::{Outside, version},
    receive::refused,
    tables::USER_ROOMS,
};

/// Invites that wait for a user's answer; more are refused.
const WAITING_MAX: usize = 500;
/// Rooms on a user's list, gone ones included, beyond which strangers add none.
const LISTED_MAX: usize = 5_000;

/// What comes with an invite.
#[derive(Clone, Debug)]
pub struct OfferedInvite {
    /// The event as JSON text.
    pub event: String,
    pub room_version: String,
    /// Events of the room, whole or stripped: not to be believed.
    pub stripped: Vec<String>,
}

impl Rooms {
    /// Takes in an invite of a user of this server, and returns the event with this server's signature. `is_user` tells
    /// whether there is such a user.
    ///
    /// # Errors
    /// [`Error::IncompatibleRoomVersion`]; [`Error::InvalidParam`] for anything but the invite that the path names, sent by a
    /// user of `origin`; [`Error::Denied`] if the signature or the room does not allow it. Nothing is kept or signed then
    /// (hazard F1).
    pub async fn receive_invite(
        &self,
        origin: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        invite: OfferedInvite,
        is_user: impl FnOnce(&UserId) -> bool + Send,
    ) -> Result<String> {
        let version = RoomVersion::parse(&invite.room_version)
            .map_err(|_| Error::IncompatibleRoomVersion(invite.room_version.chars().take(32).collect()))?;
        let pdu = Pdu::parse(&invite.event, version)?;
        if pdu.room_id() != room || pdu.event_id() != event_id {
            return Err(Error::InvalidParam("The event is not the one that the path names".to_owned()));
        }
        let user = self.invitee(origin, &pdu)?;
        if !is_user(&user) {
            return Err(Error::Denied("There is no such user".to_owned()));
        }
        let expect = InviteExpectation { origin, room_id: room, event_id, user: &user };
        let keys = self.keys_for(&pdu, version).await?;
        if self.has_server(room, self.server_name())? {
            self.admit_invite(origin, version, pdu.clone()).await?;
            let signed = self.inner.signer.load().vouch_for_invite(&pdu, version, &keys, &expect)?;
            return Ok(signed.into_json());
        }
        self.check_room_for_more(&user)?;
        let signed = self.inner.signer.load().vouch_for_invite(&pdu, version, &keys, &expect)?;
        let kept = Outside {
            version,
            event: &signed,
            through: origin.to_owned(),
            stripped: stripped(&invite.stripped, &signed),
            replaces: None,
        };
        self.keep_outside(room, kept).await?;
        Ok(signed.into_json())
    }

    /// The user of this server whom the event of a user of `origin` invites.
    fn invitee(&self, origin: &ServerName, pdu: &Pdu) -> Result<OwnedUserId> {
        let user = pdu.state_key().and_then(|user| UserId::parse(user).ok());
        let user = user.filter(|user| user.server_name() == self.server_name());
        match user {
            Some(user) if pdu.membership() == Some(Membership::Invite) && pdu.sender().server_name() == origin => {
                Ok(user)
            }
            _ => Err(Error::InvalidParam("The event is not an invite of a user here by one of yours".to_owned())),
        }
    }

    /// An invite to a room that this server is in goes the way of all events of it.
    async fn admit_invite(&self, origin: &ServerName, version: RoomVersion, pdu: Pdu) -> Result<()> {
        let room = self.open_to(origin, pdu.room_id())?;
        if room.version != version {
            return Err(Error::InvalidParam("The room has another version".to_owned()));
        }
        let pdu = self.verify_one(&room.id, version, pdu.into_json()).await?;
        match self.take(origin, &room, pdu).await? {
            Verdict::Accepted => Ok(()),
            _ => Err(Error::Denied("The room does not allow it".to_owned())),
        }
    }

    fn check_room_for_more(&self, user: &UserId) -> Result<()> {
        let rooms = self.rooms_of(user)?;
        let waiting = rooms.values().filter(|own| own.room.membership == Membership::Invite).count();
        if waiting >= WAITING_MAX || rooms.len() >= LISTED_MAX {
            return Err(Error::Denied("The user has too many invites".to_owned()));
        }
        Ok(())
    }

    /// Events of a room that this server is not in: none is taken (hazard F17), but for one that takes back an invite, or
    /// turns a knock down.
    pub(crate) async fn receive_elsewhere(
        &self,
        origin: &ServerName,
        room: &RoomId,
        pdus: Vec<(usize, String)>,
    ) -> Vec<(usize, Received)> {
        let mut answers = Vec::new();
        for (index, json) in pdus {
            let received = match self.revoke(origin, room, json).await {
                Ok(event_id) => Received { event_id: Some(event_id), outcome: Ok(()) },
                Err((event_id, error)) => refused(event_id, error),
            };
            answers.push((index, received));
        }
        answers
    }

    async fn revoke(
        &self,
        origin: &ServerName,
        room: &RoomId,
        json: String,
    ) -> std::result::Result<OwnedEventId, (Option<OwnedEventId>, Error)> {
        #[derive(Deserialize)]
        struct Glance {
            #[serde(rename = "type")]
            kind: String,
            state_key: Option<OwnedUserId>,
        }
        let elsewhere = || (None, Error::Denied("This server is not in the room".to_owned()));
        let glance = serde_json::from_str::<Glance>(&json).ok().filter(|glance| glance.kind == "m.room.member");
        let user = glance.and_then(|glance| glance.state_key).ok_or_else(elsewhere)?;
        let failed = |error: Error| (None, error);
        let row = self.outside(&user, room).map_err(failed)?.ok_or_else(elsewhere)?;
        let own = self.inner.scope.get(&USER_ROOMS, (user.as_ref(), room)).map_err(|error| failed(error.into()))?;
        let own = own.ok_or_else(elsewhere)?.value;
        let version = version(&row).map_err(failed)?;
        let pdu = self.verify_one(room, version, json).await.map_err(failed)?;
        let id = pdu.event_id().to_owned();
        if own.event_id == id {
            return Ok(id);
        }
        let ends = matches!(pdu.membership(), Some(Membership::Leave | Membership::Ban))
            && pdu.state_key() == Some(user.as_str())
            && match own.membership {
                // Whoever else may do so in the room: only of the inviter it is known that they had a say.
                Membership::Invite => *pdu.sender() == *own.sender,
                Membership::Knock => origin == row.through,
                _ => false,
            };
        if !ends {
            return Err((Some(id), elsewhere().1));
        }
        let ended =
            Outside { version, event: &pdu, through: row.through.clone(), stripped: Vec::new(), replaces: Some(row) };
        self.keep_outside(room, ended).await.map_err(|error| (Some(id.clone()), error))?;
        Ok(id)
    }
}
