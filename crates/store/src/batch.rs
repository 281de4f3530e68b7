//! Changes that are written together or not at all.

use std::collections::BTreeMap;

use kernel::{Position, TenantId, limits};

use crate::{
    Result,
    codec::{KeyBytes, Stands},
    feed::{FEED, Topic},
    kv::Space,
    table::{Record, Stamped, Table},
};

/// Key and topic of an announcement's row.
const FEED_ROW_BYTES: usize = 15;

/// Stands for a position that the committer will give: the n-th of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub(crate) u32);

impl Stamp {
    /// The position it stands for, in a batch whose positions begin after `base`.
    pub(crate) fn position(self, base: u64) -> Position {
        Position(base + 1 + u64::from(self.0))
    }
}

/// A key or value in which positions are still to be written, at these offsets.
#[derive(Default)]
pub(crate) struct Stampable {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamps: Vec<(usize, Stamp)>,
}

impl Stampable {
    /// Writes the positions that begin after `base` into their places.
    pub(crate) fn seal(mut self, base: u64) -> Vec<u8> {
        for (offset, stamp) in self.stamps {
            self.bytes[offset..offset + 8].copy_from_slice(&stamp.position(base).0.to_be_bytes());
        }
        self.bytes
    }
}

impl From<KeyBytes> for Stampable {
    fn from(key: KeyBytes) -> Self {
        Self { bytes: key.bytes, stamps: key.stamps }
    }
}

pub(crate) struct Op {
    pub(crate) space: Space,
    pub(crate) key: Stampable,
    /// `None` deletes.
    pub(crate) value: Option<Stampable>,
}

pub(crate) struct Expectation {
    pub(crate) space: Space,
    pub(crate) key: Vec<u8>,
    /// `None`: there must be no row.
    pub(crate) value: Option<Vec<u8>>,
}

/// One logical change of a tenant: puts, deletes, preconditions and announcements, to be given to [`crate::Scope::commit`].
pub struct Batch {
    pub(crate) tenant: TenantId,
    pub(crate) ops: Vec<Op>,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) announcements: BTreeMap<Stamp, (Topic, Vec<u8>)>,
    pub(crate) positions: u32,
    pub(crate) failure: Option<crate::Error>,
}

