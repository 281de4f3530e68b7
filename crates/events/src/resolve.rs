//! State resolution: which state a room has where its history forked (spec, "State resolution" of room versions 1, 2 and
//! 12), over all branches at once, so that the order in which they are given cannot matter.

mod subgraph;
mod v1;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kernel::id::{EventId, OwnedEventId};
use ruma_common::room_version_rules::StateResolutionV2Rules;
use ruma_events::StateEventType;

use crate::{Error, Pdu, Result, RoomVersion, StateKey};

/// A room's state: the event under each type and state key.
pub type StateMap = HashMap<StateKey, OwnedEventId>;

/// The state that several states of one room resolve to.
///
/// `auth_chains` are those of the states, in any order, each with all events that the state's events cite as `auth_events`,
/// directly or not; version 1 does not look at them. `fetch` finds the room's events; one that it does not find counts
/// for nothing, nor does one that was rejected, whatever state has it.
///
/// # Errors
/// [`Error::Resolution`] when an event that cannot be missed is not found.
pub fn resolve(
    version: RoomVersion,
    states: &[StateMap],
    auth_chains: Vec<HashSet<OwnedEventId>>,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<StateMap> {
    // The algorithms ask of an event only whether it is allowed by what is resolved so far: one that was rejected for what it
    // cites could come back so.
    let fetch = |id: &EventId| fetch(id).filter(|event| !event.rejected());
    match version.rules().state_res.v2_rules() {
        Some(rules) => resolve_v2(version, rules, states, auth_chains, fetch),
        None => Ok(v1::resolve(version, states, fetch)),
    }
}

/// The events that the given ones cite as `auth_events`, directly or not, without themselves unless cited.
pub fn auth_chain<'a>(
    events: impl IntoIterator<Item = &'a EventId>,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> HashSet<OwnedEventId> {
    let mut chain = HashSet::new();
    let mut waiting: Vec<OwnedEventId> = events.into_iter().map(ToOwned::to_owned).collect();
    while let Some(id) = waiting.pop() {
        for cited in fetch(&id).iter().flat_map(|event| event.auth_events()) {
            if chain.insert(cited.clone()) {
                waiting.push(cited.clone());
            }
        }
    }
    chain
}

fn resolve_v2(
    version: RoomVersion,
    rules: &StateResolutionV2Rules,
    states: &[StateMap],
    auth_chains: Vec<HashSet<OwnedEventId>>,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<StateMap> {
    let mut resolved = agreed(states);
    let states: Vec<ruma_state_res::StateMap<OwnedEventId>> = states
        .iter()
        .map(|state| {
            // What all agree on and no rule looks at needs no resolving: in a large room that is nearly everything.
            let matters = state.iter().filter(|(key, _)| is_auth_type(&key.0) || !resolved.contains_key(*key));
            matters
                .map(|((kind, state_key), id)| ((StateEventType::from(kind.as_str()), state_key.clone()), id.clone()))
                .collect()
        })
        .collect();
    let chains = auth_chains.into_iter().map(|chain| chain.into_iter().collect()).collect();
    let answer =
        ruma_state_res::resolve(&version.rules().authorization, rules, &states, chains, &fetch, |conflicted| {
            Some(subgraph::between(conflicted.values().flatten(), &fetch).into_iter().collect())
        })
        .map_err(|error| Error::Resolution(error.to_string()))?;
    resolved.extend(answer.into_iter().map(|((kind, state_key), id)| ((kind.to_string(), state_key), id)));
    Ok(resolved)
}

/// The entries that every state has alike.
fn agreed(states: &[StateMap]) -> StateMap {
    let Some((first, others)) = states.split_first() else { return StateMap::new() };
    first
        .iter()
        .filter(|(key, id)| others.iter().all(|other| other.get(*key) == Some(*id)))
        .map(|(key, id)| (key.clone(), id.clone()))
        .collect()
}

/// The types of state that authorisation rules look at.
fn is_auth_type(kind: &str) -> bool {
    matches!(
        kind,
        "m.room.create" | "m.room.member" | "m.room.power_levels" | "m.room.join_rules" | "m.room.third_party_invite"
    )
}

#[cfg(test)]
mod tests;
