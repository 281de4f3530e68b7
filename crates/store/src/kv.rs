//! The contract that an engine fulfils: ordered bytes, atomic batches, snapshots. `conformance::run` is its proof.
//!
//! Reads are synchronous: the working set of a town is in memory, and a tenant has one owner process, so that an engine
//! across a network can keep a coherent cache (`docs/decisions/0001-synchronous-reads.md`).

use std::ops::Bound;

use bytes::Bytes;

use crate::Result;

/// Rows of one access pattern lie together. An engine tunes a space as a whole (RocksDB: one column family each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Small rows, point reads and short scans: the default.
    Index,
    /// Rows appended in order of position, read in ranges.
    Log,
    /// Events and other JSON of some hundred bytes, read one by one; compresses well.
    Event,
    /// Immutable content-addressed nodes, read one by one.
    Node,
}

impl Space {
    pub const ALL: [Self; 4] = [Self::Index, Self::Log, Self::Event, Self::Node];

    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Log => "log",
            Self::Event => "event",
            Self::Node => "node",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// A range of keys.
#[derive(Clone, Debug)]
pub struct Range {
    pub start: Bound<Vec<u8>>,
    pub end: Bound<Vec<u8>>,
}

impl Range {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: Vec<u8>) -> Self {
        let end = after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { start: Bound::Included(prefix), end }
    }

    /// Leaves only what comes no earlier than `start`. A range never grows, so no bound can lead out of a prefix.
    pub fn narrow_start(&mut self, start: Bound<Vec<u8>>) {
        if start_rank(&start) > start_rank(&self.start) {
            self.start = start;
        }
    }

    /// Leaves only what comes no later than `end`.
    pub fn narrow_end(&mut self, end: Bound<Vec<u8>>) {
        let earlier = match (end_rank(&end), end_rank(&self.end)) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        if earlier {
            self.end = end;
        }
    }

    /// Whether no key can lie within.
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
                start >= end
            }
        }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        };
        let before_end = match &self.end {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        };
        after_start && before_end
    }
}

/// Orders starts: `Excluded` begins just after `Included` of the same key; nothing comes before `Unbounded`.
fn start_rank(start: &Bound<Vec<u8>>) -> Option<(&[u8], bool)> {
    match start {
        Bound::Included(key) => Some((key, false)),
        Bound::Excluded(key) => Some((key, true)),
        Bound::Unbounded => None,
    }
}

/// Orders ends: `Excluded` ends just before `Included` of the same key; `None`, unbounded, comes after them all.
fn end_rank(end: &Bound<Vec<u8>>) -> Option<(&[u8], bool)> {
    match end {
        Bound::Excluded(key) => Some((key, false)),
        Bound::Included(key) => Some((key, true)),
        Bound::Unbounded => None,
    }
}

/// The first key after all keys that begin with `prefix`; none when `prefix` is all 0xff.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub enum Write {
    Put { space: Space, key: Vec<u8>, value: Vec<u8> },
    Delete { space: Space, key: Vec<u8> },
}

/// A row as a scan returns it.
pub type Row = (Vec<u8>, Bytes);

/// What can be read, from the live store or from a snapshot of it.
pub trait Read: Send + Sync {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>>;

    /// The values of `keys`, in their order.
    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>>;

    /// At most `limit` rows of `range`, from its start, or from its end when the direction is backward.
    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>>;
}

/// An engine.
pub trait Kv: Read + 'static {
    /// Writes all or nothing, in order, and returns once it is on disk (for an engine that has one).
    ///
    /// Only the committer calls it, from one thread. After an error the engine must be taken for broken.
    fn commit(&self, writes: &[Write]) -> Result<()>;

    /// A view that later commits do not change.
    fn snapshot(&self) -> Box<dyn Read + '_>;

    /// The engine's memory and file figures, as (name, value) for metrics.
    fn figures(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_begins() {
        assert_eq!(after_prefix(b"a"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff\xff"), None);
        let range = Range::prefix(b"a\xff".to_vec());
        assert!(range.contains(b"a\xff") && range.contains(b"a\xff\xff\xff") && !range.contains(b"b"));
    }

    #[test]
    fn a_range_is_narrowed_never_widened() {
        let key = |text: &str| text.as_bytes().to_vec();
        let mut range = Range::prefix(key("b"));
        range.narrow_start(Bound::Included(key("a")));
        range.narrow_end(Bound::Included(key("d")));
        assert!(!range.contains(b"a") && range.contains(b"b") && !range.contains(b"c"));
        range.narrow_start(Bound::Excluded(key("b")));
        range.narrow_start(Bound::Included(key("b")));
        range.narrow_end(Bound::Excluded(key("b2")));
        range.narrow_end(Bound::Included(key("b2")));
        assert!(!range.contains(b"b") && range.contains(b"b1") && !range.contains(b"b2"));
        range.narrow_start(Bound::Included(key("b2")));
        assert!(range.is_empty());
    }
}
