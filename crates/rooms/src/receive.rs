//! Events of other servers, as a transaction brings them: each is checked as the specification has it ("Checks performed on
//! receipt of a PDU"), after what it rests on has been fetched, and then passes the one door.

mod judge;
mod missing;
mod outliers;
mod place;
mod state_at;
mod verify;

use std::{collections::HashMap, sync::Arc};

use events::{Pdu, RoomVersion};
use kernel::id::{EventId, OwnedEventId, OwnedRoomId, RoomId, ServerName};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::{Error, Result, Rooms, Verdict, room::Room};

pub(crate) use missing::MISSING_MAX;
pub(crate) use state_at::STATE_EVENTS_MAX;
pub(crate) use verify::by_citation;

/// What became of an event that another server sent.
#[derive(Debug)]
pub struct Received {
    /// None if it could not be read that far.
    pub event_id: Option<OwnedEventId>,
    /// An error says that the event was not taken; an event that the rules refuse was.
    pub outcome: Result<()>,
}

/// What is looked at before an event can be read: its room says by which rules.
#[derive(Deserialize)]
struct Envelope {
    room_id: Option<OwnedRoomId>,
    event_id: Option<OwnedEventId>,
}

impl Rooms {
    /// Takes in the events of one transaction, whatever their order; those of different rooms at the same time. Each answer
    /// stands where its event stood.
    pub async fn receive(&self, origin: &ServerName, pdus: Vec<String>) -> Vec<Received> {
        let mut answers: Vec<Option<Received>> = pdus.iter().map(|_| None).collect();
        let mut by_room: HashMap<OwnedRoomId, Vec<(usize, String)>> = HashMap::new();
        for ((index, json), answer) in pdus.into_iter().enumerate().zip(&mut answers) {
            match serde_json::from_str(&json) {
                Ok(Envelope { room_id: Some(room), .. }) => by_room.entry(room).or_default().push((index, json)),
                Ok(Envelope { room_id: None, event_id }) => *answer = Some(refused(event_id, no_room())),
                Err(error) => *answer = Some(refused(None, Error::Invalid(error.to_string()))),
            }
        }
        let mut rooms = JoinSet::new();
        for (room, pdus) in by_room {
            let (this, origin) = (self.clone(), origin.to_owned());
            rooms.spawn(async move { this.receive_in_room(&origin, &room, pdus).await });
        }
        while let Some(done) = rooms.join_next().await {
            for (index, received) in done.unwrap_or_default() {
                if let Some(answer) = answers.get_mut(index) {
                    *answer = Some(received);
                }
            }
        }
        let panicked = || refused(None, Error::Damaged("receiving an event panicked".to_owned()));
        answers.into_iter().map(|answer| answer.unwrap_or_else(panicked)).collect()
    }

    async fn receive_in_room(
        &self,
        origin: &ServerName,
        id: &RoomId,
        pdus: Vec<(usize, String)>,
    ) -> Vec<(usize, Received)> {
        let room = match self.open_to(origin, id) {
            Err(Error::NoSuchRoom) => {
                self.arrived(id).await;
                self.open_to(origin, id)
            }
            open => open,
        };
        let room = match room {
            Ok(room) => room,
            Err(Error::NoSuchRoom) => return self.receive_elsewhere(origin, id, pdus).await,
            Err(error) => return refuse_all(pdus, self.inner.room(id).ok().map(|room| room.version), &error),
        };
        let (places, pdus): (Vec<usize>, Vec<String>) = pdus.into_iter().unzip();
        let verified = self.verify(id, room.version, pdus).await;
        let mut answers = Vec::new();
        let mut events = Vec::new();
        for (place, verified) in places.into_iter().zip(verified) {
            match verified {
                Ok(pdu) => events.push((place, pdu)),
                Err((event_id, error)) => answers.push((place, refused(event_id, error))),
            }
        }
        let mut places: HashMap<OwnedEventId, usize> = HashMap::new();
        for (place, pdu) in &events {
            let id = pdu.event_id().to_owned();
            if let Some(same) = places.insert(id.clone(), *place) {
                answers.push((same, Received { event_id: Some(id), outcome: Ok(()) }));
            }
        }
        for pdu in by_citation(events.into_iter().map(|(_, pdu)| pdu).collect(), Pdu::prev_events) {
            let id = pdu.event_id().to_owned();
            let outcome = self.take(origin, &room, pdu).await.map(drop);
            if let Err(error) = &outcome {
                tracing::info!(%origin, room = %room.id, event = %id, %error, "an event was not taken");
            }
            answers.extend(places.remove(&id).map(|place| (place, Received { event_id: Some(id), outcome })));
        }
        answers
    }

    /// The room, if this server takes events of it from the other.
    pub(crate) fn open_to(&self, origin: &ServerName, id: &RoomId) -> Result<Arc<Room>> {
        let room = self.inner.room(id)?;
        if !self.has_server(id, self.server_name())? {
            return Err(Error::NoSuchRoom);
        }
        self.check_acl(id, origin)?;
        Ok(room)
    }

    /// Takes in a verified event, and before it what it rests on, as far as the other server has that.
    pub(crate) async fn take(&self, origin: &ServerName, room: &Arc<Room>, pdu: Pdu) -> Result<Verdict> {
        if let Some(known) = self.decided(room, pdu.event_id())? {
            return Ok(known);
        }
        for earlier in self.missing_before(origin, room, &pdu).await? {
            if let Err(error) = self.take_one(origin, room, earlier).await {
                tracing::info!(%origin, room = %room.id, %error, "an event before another was not taken");
            }
        }
        // Only what was asked for is bridged by state: whoever sends an event must tell what came before it.
        if !self.unplaced(room, &pdu)?.is_empty() {
            return Err(Error::Denied("The server does not tell what came before the event".to_owned()));
        }
        self.take_one(origin, room, pdu).await
    }

    async fn take_one(&self, origin: &ServerName, room: &Arc<Room>, pdu: Pdu) -> Result<Verdict> {
        if let Some(known) = self.decided(room, pdu.event_id())? {
            return Ok(known);
        }
        // First, for where it bridges a gap it brings the authorization too.
        let before = self.state_before(origin, room, &pdu).await?;
        self.ensure_auth_events(origin, room, &pdu).await?;
        self.place(room, pdu, before, None).await
    }

    /// Whether the event is here with the state before it.
    pub(crate) fn has_place(&self, room: &Room, id: &EventId) -> Result<bool> {
        Ok(self.decided(room, id)?.is_some())
    }

    /// What was decided about the event, if it is here with the state before it.
    fn decided(&self, room: &Room, id: &EventId) -> Result<Option<Verdict>> {
        Ok(self.inner.event(room, id)?.map(|event| event.verdict).filter(|verdict| !verdict.is_outlier()))
    }
}

/// Refuses all events of a room for one reason. Their ids can be told where the room's version is known.
fn refuse_all(pdus: Vec<(usize, String)>, version: Option<RoomVersion>, error: &Error) -> Vec<(usize, Received)> {
    let refuse = |(index, json): (usize, String)| {
        let event_id = version.and_then(|version| Pdu::parse(&json, version).ok()).map(|pdu| pdu.event_id().to_owned());
        (index, refused(event_id, Error::Denied(error.to_string())))
    };
    pdus.into_iter().map(refuse).collect()
}

pub(crate) fn refused(event_id: Option<OwnedEventId>, error: Error) -> Received {
    Received { event_id, outcome: Err(error) }
}

fn no_room() -> Error {
    Error::Invalid("An event must name its room".to_owned())
}
