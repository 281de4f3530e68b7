//! A bounded table of things that expire: codes, sessions, tokens.

use std::{collections::BTreeMap, time::Duration};

use kernel::Timestamp;

/// More than any test or demonstration holds at once.
const ENTRIES_MAX: usize = 10_000;

pub(super) struct Expiring<T> {
    lifetime: Duration,
    entries: BTreeMap<String, (Timestamp, T)>,
}

impl<T> Expiring<T> {
    pub(super) fn after(lifetime: Duration) -> Self {
        Self { lifetime, entries: BTreeMap::new() }
    }

    /// When the table is full, what has expired leaves first, and if nothing has, what expires next.
    pub(super) fn insert(&mut self, key: String, value: T, now: Timestamp) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|_, (expires, _)| *expires > now);
        }
        if self.entries.len() >= ENTRIES_MAX
            && let Some(next) = self.entries.iter().min_by_key(|(_, (expires, _))| *expires).map(|(key, _)| key.clone())
        {
            self.entries.remove(&next);
        }
        self.entries.insert(key, (now.plus(self.lifetime), value));
    }

    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<&T> {
        self.entries.get(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &str, now: Timestamp) -> Option<&mut T> {
        self.entries.get_mut(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, key: &str, now: Timestamp) -> Option<T> {
        self.entries.remove(key).filter(|(expires, _)| *expires > now).map(|(_, value)| value)
    }

    pub(super) fn remove_where(&mut self, doomed: impl Fn(&T) -> bool) {
        self.entries.retain(|_, (_, value)| !doomed(value));
    }
}
