//! An engine in memory, for tests: ordered maps behind one lock, nothing on disk.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{
    Result,
    kv::{Direction, Kv, Range, Read, Row, Space, Write},
};

type Rows = BTreeMap<Vec<u8>, Bytes>;
type Spaces = HashMap<Space, Rows>;

/// Clones share their rows, so that a clone stands for the same database opened again.
#[derive(Clone, Default)]
pub struct Memory(Arc<RwLock<Spaces>>);

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Read for Spaces {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(HashMap::get(self, &space).and_then(|rows| rows.get(key).cloned()))
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|key| Read::get(self, space, key)).collect()
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        // BTreeMap panics on a range that ends before it starts.
        let Some(rows) = HashMap::get(self, &space).filter(|_| !range.is_empty()) else { return Ok(Vec::new()) };
        let within = rows.range::<[u8], _>((bound(&range.start), bound(&range.end)));
        let own = |(key, value): (&Vec<u8>, &Bytes)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Forward => within.take(limit).map(own).collect(),
            Direction::Backward => within.rev().take(limit).map(own).collect(),
        })
    }
}

fn bound(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

impl Read for Memory {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        Read::get(&*self.0.read(), space, key)
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        self.0.read().multi_get(space, keys)
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        self.0.read().scan(space, range, limit, direction)
    }
}

impl Kv for Memory {
    fn commit(&self, writes: &[Write]) -> Result<()> {
        let mut spaces = self.0.write();
        for write in writes {
            match write {
                Write::Put { space, key, value } => {
                    let value = Bytes::copy_from_slice(value);
                    spaces.entry(*space).or_default().insert(key.clone(), value);
                }
                Write::Delete { space, key } => drop(spaces.entry(*space).or_default().remove(key)),
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(self.0.read().clone())
    }
}
