//! The state before an event, from the events just before it; where those are not here, from what another server says.

use std::{collections::HashMap, sync::Arc};

use events::Pdu;
use kernel::id::{EventId, OwnedEventId, ServerName};

use crate::{
    Error, Result, Rooms,
    room::Room,
    state::{Entry, Root},
};

/// Pieces of state, and events of an auth chain, that one answer may have.
pub(crate) const STATE_EVENTS_MAX: usize = 100_000;
/// Events of a state are fetched one by one while less than one of so many is missing, all together otherwise.
const SINGLY_ONE_OF: usize = 10;
/// Events looked up at once.
const CHUNK: usize = 1_000;

/// What was found out about the place of an event.
pub(crate) struct Before {
    pub(crate) state: Root,
    /// Events that it cites and that are not here.
    pub(crate) missing: Vec<OwnedEventId>,
}

impl Rooms {
    /// The state before the event; on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when neither this server nor the other knows it.
    pub(crate) async fn state_before(&self, origin: &ServerName, room: &Arc<Room>, pdu: &Pdu) -> Result<Before> {
        let (mut roots, mut missing) = (Vec::new(), Vec::new());
        for id in pdu.prev_events() {
            match self.inner.event(room, id)?.filter(|event| !event.verdict.is_outlier()) {
                Some(event) => roots.push(event.state_after),
                None => {
                    roots.push(self.bridge(origin, room, id).await?);
                    missing.push(id.clone());
                }
            }
        }
        if roots.is_empty() {
            return Err(Error::Denied("The event follows no other".to_owned()));
        }
        Ok(Before { state: self.resolve(room, &roots, &[]).await?, missing })
    }

    /// The state after an event that is not here, as the other server says.
    async fn bridge(&self, origin: &ServerName, room: &Arc<Room>, id: &EventId) -> Result<Root> {
        if let Some(root) = self.inner.bridged.get(id) {
            return Ok(root);
        }
        let mut entries = self.told_state(origin, room, id).await?;
        self.fetch_singly(origin, room, &[id.to_owned()]).await?;
        if let Some(event) = self.inner.event(room, id)?
            && !event.pdu.rejected()
            && let Some((event_type, state_key)) = event.pdu.state_entry()
        {
            entries.insert((event_type, state_key), id.to_owned());
        }
        let root = self.keep_entries(entries).await?;
        self.inner.bridged.insert(id.to_owned(), root);
        Ok(root)
    }

    /// The state before an event that is not here, as the other server says; on disk when this returns.
    pub(crate) async fn told_root(&self, origin: &ServerName, room: &Arc<Room>, id: &EventId) -> Result<Root> {
        let entries = self.told_state(origin, room, id).await?;
        self.keep_entries(entries).await
    }

    async fn keep_entries(&self, entries: HashMap<(String, String), OwnedEventId>) -> Result<Root> {
        let entry = |((event_type, state_key), event_id)| Entry { event_type, state_key, event_id };
        self.keep_state(None, entries.into_iter().map(entry).collect()).await
    }

    async fn told_state(
        &self,
        origin: &ServerName,
        room: &Arc<Room>,
        id: &EventId,
    ) -> Result<HashMap<(String, String), OwnedEventId>> {
        let unavailable = |error| Error::Unavailable(format!("The state of the room cannot be had: {error}"));
        let told = self.inner.remote.state_ids(origin, &room.id, id).await.map_err(unavailable)?;
        if told.state.len() > STATE_EVENTS_MAX || told.auth_chain.len() > STATE_EVENTS_MAX {
            return Err(Error::TooLarge("The state of the room is too large".to_owned()));
        }
        let mut unknown = Vec::new();
        for ids in told.auth_chain.chunks(CHUNK).chain(told.state.chunks(CHUNK)) {
            unknown.extend(self.unknown(room, ids)?);
        }
        if unknown.len() * SINGLY_ONE_OF >= told.state.len() + told.auth_chain.len() {
            let all = self.inner.remote.state(origin, &room.id, id).await.map_err(unavailable)?;
            self.keep_outliers(room, all.auth_chain.into_iter().chain(all.state).collect()).await?;
        } else {
            self.fetch_singly(origin, room, &unknown).await?;
        }
        self.entries(room, &told.state)
    }

    /// These events as a state. Events that could not be had, or that the rules refuse, are left out.
    pub(crate) fn entries(&self, room: &Room, ids: &[OwnedEventId]) -> Result<HashMap<(String, String), OwnedEventId>> {
        let mut entries = HashMap::new();
        for id in ids {
            let Some(event) = self.inner.event(room, id)?.filter(|event| !event.pdu.rejected()) else { continue };
            let Some(key) = event.pdu.state_entry() else { continue };
            if entries.insert(key, id.clone()).is_some() {
                return Err(Error::Denied(
                    "The state that the other server tells has two events in one place".to_owned(),
                ));
            }
        }
        if !entries.contains_key(&("m.room.create".to_owned(), String::new())) {
            return Err(Error::Denied("The state that the other server tells has no creation".to_owned()));
        }
        Ok(entries)
    }
}
