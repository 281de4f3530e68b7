//! What happened in a tenant, in order: the durable feed that followers read by cursors, and its live end.
//!
//! An owner announces its change in the batch that makes it ([`crate::Batch::announce`]), so neither is there without the
//! other. A follower keeps its cursor with what it did: at least once, so it must not mind seeing an entry twice.

use std::sync::Arc;

use bytes::Bytes;
use kernel::{Position, TenantId};

use crate::{
    Batch, Error, Result, Scope,
    kv::Space,
    table::{Record, Table},
};

/// Whose entry it is; each owner has its own and knows how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic(pub u8);

/// A committed entry of the feed.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub tenant: TenantId,
    pub position: Position,
    pub topic: Topic,
    pub entry: Bytes,
}

impl Announcement {
    /// The entry as its owner wrote it.
    pub fn read<T: Record>(&self) -> Result<T> {
        T::decode(&self.entry).map_err(|reason| Error::Damaged { table: FEED.name(), reason })
    }
}

/// What one commit announced, shared between its subscribers.
pub type Announcements = Arc<[Announcement]>;

/// Position → topic and entry. Table numbers below 0x100 are the store's own.
pub(crate) const FEED: Table<(Position,), Bytes> = Table::new(0x02, "feed", Space::Log);
/// Follower's name → the last position that it has dealt with.
const CURSORS: Table<(String,), Position> = Table::new(0x03, "cursors", Space::Index);

pub(crate) fn row(topic: Topic, entry: &[u8]) -> Vec<u8> {
    let mut row = vec![topic.0];
    row.extend_from_slice(entry);
    row
}

/// At most `limit` entries after `after`, oldest first. None is there before it is on disk.
pub fn read(scope: &Scope, after: Position, limit: usize) -> Result<Vec<Announcement>> {
    let rows = scope.scan(&FEED, ()).after((after,)).limit(limit).rows()?;
    let announcements = rows.into_iter().map(|((position,), row)| {
        let topic = row
            .first()
            .copied()
            .map(Topic)
            .ok_or_else(|| Error::Damaged { table: FEED.name(), reason: "an entry has no topic".to_owned() })?;
        Ok(Announcement { tenant: scope.tenant(), position, topic, entry: row.slice(1..) })
    });
    announcements.collect()
}

/// Where the follower of this name stands; the start if it is new.
pub fn cursor(scope: &Scope, follower: &str) -> Result<Position> {
    Ok(scope.get(&CURSORS, (follower,))?.unwrap_or(Position::START))
}

/// Moves the follower's cursor, in the batch of what it did.
pub fn advance(batch: &mut Batch, follower: &str, to: Position) {
    batch.put(&CURSORS, (follower,), &to);
}

/// Deletes at most `limit` entries up to and including `upto`, which every follower must have passed.
pub async fn trim(scope: &Scope, upto: Position, limit: usize) -> Result<usize> {
    let keys = scope.scan(&FEED, ()).through((upto,)).limit(limit).keys()?;
    if keys.is_empty() {
        return Ok(0);
    }
    let mut batch = scope.batch();
    for key in &keys {
        batch.delete(&FEED, *key);
    }
    scope.commit(batch).await?;
    Ok(keys.len())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, ops::Bound};

    use super::*;
    use crate::{
        Store,
        kv::{Direction, Range, Read},
        memory::Memory,
        store::POSITION,
    };

    /// The store's own rows, byte for byte: a change of them is a change of the format.
    #[tokio::test]
    async fn the_stores_own_tables_are_written_like_this() {
        let numbers = [POSITION.number(), FEED.number(), CURSORS.number()];
        assert_eq!(BTreeSet::from(numbers).len(), numbers.len());

        let memory = Memory::new();
        let store = Store::open(memory.clone()).unwrap();
        let scope = Scope::new(&store, TenantId(0x0a0b_0c0d)).unwrap();
        let mut batch = scope.batch();
        let stamp = batch.stamp();
        batch.announce(Topic(9), stamp, &"hi".to_owned());
        advance(&mut batch, "push", Position(0x102));
        scope.commit(batch).await.unwrap();

        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let rows = |space| {
            let all = Range { start: Bound::Unbounded, end: Bound::Unbounded };
            let rows = memory.scan(space, &all, 9, Direction::Forward).unwrap();
            rows.iter().map(|(key, value)| format!("{} {}", hex(key), hex(value))).collect::<Vec<_>>()
        };
        assert_eq!(rows(Space::Index), ["0a0b0c0d0001 0000000000000001", "0a0b0c0d0003000470757368 0000000000000102"]);
        assert_eq!(rows(Space::Log), ["0a0b0c0d00020000000000000001 096869"]);
        assert!(rows(Space::Event).is_empty() && rows(Space::Node).is_empty());
    }
}
