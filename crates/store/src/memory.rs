//! An engine in memory, for tests: ordered maps behind one lock, nothing on disk.

use std::{
    collections::{BTreeMap, HashMap},
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
        let Some(rows) = HashMap::get(self, &space) else { return Ok(Vec::new()) };
        // BTreeMap panics on a range that ends before it starts; here it is merely empty.
        let within = rows.range::<Vec<u8>, _>((range.start.clone(), std::ops::Bound::Unbounded));
        let within = within.take_while(|(key, _)| range.contains(key)).map(|(key, value)| (key.clone(), value.clone()));
        Ok(match direction {
            Direction::Forward => within.take(limit).collect(),
            Direction::Backward => {
                let mut all: Vec<Row> = within.collect();
                all.reverse();
                all.truncate(limit);
                all
            }
        })
    }
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
    fn commit(&self, writes: Vec<Write>) -> Result<()> {
        let mut spaces = self.0.write();
        for write in writes {
            match write {
                Write::Put { space, key, value } => drop(spaces.entry(space).or_default().insert(key, value.into())),
                Write::Delete { space, key } => drop(spaces.entry(space).or_default().remove(&key)),
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(self.0.read().clone())
    }
}
