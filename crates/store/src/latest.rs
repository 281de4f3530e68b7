//! Finds the last write of a key among those of a group, so that a precondition costs the same however big the group is.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::kv::{Space, Write};

/// The hash of each key written in the group → the index of its last write.
///
/// Hashes stand for the keys, which need not be stored twice; two keys of one hash are told apart when one is looked up.
#[derive(Default)]
pub(crate) struct Latest {
    hasher: RandomState,
    indices: HashMap<u64, usize>,
}

impl Latest {
    /// Notes that `write` is the group's write number `index`.
    pub(crate) fn note(&mut self, write: &Write, index: usize) {
        let (Write::Put { space, key, .. } | Write::Delete { space, key }) = write;
        self.indices.insert(self.hasher.hash_one((space, key.as_slice())), index);
    }

    /// The last of `writes` to this key.
    pub(crate) fn find<'a>(&self, writes: &'a [Write], space: Space, key: &[u8]) -> Option<&'a Write> {
        let index = *self.indices.get(&self.hasher.hash_one((space, key)))?;
        let of_key = |write: &&Write| match write {
            Write::Put { space: s, key: k, .. } | Write::Delete { space: s, key: k } => *s == space && k == key,
        };
        let noted = writes.get(index).filter(of_key);
        // Another key of the same hash may have been written after it.
        noted.or_else(|| writes.get(..index)?.iter().rfind(of_key))
    }

    /// Forgets all, and keeps room for `kept` keys at most.
    pub(crate) fn clear(&mut self, kept: usize) {
        self.indices.clear();
        self.indices.shrink_to(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_key_is_found_even_behind_a_collision() {
        let put = |key: &[u8], value: u8| Write::Put { space: Space::Index, key: key.to_vec(), value: vec![value] };
        let writes = [put(b"a", 1), put(b"b", 2), put(b"a", 3)];
        let mut latest = Latest::default();
        writes.iter().enumerate().for_each(|(index, write)| latest.note(write, index));
        let value = |latest: &Latest, space, key: &[u8]| match latest.find(&writes, space, key) {
            Some(Write::Put { value, .. }) => Some(value[0]),
            _ => None,
        };
        assert_eq!(value(&latest, Space::Index, b"a"), Some(3));
        assert_eq!(value(&latest, Space::Index, b"b"), Some(2));
        assert_eq!(value(&latest, Space::Log, b"a"), None);
        assert_eq!(value(&latest, Space::Index, b"c"), None);
        // As if "a" had the hash of "b".
        let hash = latest.hasher.hash_one((Space::Index, b"b".as_slice()));
        latest.indices.insert(hash, 2);
        assert_eq!(value(&latest, Space::Index, b"b"), Some(2));
    }
}
