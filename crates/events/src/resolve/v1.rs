//! The first state resolution algorithm, of room version 1 only (spec, "Room Version 1", "State resolution").

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::id::{EventId, OwnedEventId};
use sha1::{Digest, Sha1};

use super::StateMap;
use crate::{Pdu, RoomVersion, StateKey, authorise};

/// The events that contend for each entry, ordered by the depth they claim, the shallowest first, and where that is equal
/// by the SHA-1 of their ids, greatest first.
type Contenders = BTreeMap<StateKey, Vec<Arc<Pdu>>>;

pub(super) fn resolve(
    version: RoomVersion,
    states: &[StateMap],
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> StateMap {
    let (mut resolved, conflicts) = split(states, &fetch);
    for kind in ["m.room.power_levels", "m.room.join_rules", "m.room.member"] {
        // Entries of one type do not see each other's outcome, or the order among them would matter.
        let base = resolved.clone();
        for (key, contenders) in conflicts.iter().filter(|(key, _)| key.0 == kind) {
            if let Some(winner) = last_allowed(version, contenders, key, &base, &fetch) {
                resolved.insert(key.clone(), winner);
            }
        }
    }
    let base = resolved.clone();
    for (key, contenders) in &conflicts {
        if !resolved.contains_key(key)
            && let Some(winner) = deepest_allowed(version, contenders, &base, &fetch)
        {
            resolved.insert(key.clone(), winner);
        }
    }
    resolved
}

/// What the states agree on, and what they do not. An entry that some lack is no conflict among the others.
fn split(states: &[StateMap], fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>) -> (StateMap, Contenders) {
    let mut claims: BTreeMap<&StateKey, BTreeSet<&OwnedEventId>> = BTreeMap::new();
    for (key, id) in states.iter().flatten() {
        claims.entry(key).or_default().insert(id);
    }
    let everywhere = |key: &StateKey| states.iter().all(|state| state.contains_key(key));
    let mut agreed = StateMap::new();
    let mut conflicts = Contenders::new();
    for (key, ids) in claims {
        if let (1, Some(id)) = (ids.len(), ids.first()) {
            // What all have is not even looked at; what only some have may be no state at all.
            if everywhere(key) || fetch(id).is_some() {
                agreed.insert(key.clone(), (*id).clone());
            }
            continue;
        }
        let mut contenders: Vec<_> = ids.into_iter().filter_map(|id| fetch(id)).collect();
        contenders.sort_by_cached_key(|event| {
            (event.depth(), Reverse(<[u8; 20]>::from(Sha1::digest(event.event_id().as_bytes()))))
        });
        conflicts.insert(key.clone(), contenders);
    }
    (agreed, conflicts)
}

/// For power levels, join rules and members: from the shallowest on, each is allowed by the one before or ends the row.
fn last_allowed(
    version: RoomVersion,
    contenders: &[Arc<Pdu>],
    key: &StateKey,
    base: &StateMap,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Option<OwnedEventId> {
    let (first, others) = contenders.split_first()?;
    let mut winner = first;
    for event in others {
        let allowed = authorise(version, event, |kind, state_key| {
            if (kind, state_key) == (key.0.as_str(), key.1.as_str()) {
                return Some(Arc::clone(winner));
            }
            state_event(base, kind, state_key, &fetch)
        });
        if allowed.is_err() {
            break;
        }
        winner = event;
    }
    Some(winner.event_id().to_owned())
}

/// For all other types: the deepest that is allowed. If none is, the shallowest, as Synapse has it; the specification is
/// silent, and rooms of this version live on Synapse.
fn deepest_allowed(
    version: RoomVersion,
    contenders: &[Arc<Pdu>],
    base: &StateMap,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Option<OwnedEventId> {
    let allowed = |event: &&Arc<Pdu>| {
        authorise(version, event, |kind, state_key| state_event(base, kind, state_key, &fetch)).is_ok()
    };
    contenders.iter().rev().find(allowed).or(contenders.first()).map(|event| event.event_id().to_owned())
}

fn state_event(
    state: &StateMap,
    kind: &str,
    state_key: &str,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Option<Arc<Pdu>> {
    state.get(&(kind.to_owned(), state_key.to_owned())).and_then(|id| fetch(id))
}