impl Batch {
    pub(crate) fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            ops: Vec::new(),
            expectations: Vec::new(),
            announcements: BTreeMap::new(),
            positions: 0,
            failure: None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.announcements.is_empty()
    }

    /// Takes the next position of the stream for this batch.
    pub fn stamp(&mut self) -> Stamp {
        self.positions += 1;
        Stamp(self.positions - 1)
    }

    pub fn put<K, V: Record>(&mut self, table: &Table<K, V>, key: impl Stands<K>, value: &V) {
        match value.encode() {
            Ok(bytes) => self.write(table, &key, Some(Stampable { bytes, stamps: Vec::new() })),
            Err(reason) => self.fail(crate::Error::Damaged { table: table.name(), reason }),
        }
    }

    /// Puts a value together with the position of its change.
    pub fn put_stamped<K, V: Record>(
        &mut self,
        table: &Table<K, Stamped<V>>,
        key: impl Stands<K>,
        stamp: Stamp,
        value: &V,
    ) {
        match value.encode() {
            Ok(encoded) => {
                let mut bytes = vec![0; 8];
                bytes.extend_from_slice(&encoded);
                self.write(table, &key, Some(Stampable { bytes, stamps: vec![(0, stamp)] }));
            }
            Err(reason) => self.fail(crate::Error::Damaged { table: table.name(), reason }),
        }
    }

    pub fn delete<K, V>(&mut self, table: &Table<K, V>, key: impl Stands<K>) {
        self.write(table, &key, None);
    }

    /// Precondition: the batch is written only if the row is this at the moment of the commit (`None`: is not there).
    /// Otherwise [`crate::Error::Conflict`].
    pub fn expect<K, V: Record>(&mut self, table: &Table<K, V>, key: impl Stands<K>, value: Option<&V>) {
        let encoded = value.map(Record::encode).transpose();
        match encoded {
            Ok(value) => {
                let key = table.key(self.tenant, &key).bytes;
                self.expectations.push(Expectation { space: table.space(), key, value });
            }
            Err(reason) => self.fail(crate::Error::Damaged { table: table.name(), reason }),
        }
    }

    /// Puts an entry into the tenant's feed, for its followers. A position has one entry at most.
    pub fn announce(&mut self, topic: Topic, stamp: Stamp, entry: &impl Record) {
        let entry = match entry.encode() {
            Ok(entry) => entry,
            Err(reason) => return self.fail(crate::Error::Damaged { table: FEED.name(), reason }),
        };
        let (bytes, limit) = (entry.len() + 1, limits::VALUE_BYTES_MAX);
        if bytes > limit {
            return self.fail(crate::Error::TooLarge { what: "an entry of the feed", bytes, limit });
        }
        self.check_stamps(&[(0, stamp)]);
        if self.announcements.insert(stamp, (topic, entry)).is_some() {
            self.fail(crate::Error::Misuse("two announcements at one position"));
        }
    }

    /// Adds all of `other`, a batch of the same tenant, behind what is here; its stamps are renumbered.
    pub fn append(&mut self, other: Self) {
        if self.tenant != other.tenant {
            return self.fail(crate::Error::Misuse("a batch of another tenant"));
        }
        let shift = self.positions;
        let shifted = |part: Stampable| Stampable {
            stamps: part.stamps.into_iter().map(|(offset, stamp)| (offset, Stamp(stamp.0 + shift))).collect(),
            ..part
        };
        self.ops.extend(other.ops.into_iter().map(|op| Op {
            space: op.space,
            key: shifted(op.key),
            value: op.value.map(shifted),
        }));
        self.expectations.extend(other.expectations);
        self.announcements
            .extend(other.announcements.into_iter().map(|(stamp, entry)| (Stamp(stamp.0 + shift), entry)));
        self.positions += other.positions;
        self.failure = self.failure.take().or(other.failure);
    }

    fn write<K, V>(&mut self, table: &Table<K, V>, key: &impl Stands<K>, value: Option<Stampable>) {
        let key = table.key(self.tenant, key);
        let limit = limits::KEY_BYTES_MAX;
        if key.bytes.len() > limit {
            return self.fail(crate::Error::TooLarge { what: "a key", bytes: key.bytes.len(), limit });
        }
        self.check_stamps(&key.stamps);
        if let Some(value) = &value {
            let (bytes, limit) = (value.bytes.len(), limits::VALUE_BYTES_MAX);
            if bytes > limit {
                return self.fail(crate::Error::TooLarge { what: "a value", bytes, limit });
            }
            self.check_stamps(&value.stamps);
        }
        self.ops.push(Op { space: table.space(), key: key.into(), value });
    }

    /// A stamp that this batch did not give would write a position that belongs to another change.
    fn check_stamps(&mut self, stamps: &[(usize, Stamp)]) {
        if stamps.iter().any(|(_, stamp)| stamp.0 >= self.positions) {
            self.fail(crate::Error::Misuse("a stamp of another batch"));
        }
    }

    /// The first failure is kept and returned by the commit, so that building a batch needs no `?` at each line.
    fn fail(&mut self, error: crate::Error) {
        self.failure.get_or_insert(error);
    }

    /// How much the batch writes and compares.
    pub(crate) fn bytes(&self) -> usize {
        let ops = self.ops.iter().map(|op| op.key.bytes.len() + op.value.as_ref().map_or(0, |value| value.bytes.len()));
        let entries = self.announcements.values().map(|(_, entry)| entry.len() + FEED_ROW_BYTES);
        let expectations = self.expectations.iter().map(|row| row.key.len() + row.value.as_ref().map_or(0, Vec::len));
        ops.sum::<usize>() + entries.sum::<usize>() + expectations.sum::<usize>()
    }

    pub(crate) fn check(&self) -> Result<()> {
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}
