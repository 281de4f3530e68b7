//! Resolving the state of a room where its graph forked: off the serving threads, one at a time, remembered.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use events::{Pdu, StateMap};
use kernel::id::{EventId, OwnedEventId};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::{
    Error, Inner, Result, Rooms,
    room::Room,
    state::{Entry, Growth, Root},
};

/// Outcomes kept in memory for each tenant.
const REMEMBERED_MAX: usize = 2_000;
/// Resolutions at once: they are nothing but computing, and others want to be served meanwhile.
const AT_ONCE_MAX: usize = 1;

/// The resolutions of a tenant.
pub(crate) struct Resolutions {
    remembered: Cache<Vec<Root>, Root>,
    turns: Semaphore,
}

impl Default for Resolutions {
    fn default() -> Self {
        Self { remembered: Cache::new(REMEMBERED_MAX), turns: Semaphore::new(AT_ONCE_MAX) }
    }
}

impl Rooms {
    /// The state that these states resolve to; it is on disk when this returns, as they are. `fresh` are events that the
    /// states name and the store does not have yet.
    pub(crate) async fn resolve(&self, room: &Arc<Room>, roots: &[Root], fresh: &[Arc<Pdu>]) -> Result<Root> {
        let mut roots = roots.to_vec();
        roots.sort_unstable();
        roots.dedup();
        if let [root] = *roots {
            return Ok(root);
        }
        let resolutions = &self.inner.resolutions;
        if let Some(root) = resolutions.remembered.get(&roots) {
            return Ok(root);
        }
        let turn = resolutions.turns.acquire().await.map_err(|_| store::Error::Unavailable)?;
        let (inner, room) = (self.inner.clone(), room.clone());
        let fresh: HashMap<OwnedEventId, Arc<Pdu>> =
            fresh.iter().map(|pdu| (pdu.event_id().to_owned(), pdu.clone())).collect();
        let key = roots.clone();
        let resolved = tokio::task::spawn_blocking(move || resolve_now(&inner, &room, &roots, fresh));
        let entries = resolved.await.map_err(|_| Error::Damaged("a state resolution panicked".to_owned()))??;
        drop(turn);
        let root = self.keep_state(key.first().copied(), entries).await?;
        resolutions.remembered.insert(key, root);
        Ok(root)
    }

    /// Writes a state and returns its root. `base`, a state that has much in common with it, saves work.
    pub(crate) async fn keep_state(&self, base: Option<Root>, entries: Vec<Entry>) -> Result<Root> {
        let (root, batches) = {
            let mut growth = Growth::new(&self.inner.trees);
            let root = match base {
                Some(base) => self.grow_from(&mut growth, base, entries)?,
                None => growth.build(entries)?,
            };
            (root, growth.write_apart(root, || self.inner.scope.batch()))
        };
        for batch in batches {
            self.inner.scope.commit(batch).await?;
        }
        Ok(root)
    }

    fn grow_from(&self, growth: &mut Growth<'_>, base: Root, entries: Vec<Entry>) -> Result<Root> {
        let known = self.inner.trees.all(base)?;
        let known: HashMap<(&str, &str), &EventId> =
            known.iter().map(|e| ((e.event_type.as_str(), e.state_key.as_str()), e.event_id.as_ref())).collect();
        let kept =
            entries.iter().filter(|e| known.contains_key(&(e.event_type.as_str(), e.state_key.as_str()))).count();
        if kept < known.len() {
            // A tree only grows: what has lost a piece is built anew.
            return growth.build(entries);
        }
        let differs =
            |e: &Entry| known.get(&(e.event_type.as_str(), e.state_key.as_str())) != Some(&e.event_id.as_ref());
        let changed: Vec<Entry> = entries.iter().filter(|entry| differs(entry)).cloned().collect();
        changed.into_iter().try_fold(base, |root, e| growth.insert(root, &e.event_type, &e.state_key, &e.event_id))
    }

    /// The state after the event on its own branch; on disk when this returns.
    pub(crate) async fn state_after(&self, before: Root, pdu: &Pdu) -> Result<Root> {
        let Some(state_key) = pdu.state_key() else { return Ok(before) };
        let (root, batch) = {
            let mut growth = Growth::new(&self.inner.trees);
            let root = growth.insert(before, pdu.kind(), state_key, pdu.event_id())?;
            let mut batch = self.inner.scope.batch();
            growth.write(root, &mut batch);
            (root, batch)
        };
        self.inner.scope.commit(batch).await?;
        Ok(root)
    }
}

fn resolve_now(
    inner: &Inner,
    room: &Room,
    roots: &[Root],
    fresh: HashMap<OwnedEventId, Arc<Pdu>>,
) -> Result<Vec<Entry>> {
    let failure = RefCell::new(None);
    let read = RefCell::new(fresh);
    let fetch = |id: &EventId| -> Option<Arc<Pdu>> {
        if let Some(pdu) = read.borrow().get(id) {
            return Some(pdu.clone());
        }
        match inner.event(room, id) {
            Ok(event) => {
                let pdu = event?.pdu.clone();
                read.borrow_mut().insert(id.to_owned(), pdu.clone());
                Some(pdu)
            }
            Err(error) => {
                failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    };
    let states: Vec<StateMap> = roots.iter().map(|root| state_map(inner, *root)).collect::<Result<_>>()?;
    let chains = auth_chains(&states, fetch);
    let resolved = events::resolve(room.version, &states, chains, fetch);
    // What could not be read is not the same as what is not there.
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let entry = |((event_type, state_key), event_id)| Entry { event_type, state_key, event_id };
    Ok(resolved?.into_iter().map(entry).collect())
}

fn state_map(inner: &Inner, root: Root) -> Result<StateMap> {
    let entries = inner.trees.all(root)?;
    Ok(entries.into_iter().map(|entry| ((entry.event_type, entry.state_key), entry.event_id)).collect())
}

/// The auth chains of the states, without what is in all of them: only where they differ matters, and what the common state
/// rests on is common.
fn auth_chains(states: &[StateMap], fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>) -> Vec<HashSet<OwnedEventId>> {
    let Some((first, others)) = states.split_first() else { return Vec::new() };
    let common: HashSet<&OwnedEventId> = first
        .iter()
        .filter(|(key, id)| others.iter().all(|other| other.get(*key) == Some(*id)))
        .map(|(_, id)| id)
        .collect();
    let shared = events::auth_chain(common.iter().map(|id| id.as_ref()), &fetch);
    let own = |state: &StateMap| -> HashSet<OwnedEventId> {
        let differing = state.values().filter(|id| !common.contains(id)).map(AsRef::as_ref);
        let mut chain = events::auth_chain(differing, &fetch);
        chain.retain(|id| !shared.contains(id));
        chain
    };
    states.iter().map(own).collect()
}
