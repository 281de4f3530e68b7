//! Memory for what is half done: bounded in number and in time, keyed by the hash of a secret that a browser holds.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use kernel::Timestamp;
use sha2::{Digest, Sha256};

pub(crate) type Hash = [u8; 32];

pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// At most `max` values, each for `lifetime`; the oldest goes first. Secrets are kept as hashes only, so that neither a
/// look at the memory nor the time of a comparison gives one away.
pub(crate) struct Expiring<V> {
    max: usize,
    lifetime: Duration,
    values: HashMap<Hash, (Timestamp, V)>,
    /// In order of insertion; may name values that are gone or were put again.
    order: VecDeque<(Timestamp, Hash)>,
}

impl<V> Expiring<V> {
    pub(crate) fn new(max: usize, lifetime: Duration) -> Self {
        Self { max, lifetime, values: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn insert(&mut self, secret: &str, value: V, now: Timestamp) {
        self.make_room(now);
        let key = hash(secret);
        self.values.insert(key, (now, value));
        self.order.push_back((now, key));
    }

    pub(crate) fn get(&self, secret: &str, now: Timestamp) -> Option<&V> {
        self.values.get(&hash(secret)).filter(|(since, _)| self.lives(*since, now)).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, secret: &str, now: Timestamp) -> Option<V> {
        let (since, value) = self.values.remove(&hash(secret))?;
        self.lives(since, now).then_some(value)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.values.retain(|_, (_, value)| keep(value));
    }

    fn lives(&self, since: Timestamp, now: Timestamp) -> bool {
        now.since(since) < self.lifetime
    }

    fn make_room(&mut self, now: Timestamp) {
        while let Some((since, key)) = self.order.front().copied() {
            let is_gone = self.values.get(&key).is_none_or(|(current, _)| *current != since);
            if !is_gone && self.lives(since, now) && self.values.len() < self.max {
                break;
            }
            self.order.pop_front();
            if !is_gone {
                self.values.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn values_expire_and_are_bounded() {
        let start = Timestamp(1_000_000);
        let mut values = Expiring::new(3, MINUTE);
        for name in ["a", "b", "c", "d"] {
            values.insert(name, name, start);
        }
        assert_eq!(values.get("a", start), None);
        assert_eq!(values.get("d", start), Some(&"d"));
        assert_eq!(values.remove("b", start), Some("b"));
        assert_eq!(values.remove("b", start), None);
        let late = start.plus(MINUTE);
        assert_eq!(values.get("c", late), None);
        values.insert("e", "e", late);
        assert_eq!((values.values.len(), values.order.len()), (1, 1));
    }
}
