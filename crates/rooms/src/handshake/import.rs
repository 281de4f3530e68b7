//! The room as the server tells it that let a local user in: checked whole before any of it is kept, then written so that the
//! join is its beginning here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::{Pdu, RoomVersion};
use kernel::id::{EventId, OwnedEventId, ServerName};

use super::progress::Progress;
use crate::{
    Error, JoinAnswer, Result, Rooms, Verdict,
    accept::{Arrival, Told, Unit},
    receive::STATE_EVENTS_MAX,
    room::Room,
    state::Entry,
    tables::ROOMS,
};

/// Events that are verified, or stored, before the next are looked at: while one is verified it weighs several times its text.
const AT_ONCE: usize = 2_000;

/// What another server told of a room, checked; nothing of it is stored yet.
struct Checked {
    /// Those of its events that are new here, each judged by what it cites.
    new: Vec<Arc<Pdu>>,
    /// The state before the join.
    state: HashMap<(String, String), Arc<Pdu>>,
}

impl Rooms {
    /// Makes the room one that this server is in, with what the other server told of it, and the join its first event here. All
    /// but the end of it is written in commits of bounded size, of which nothing is seen until the last, which brings the join.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the answer does not hold what the join rests on, or does not allow it; nothing is stored then.
    pub(super) async fn come_in(
        &self,
        server: &ServerName,
        room: Arc<Room>,
        join: Pdu,
        answer: JoinAnswer,
        progress: &mut Progress,
    ) -> Result<()> {
        self.take_back_index(&room).await?;
        let (state, auth_chain) = (answer.state.len(), answer.auth_chain.len());
        tracing::info!(%server, room = %room.id, state, auth_chain, "coming in to a room: checking what it is told to be");
        let Checked { new, state } = self.check_told(&room, &join, answer, progress).await?;
        tracing::info!(room = %room.id, state = state.len(), new = new.len(), "coming in to a room: storing it");
        progress.has_state(state.len());
        self.store_told(&room, new, progress).await?;
        let entry = |((event_type, state_key), pdu): (&(String, String), &Arc<Pdu>)| Entry {
            event_type: event_type.clone(),
            state_key: state_key.clone(),
            event_id: pdu.event_id().to_owned(),
        };
        let before = self.keep_state(None, state.iter().map(entry).collect()).await?;
        let after = self.state_after(before, &join).await?;
        let told: Told = state.into_values().map(|pdu| (pdu.event_id().to_owned(), pdu)).collect();
        let is_new = !self.inner.scope.has(&ROOMS, (room.id.as_ref(),))?;
        let missing = self.unplaced(&room, &join)?;
        let guard = room.lock().await;
        let mut unit = Unit::new(&self.inner, room, guard);
        let changes = self.inner.trees.difference(unit.head.state, before)?;
        let of = changes.len();
        let find = |id: &EventId| Ok(told.get(id).cloned());
        self.index_ahead(&unit.room, before, &changes, find, |done| progress.tell("indexed", done, of)).await?;
        if is_new {
            unit.found_here();
        }
        unit.begin_with(before, changes, told)?;
        unit.receive(Arrival {
            state_before: before,
            state_after: after,
            verdict: Verdict::Accepted,
            extremities: vec![join.event_id().to_owned()],
            room_state: after,
            missing,
            relayed_from: None,
            pdu: join,
        })?;
        unit.commit().await
    }

    async fn store_told(&self, room: &Room, new: Vec<Arc<Pdu>>, progress: &mut Progress) -> Result<()> {
        let mut stored = 0;
        for some in new.chunks(AT_ONCE) {
            self.put_outliers(room, some).await?;
            stored += some.len();
            progress.stored(some.len());
            progress.tell("stored", stored, new.len());
        }
        Ok(())
    }

    /// The events among these that verify.
    async fn verified_told(&self, room: &Room, pdus: Vec<String>, progress: &mut Progress) -> Vec<Pdu> {
        let of = pdus.len();
        let (mut pdus, mut verified) = (pdus.into_iter(), Vec::with_capacity(of));
        loop {
            let some: Vec<String> = pdus.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return verified;
            }
            verified.extend(self.verified(&room.id, room.version, some).await);
            progress.tell("verified", of - pdus.len(), of);
        }
    }

    /// Verifies and judges all that was told. Events that do not verify are left out, and so are those that rest on them; the
    /// join must not rest on any of those.
    async fn check_told(
        &self,
        room: &Arc<Room>,
        join: &Pdu,
        answer: JoinAnswer,
        progress: &mut Progress,
    ) -> Result<Checked> {
        let JoinAnswer { state, mut auth_chain, .. } = answer;
        if state.len().max(auth_chain.len()) > STATE_EVENTS_MAX {
            return Err(Error::TooLarge("The state of the room is too large".to_owned()));
        }
        let listed: HashSet<&str> = state.iter().map(String::as_str).collect();
        auth_chain.retain(|event| !listed.contains(event.as_str()));
        let state = self.verified_told(room, state, progress).await;
        let ids: Vec<OwnedEventId> = state.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let mut all = self.verified_told(room, auth_chain, progress).await;
        all.extend(state);
        let (this, of) = (self.clone(), room.clone());
        let judged = tokio::task::spawn_blocking(move || this.judge_outliers(&of, all));
        let new = judged.await.map_err(|_| Error::Damaged("judging events panicked".to_owned()))??;
        let by_id: HashMap<&EventId, &Arc<Pdu>> = new.iter().map(|pdu| (pdu.event_id(), pdu)).collect();
        let find = |id: &EventId| match by_id.get(id) {
            Some(pdu) => Ok(Some(Arc::clone(pdu))),
            None => Ok(self.inner.event(room, id)?.map(|event| event.pdu.clone())),
        };
        let mut state = HashMap::new();
        for id in ids {
            let Some(pdu) = find(&id)?.filter(|pdu| !pdu.rejected()) else { continue };
            let Some(key) = pdu.state_entry() else { continue };
            if state.insert(key, pdu).is_some_and(|other| other.event_id() != id) {
                return Err(unfit("it has two events in one place"));
            }
        }
        check_creation(room, &state)?;
        if self.is_rejected_by_citation(room, join, find)? != Some(false) {
            return Err(unfit("what authorizes the join is not in it"));
        }
        let in_state = |kind: &str, key: &str| state.get(&(kind.to_owned(), key.to_owned())).cloned();
        events::authorise(room.version, join, in_state).map_err(|error| unfit(&error.to_string()))?;
        Ok(Checked { new, state })
    }
}

/// The room is of the version by whose rules its events were read (hazard F13).
fn check_creation(room: &Room, state: &HashMap<(String, String), Arc<Pdu>>) -> Result<()> {
    let create = state.get(&("m.room.create".to_owned(), String::new()));
    let create = create.ok_or_else(|| unfit("the room's creation is not in it"))?;
    match RoomVersion::of_create(create) {
        Ok(version) if version == room.version => Ok(()),
        _ => Err(unfit("the room has another version than was said")),
    }
}

fn unfit(why: &str) -> Error {
    Error::Unavailable(format!("The other server's answer cannot be used: {why}"))
}
