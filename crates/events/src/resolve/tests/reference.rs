//! Hazard S1: state resolution against a second implementation, on histories made at random.
//!
//! The second one is written from the text of the specification ("State resolution" of room versions 2 and 12), naively and
//! apart from ruma's: sets of ids, walks without memory, sorting by picking the smallest. It shares the authorisation rules,
//! which `authorise/tests.rs` tries one by one.

use std::{cmp::Reverse, collections::BTreeSet};

use kernel::{Random, random::SeededRandom};

use super::*;
use crate::{Power, PowerLevels, auth_types_of, authorise, content::Membership};

type Ids = BTreeSet<OwnedEventId>;

struct Reference<'a> {
    version: RoomVersion,
    events: &'a HashMap<OwnedEventId, Arc<Pdu>>,
}

impl Reference<'_> {
    fn resolve(&self, states: &[StateMap]) -> StateMap {
        let unconflicted = agreed(states);
        let entries = states.iter().flatten().filter(|(key, _)| !unconflicted.contains_key(*key));
        let conflicted: Ids = entries.map(|(_, id)| id.clone()).collect();
        if conflicted.is_empty() {
            return unconflicted;
        }
        let mut full: Ids = conflicted.union(&self.auth_difference(states)).cloned().collect();
        if self.version == RoomVersion::V12 {
            full.extend(self.subgraph(&conflicted));
        }
        // X: the power events, and what of their auth chains is in dispute.
        let power_events: Ids = full.iter().filter(|id| self.is_power_event(id)).cloned().collect();
        let first = self.reached_within(&full, power_events);
        let start = if self.version == RoomVersion::V12 { StateMap::new() } else { unconflicted.clone() };
        let partial = self.check_in_turn(self.power_ordering(&first), start);
        let others: Ids = full.difference(&first).cloned().collect();
        let mut resolved = self.check_in_turn(self.mainline_ordering(&others, &partial), partial.clone());
        resolved.extend(unconflicted);
        resolved
    }

    fn event(&self, id: &EventId) -> &Pdu {
        &self.events[id]
    }

    fn chain(&self, id: &EventId) -> Ids {
        let mut chain = Ids::new();
        let mut waiting = self.event(id).auth_events().to_vec();
        while let Some(id) = waiting.pop() {
            waiting.extend(self.event(&id).auth_events().iter().filter(|id| !chain.contains(*id)).cloned());
            chain.insert(id);
        }
        chain
    }

    fn auth_difference(&self, states: &[StateMap]) -> Ids {
        let chains = states.iter().map(|state| state.values().flat_map(|id| self.chain(id)).collect::<Ids>());
        let chains: Vec<Ids> = chains.collect();
        chains.iter().flatten().filter(|id| chains.iter().any(|chain| !chain.contains(*id))).cloned().collect()
    }

    /// What lies on a path between two conflicted events: it has one in its chain and is in the chain of another.
    fn subgraph(&self, conflicted: &Ids) -> Ids {
        let below: Ids = conflicted.iter().flat_map(|id| self.chain(id)).collect();
        below.into_iter().filter(|id| !self.chain(id).is_disjoint(conflicted)).collect()
    }

    fn is_power_event(&self, id: &EventId) -> bool {
        let event = self.event(id);
        match event.kind() {
            "m.room.power_levels" | "m.room.join_rules" => event.state_key() == Some(""),
            "m.room.member" => {
                let removes = matches!(event.membership(), Some(Membership::Leave | Membership::Ban));
                removes && event.state_key() != Some(event.sender().as_str())
            }
            _ => false,
        }
    }

    /// The events and those that they reach by `auth_events` without leaving the set, as Synapse walks it.
    fn reached_within(&self, set: &Ids, from: Ids) -> Ids {
        let mut reached = from;
        loop {
            let cited = reached.iter().flat_map(|id| self.event(id).auth_events()).filter(|id| set.contains(*id));
            let more: Ids = cited.filter(|id| !reached.contains(*id)).cloned().collect();
            if more.is_empty() {
                return reached;
            }
            reached.extend(more);
        }
    }

    /// Kahn's algorithm, at each step taking of the events whose own auth events are out the one whose sender has the most
    /// power, then the oldest, then the one of the smallest id.
    fn power_ordering(&self, events: &Ids) -> Vec<OwnedEventId> {
        let mut left = events.clone();
        let mut order = Vec::new();
        while !left.is_empty() {
            let ready = left.iter().filter(|id| self.event(id).auth_events().iter().all(|cited| !left.contains(cited)));
            let next = ready.min_by_key(|id| (Reverse(self.sender_power(id)), self.event(id).origin_server_ts(), *id));
            let next = next.unwrap().clone();
            left.remove(&next);
            order.push(next);
        }
        order
    }

    fn sender_power(&self, id: &EventId) -> Power {
        let event = self.event(id);
        let cited = |kind: &str| event.auth_events().iter().map(|id| self.event(id)).find(|event| event.kind() == kind);
        let create = if self.version == RoomVersion::V12 { Some(self.create()) } else { cited("m.room.create") };
        let levels = cited("m.room.power_levels");
        create.map_or(Power::Finite(0), |create| PowerLevels::read(self.version, create, levels).of(event.sender()))
    }

    fn create(&self) -> &Pdu {
        self.events.values().find(|event| event.kind() == "m.room.create").unwrap()
    }

    fn cited_power_levels(&self, id: &EventId) -> Option<OwnedEventId> {
        self.event(id).auth_events().iter().find(|id| self.event(id).is("m.room.power_levels", "")).cloned()
    }

    /// Older power levels first, then older events, then by id. What is based on none of the mainline is first of all.
    fn mainline_ordering(&self, events: &Ids, state: &StateMap) -> Vec<OwnedEventId> {
        let follow = |first: Option<OwnedEventId>| {
            std::iter::successors(first, |id| self.cited_power_levels(id)).collect::<Vec<_>>()
        };
        let mainline = follow(id_of(state, "m.room.power_levels", ""));
        let position = |id: &OwnedEventId| {
            let closest =
                follow(Some(id.clone())).into_iter().find_map(|id| mainline.iter().position(|main| *main == id));
            closest.unwrap_or(usize::MAX)
        };
        let mut order: Vec<OwnedEventId> = events.iter().cloned().collect();
        order.sort_by_key(|id| (Reverse(position(id)), self.event(id).origin_server_ts(), id.clone()));
        order
    }

    /// The iterative auth checks.
    fn check_in_turn(&self, order: Vec<OwnedEventId>, mut state: StateMap) -> StateMap {
        for id in order {
            let event = self.event(&id);
            let Ok(needed) = auth_types_of(self.version, event) else { continue };
            let allowed = authorise(self.version, event, |kind, key| {
                if self.version == RoomVersion::V12 && kind == "m.room.create" {
                    return self.events.values().find(|event| event.kind() == kind).cloned();
                }
                let key = (kind.to_owned(), key.to_owned());
                let current = state.get(&key).filter(|_| needed.contains(&key));
                let cited = event.auth_events().iter().find(|id| self.event(id).state_entry().as_ref() == Some(&key));
                current.or(cited).map(|id| Arc::clone(&self.events[id]))
            });
            if allowed.is_ok() {
                state.insert(event.state_entry().unwrap(), id);
            }
        }
        state
    }
}

