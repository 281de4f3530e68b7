//! What a server's answer to a request for history comes to: which of its events lead back from those that are missing, what
//! the room's state was at each, and whether the rules let it in.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::Pdu;
use kernel::{
    Position,
    id::{EventId, OwnedEventId, ServerName},
};

use crate::{
    Error, Result, Rooms, Verdict,
    accept::{Past, Unit},
    receive::by_citation,
    room::Room,
    state::Root,
    tables::GapRow,
};

/// Ends of the answer at which the other server is asked for the state.
const ENDS_MAX: usize = 20;
/// Events whose authorization is asked for by itself, after the states were told.
const UNAUTHORIZED_MAX: usize = 10;
/// Events that a gap names as missing.
const MISSING_MAX: usize = 500;

/// The events of an answer that lead back from those that are missing, oldest first.
struct Trail {
    events: Vec<Pdu>,
    /// Those that do not verify, as when their server is gone and its keys cannot be had. They are not kept, but what came
    /// before them is known by them: whatever cites an event vouches for all that it says.
    unverified: HashSet<OwnedEventId>,
}

impl Rooms {
    /// What can be kept of the answer, newest first, and what is missing before it. `None` if it holds nothing that helps.
    pub(super) async fn read_history(
        &self,
        server: &ServerName,
        room: &Arc<Room>,
        told: Vec<String>,
        sought: &[OwnedEventId],
    ) -> Result<Option<(Vec<Past>, Vec<OwnedEventId>)>> {
        let trail = self.trail(room, told, sought).await?;
        let ends = self.states_at_ends(server, room, &trail).await?;
        self.keep_trail(server, room, &trail).await?;
        let mut past: HashMap<OwnedEventId, Past> = HashMap::new();
        for pdu in &trail.events {
            let before = match ends.get(pdu.event_id()) {
                Some(state) => *state,
                None => match self.states_before(room, pdu, |id| past.get(id).map(|past| past.state_after))? {
                    Some(roots) => self.resolve(room, &roots, &[]).await?,
                    None => continue,
                },
            };
            let kept = !trail.unverified.contains(pdu.event_id()) && self.inner.event(room, pdu.event_id())?.is_some();
            let verdict = if kept { Some(self.judge(room, pdu, before, None)?) } else { None };
            let after = match verdict {
                Some(Verdict::Accepted) => self.state_after(before, pdu).await?,
                _ => before,
            };
            let one = Past { pdu: pdu.clone(), verdict, state_before: before, state_after: after };
            past.insert(pdu.event_id().to_owned(), one);
        }
        self.connected(room, &trail, past, sought)
    }

