//! `send_join`, `send_leave` and `send_knock` of other servers: their user's event is checked and becomes part of the room.

use std::sync::Arc;

use events::{Pdu, content::Membership};
use kernel::id::{EventId, OwnedServerName, RoomId, ServerName, UserId};
use serde_json::{Map, Value};

use crate::{Error, Result, Rooms, Verdict, room::Room};

/// What a server is told when its user has joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The join as it is in the room: with this server's signature if it let the user in.
    pub event: String,
    /// The state before the join.
    pub state: Vec<String>,
    pub auth_chain: Vec<String>,
    /// The servers in the room.
    pub servers: Vec<OwnedServerName>,
}

impl Rooms {
    /// Takes in the join of a user of `origin` and tells what the room is. The other servers in the room hear of it.
    ///
    /// # Errors
    /// [`Error::InvalidParam`] for anything but the join that the path names, [`Error::Denied`] for one that may not be, and
    /// as [`Rooms::make_join`]; nothing is kept or signed then.
    pub async fn send_join(
        &self,
        origin: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        json: &str,
    ) -> Result<Joined> {
        let room = self.open_to(origin, room)?;
        let pdu = submitted(&room, origin, event_id, json, Membership::Join)?;
        let pdu = match authoriser_of(&room, &pdu)? {
            Some(authoriser) => self.vouch(&room, &pdu, &authoriser).await?,
            None => pdu,
        };
        self.admit(origin, &room, pdu).await?;
        let (this, id) = (self.clone(), event_id.to_owned());
        // Thousands of events are read: not on a thread that serves others.
        let told = tokio::task::spawn_blocking(move || this.room_before(&room, &id));
        told.await.map_err(|_| Error::Damaged("reading a room panicked".to_owned()))?
    }

    /// Takes in the leave of a user of `origin`: out of the room, or the refusal of an invite.
    ///
    /// # Errors
    /// As [`Rooms::send_join`].
    pub async fn send_leave(&self, origin: &ServerName, room: &RoomId, event_id: &EventId, json: &str) -> Result<()> {
        let room = self.open_to(origin, room)?;
        let pdu = submitted(&room, origin, event_id, json, Membership::Leave)?;
        self.admit(origin, &room, pdu).await
    }

    /// Takes in the knock of a user of `origin`; returns the stripped state of the room, as whole events.
    ///
    /// # Errors
    /// As [`Rooms::send_join`].
    pub async fn send_knock(
        &self,
        origin: &ServerName,
        room: &RoomId,
        event_id: &EventId,
        json: &str,
    ) -> Result<Vec<String>> {
        let room = self.open_to(origin, room)?;
        let pdu = submitted(&room, origin, event_id, json, Membership::Knock)?;
        self.admit(origin, &room, pdu).await?;
        let unit = self.change(&room.id).await?;
        let shown = unit.introduction()?;
        Ok(shown.into_iter().map(|pdu| pdu.json().to_owned()).collect())
    }

    /// Signs the join of somebody whom this server lets in to a restricted room, once it is found that it may.
    async fn vouch(&self, room: &Arc<Room>, pdu: &Pdu, authoriser: &UserId) -> Result<Pdu> {
        if authoriser.server_name() != self.server_name() {
            return Err(Error::InvalidParam("This server lets people in by the word of its own users only".to_owned()));
        }
        let keys = self.keys_for(pdu, room.version).await?;
        let unit = self.change(&room.id).await?;
        self.check_authoriser(&unit, pdu.sender(), authoriser)?;
        if !self.is_allowed_in(room, pdu, unit.head.state)? {
            return Err(refused());
        }
        Ok(self.inner.signer.load().vouch_for_join(pdu, room.version, &keys, authoriser)?)
    }

    /// Verifies the event and makes it part of the room, or nothing at all. What it cites must be here: this server named it.
    async fn admit(&self, origin: &ServerName, room: &Arc<Room>, pdu: Pdu) -> Result<()> {
        let pdu = self.verify_one(&room.id, room.version, pdu.into_json()).await?;
        if !self.unplaced(room, &pdu)?.is_empty() || !self.unknown(room, pdu.auth_events())?.is_empty() {
            return Err(Error::Denied("The event cites others that this server does not have".to_owned()));
        }
        let before = self.state_before(origin, room, &pdu).await?;
        match self.place(room, pdu, before, Some(origin.to_owned())).await? {
            Verdict::Accepted => Ok(()),
            _ => Err(refused()),
        }
    }

    /// What the room was before the join, and all that this rests on.
    fn room_before(&self, room: &Room, join: &EventId) -> Result<Joined> {
        let join = self.inner.event(room, join)?.ok_or(Error::NoSuchEvent)?;
        let state = self.state_events(&room.id, join.state_before)?;
        let resting: Vec<_> = state.iter().chain([&join]).map(|event| event.pdu.event_id().to_owned()).collect();
        let auth_chain = self.inner.texts(room, &self.inner.auth_chain(room, &resting)?)?;
        Ok(Joined {
            event: join.pdu.json().to_owned(),
            state: state.iter().map(|event| event.pdu.json().to_owned()).collect(),
            auth_chain,
            servers: self.servers(&room.id)?,
        })
    }
}

/// The event, if it is what the path says: the membership of a user of `origin`, who sent it.
fn submitted(room: &Room, origin: &ServerName, event_id: &EventId, json: &str, membership: Membership) -> Result<Pdu> {
    let pdu = Pdu::parse(json, room.version)?;
    if pdu.room_id() != room.id || pdu.event_id() != event_id {
        return Err(Error::InvalidParam("The event is not the one that the path names".to_owned()));
    }
    if pdu.membership() != Some(membership) || pdu.state_key() != Some(pdu.sender().as_str()) {
        return Err(Error::InvalidParam(format!("The event is not a {} of its sender", membership.as_str())));
    }
    if pdu.sender().server_name() != origin {
        return Err(Error::Denied("The sender is of another server".to_owned()));
    }
    Ok(pdu)
}

/// Whom the join names as who lets its user in, where the room's version knows of that.
fn authoriser_of(room: &Room, join: &Pdu) -> Result<Option<kernel::id::OwnedUserId>> {
    if !room.version.has_restricted_joins() {
        return Ok(None);
    }
    let content: Map<String, Value> = join.content_as()?;
    let Some(named) = content.get("join_authorised_via_users_server") else { return Ok(None) };
    let named = named.as_str().and_then(|named| UserId::parse(named).ok());
    named.map(Some).ok_or_else(|| Error::InvalidParam("Who lets the user in is not a user".to_owned()))
}

fn refused() -> Error {
    Error::Denied("The room does not allow it".to_owned())
}