/// A room whose history forks and joins again at random, and the branches that are open in the end.
struct History {
    random: SeededRandom,
    branches: Vec<Room>,
    events: HashMap<OwnedEventId, Arc<Pdu>>,
}

impl History {
    const BRANCHES_MAX: usize = 4;

    fn new(version: RoomVersion, seed: u64) -> Self {
        let room = Room::busy(version);
        Self { random: SeededRandom::new(seed), events: room.events.clone(), branches: vec![room] }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.random.fill(&mut byte);
        byte[0]
    }

    fn step(&mut self) {
        let chosen = self.below(self.branches.len());
        match self.below(10) {
            0 | 1 if self.branches.len() < Self::BRANCHES_MAX => {
                let mut fork = self.branches[chosen].clone();
                // Clocks differ, some are the same.
                fork.now += u64::from(self.byte() % 3) * 500;
                self.branches.push(fork);
            }
            2 if self.branches.len() > 2 => {
                let merged = self.branches.swap_remove(chosen);
                let other = self.below(self.branches.len());
                let into = &mut self.branches[other];
                into.state = merge(&[&merged, into]).unwrap();
                into.events.extend(merged.events);
                into.now = into.now.max(merged.now);
            }
            3 => self.reset(chosen),
            _ => {
                let (action, who, whom) = (self.byte(), self.byte(), self.byte());
                // Every other one gives power to somebody, if they may.
                let action = if self.below(2) == 0 { action / 20 * 10 + 7 } else { action };
                let branch = &mut self.branches[chosen];
                act(branch, action, who, whom);
                self.events.extend(branch.events.clone());
            }
        }
    }

    /// A branch goes on with an older state of something, as after a state that a hostile server sent, or a merge gone wrong.
    fn reset(&mut self, branch: usize) {
        let mut ids: Vec<_> = self.events.keys().cloned().collect();
        ids.sort();
        if self.below(2) == 0 {
            // Power matters most.
            ids.retain(|id| self.events[id].kind() == "m.room.power_levels");
        }
        let id = ids.swap_remove(self.below(ids.len()));
        if let Some(key) = self.events[&id].state_entry().filter(|key| key.0 != "m.room.create") {
            let branch = &mut self.branches[branch];
            branch.state.insert(key, id);
            branch.events.extend(self.events.clone());
        }
    }
}

/// Compares on `count` histories of each version that resolves by the second algorithm.
fn compare(count: u64) {
    for version in [2, 6, 10, 11, 12].map(version) {
        let mut disputed = 0;
        for seed in 0..count {
            let mut history = History::new(version, seed);
            for _ in 0..30 {
                history.step();
            }
            let states: Vec<StateMap> = history.branches.iter().map(|room| room.state.clone()).collect();
            let expected = Reference { version, events: &history.events }.resolve(&states);
            let resolved = merge(&history.branches.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(resolved, expected, "version {version}, seed {seed}");
            disputed += u64::from(agreed(&states) != expected);
        }
        assert!(disputed * 2 > count, "too few of the histories have anything to resolve");
    }
}

#[test]
fn a_second_implementation_comes_to_the_same_state() {
    compare(15);
}

/// The ten thousand of hazard S1, for each version. Some things come up in one history of a few hundred only. Run it after
/// any change to state resolution: `cargo test -p events --release -- --ignored ten_thousand`.
#[test]
#[ignore = "takes long: for changes of state resolution and of ruma-state-res"]
fn a_second_implementation_comes_to_the_same_state_ten_thousand_times() {
    compare(10_000);
}
