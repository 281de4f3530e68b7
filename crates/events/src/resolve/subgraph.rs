//! The conflicted state subgraph of room version 12: the events that lie on a path between two conflicted ones, along
//! `auth_events` (MSC4297).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kernel::id::{EventId, OwnedEventId};

use crate::Pdu;

/// The conflicted events and all that lie between two of them.
pub(super) fn between<'a>(
    conflicted: impl Iterator<Item = &'a OwnedEventId>,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> HashSet<OwnedEventId> {
    let conflicted: HashSet<&OwnedEventId> = conflicted.collect();
    // Downwards from the conflicted events: whatever is met is above none or some of them.
    let mut cited_by: HashMap<OwnedEventId, Vec<OwnedEventId>> = HashMap::new();
    let mut met: HashSet<OwnedEventId> = conflicted.iter().map(|id| (*id).clone()).collect();
    let mut waiting: Vec<OwnedEventId> = met.iter().cloned().collect();
    while let Some(id) = waiting.pop() {
        for cited in fetch(&id).iter().flat_map(|event| event.auth_events()) {
            cited_by.entry(cited.clone()).or_default().push(id.clone());
            if met.insert(cited.clone()) {
                waiting.push(cited.clone());
            }
        }
    }
    // Upwards again, from the conflicted events, over those edges only: what is met both ways lies between.
    let mut lies_between: HashSet<OwnedEventId> = conflicted.iter().map(|id| (*id).clone()).collect();
    let mut waiting: Vec<OwnedEventId> = lies_between.iter().cloned().collect();
    while let Some(id) = waiting.pop() {
        for citing in cited_by.get(&id).into_iter().flatten() {
            if lies_between.insert(citing.clone()) {
                waiting.push(citing.clone());
            }
        }
    }
    lies_between
}