    /// Writes what was found, unless the gap is not what it was.
    pub(super) async fn insert(
        &self,
        room: &Arc<Room>,
        gap: Position,
        row: &GapRow,
        past: Vec<Past>,
        missing: Vec<OwnedEventId>,
    ) -> Result<()> {
        let guard = room.lock().await;
        let mut unit = Unit::new(&self.inner, room.clone(), guard);
        unit.insert_past(gap, row, past, missing)?;
        match unit.commit().await {
            // Another reader was here first.
            Err(Error::Store(store::Error::Conflict)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn trail(&self, room: &Arc<Room>, told: Vec<String>, sought: &[OwnedEventId]) -> Result<Trail> {
        let mut unverified = HashSet::new();
        let mut by_id = HashMap::new();
        let outcomes = self.verify(&room.id, room.version, told.clone()).await;
        for (json, outcome) in told.iter().zip(outcomes) {
            let pdu = match outcome {
                Ok(pdu) => pdu,
                Err((event, error)) => {
                    tracing::info!(room = %room.id, ?event, %error, "an event of the past does not verify");
                    let Ok(pdu) = Pdu::parse(json, room.version) else { continue };
                    unverified.insert(pdu.event_id().to_owned());
                    pdu
                }
            };
            by_id.insert(pdu.event_id().to_owned(), pdu);
        }
        let mut events = Vec::new();
        let mut waiting = sought.to_vec();
        while let Some(id) = waiting.pop() {
            let Some(pdu) = by_id.remove(&id) else { continue };
            if pdu.room_id() == room.id && !self.has_place(room, &id)? {
                waiting.extend(pdu.prev_events().iter().cloned());
                events.push(pdu);
            }
        }
        events.sort_by_key(|pdu| (pdu.depth(), pdu.origin_server_ts()));
        Ok(Trail { events: by_citation(events, Pdu::prev_events), unverified })
    }

    /// The state before those events of the trail that follow something that is neither here nor in it, as the server says.
    async fn states_at_ends(
        &self,
        server: &ServerName,
        room: &Arc<Room>,
        trail: &Trail,
    ) -> Result<HashMap<OwnedEventId, Root>> {
        let within: HashSet<&EventId> = trail.events.iter().map(|pdu| pdu.event_id()).collect();
        let mut ends = HashMap::new();
        let mut asked = 0;
        for pdu in &trail.events {
            let known = |id: &EventId| within.contains(id).then_some(Root::EMPTY);
            if asked >= ENDS_MAX || self.states_before(room, pdu, known)?.is_some() {
                continue;
            }
            asked += 1;
            match self.told_root(server, room, pdu.event_id()).await {
                Ok(state) => drop(ends.insert(pdu.event_id().to_owned(), state)),
                Err(error @ (Error::Store(_) | Error::Damaged(_))) => return Err(error),
                Err(error) => {
                    tracing::info!(%server, room = %room.id, %error, "the state in the past cannot be had");
                }
            }
        }
        Ok(ends)
    }

    /// The states after the events just before this one, if all are known.
    fn states_before(
        &self,
        room: &Room,
        pdu: &Pdu,
        within: impl Fn(&EventId) -> Option<Root>,
    ) -> Result<Option<Vec<Root>>> {
        if pdu.prev_events().is_empty() {
            return Ok(pdu.is("m.room.create", "").then(|| vec![Root::EMPTY]));
        }
        let mut roots = Vec::new();
        for id in pdu.prev_events() {
            let here = self.inner.event(room, id)?.filter(|event| !event.verdict.is_outlier());
            match here.map(|event| event.state_after).or_else(|| within(id)) {
                Some(root) => roots.push(root),
                None => return Ok(None),
            }
        }
        Ok(Some(roots))
    }

    /// Keeps the events of the trail whose authorization can be had, until they get their places: states name them.
    async fn keep_trail(&self, server: &ServerName, room: &Arc<Room>, trail: &Trail) -> Result<()> {
        let verified = trail.events.iter().filter(|pdu| !trail.unverified.contains(pdu.event_id()));
        let verified: Vec<Pdu> = verified.cloned().collect();
        self.keep_verified_outliers(room, verified.clone()).await?;
        let ids: Vec<OwnedEventId> = verified.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let left_out: HashSet<OwnedEventId> = self.unknown(room, &ids)?.into_iter().collect();
        let mut left_out: Vec<Pdu> = verified.into_iter().filter(|pdu| left_out.contains(pdu.event_id())).collect();
        left_out.truncate(UNAUTHORIZED_MAX);
        for pdu in &left_out {
            match self.ensure_auth_events(server, room, pdu).await {
                Err(error @ (Error::Store(_) | Error::Damaged(_))) => return Err(error),
                Err(error) => {
                    tracing::info!(%server, event = %pdu.event_id(), %error, "an event of the past is left out")
                }
                Ok(()) => {}
            }
        }
        if left_out.is_empty() { Ok(()) } else { self.keep_verified_outliers(room, left_out).await }
    }

    /// Of the events whose place was found those that lead without a break from what is sought, newest first, and what is
    /// missing before them.
    fn connected(
        &self,
        room: &Room,
        trail: &Trail,
        mut past: HashMap<OwnedEventId, Past>,
        sought: &[OwnedEventId],
    ) -> Result<Option<(Vec<Past>, Vec<OwnedEventId>)>> {
        let (mut reached, mut missing) = (HashSet::new(), Vec::new());
        let mut waiting = sought.to_vec();
        let mut seen = HashSet::new();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            if let Some(past) = past.get(&id) {
                waiting.extend(past.pdu.prev_events().iter().cloned());
                reached.insert(id);
            } else if !self.has_place(room, &id)? && missing.len() < MISSING_MAX {
                missing.push(id);
            }
        }
        let newest_first = trail.events.iter().rev().filter(|pdu| reached.contains(pdu.event_id()));
        let found: Vec<Past> = newest_first.filter_map(|pdu| past.remove(pdu.event_id())).collect();
        Ok((!found.is_empty()).then_some((found, missing)))
    }
}
