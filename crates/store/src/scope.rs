//! A tenant's share of the store: the only way in for owners.

use std::{ops::Bound, sync::Arc};

use kernel::{Position, TenantId, limits};
use tokio::sync::{broadcast, watch};

use crate::{
    Batch, Error, Result, Store,
    codec::{Part, Stands},
    feed::{Announcement, Announcements},
    kv::{Direction, Range, Row, after_prefix},
    store::Stream,
    table::{Prefix, Record, Table, decode_key},
};

/// One tenant's rows and stream. Cheap to clone.
#[derive(Clone)]
pub struct Scope {
    store: Arc<Store>,
    stream: Arc<Stream>,
    tenant: TenantId,
}

impl Scope {
    /// Only `src/tenants.rs` and tests call this (held by `tests/tidy.rs`).
    pub fn new(store: &Arc<Store>, tenant: TenantId) -> Result<Self> {
        Ok(Self { store: store.clone(), stream: store.stream(tenant)?, tenant })
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub fn get<K, V: Record>(&self, table: &Table<K, V>, key: impl Stands<K>) -> Result<Option<V>> {
        let key = table.key(self.tenant, &key).bytes;
        self.store.kv().get(table.space(), &key)?.map(|bytes| decode(table, &bytes)).transpose()
    }

    /// Whether there is such a row.
    pub fn has<K, V>(&self, table: &Table<K, V>, key: impl Stands<K>) -> Result<bool> {
        Ok(self.store.kv().get(table.space(), &table.key(self.tenant, &key).bytes)?.is_some())
    }

    /// The values of `keys`, in their order.
    pub fn multi_get<K, V: Record, S: Stands<K>>(&self, table: &Table<K, V>, keys: &[S]) -> Result<Vec<Option<V>>> {
        let keys: Vec<_> = keys.iter().map(|key| table.key(self.tenant, key).bytes).collect();
        let values = self.store.kv().multi_get(table.space(), &keys)?;
        values.into_iter().map(|value| value.map(|bytes| decode(table, &bytes)).transpose()).collect()
    }

    /// The rows whose keys begin with `prefix`: all of them, forward, unless the scan is told otherwise. No bound of the
    /// scan leads out of the prefix.
    ///
    /// Without a limit, more than [`limits::SCAN_ROWS_MAX`] rows are an error: they are never cut short in silence.
    pub fn scan<'a, K, V, P: Prefix<K>>(&'a self, table: &'a Table<K, V>, prefix: P) -> Scan<'a, K, V> {
        let mut bytes = table.prefix(self.tenant);
        prefix.encode(&mut bytes);
        Scan { scope: self, table, range: Range::prefix(bytes.bytes), limit: None, direction: Direction::Forward }
    }

    pub fn batch(&self) -> Batch {
        Batch::new(self.tenant)
    }

    /// Hands the batch to the committer and waits until it is on disk and published.
    ///
    /// Returns the position of the batch's last stamp, or the stream's position if it took none.
    ///
    /// # Errors
    /// Nothing was written, and the same batch may be tried again, unless the store itself has failed
    /// ([`Store::ready`] is false): then only the next start can tell what reached the disk.
    pub async fn commit(&self, batch: Batch) -> Result<Position> {
        self.enqueue(batch)?.wait().await
    }

    /// Puts the batch into the committer's queue at once, so that batches of one caller are committed in its order.
    pub fn enqueue(&self, batch: Batch) -> Result<Ticket> {
        if batch.tenant != self.tenant {
            return Err(Error::Misuse("a batch of another tenant"));
        }
        self.store.enqueue(batch, self.stream.clone())
    }

    /// The last published position: everything up to it is on disk and can be read.
    pub fn position(&self) -> Position {
        *self.stream.published.borrow()
    }

    /// Follows the published position. Register first, then read `position`, then read rows.
    pub fn positions(&self) -> watch::Receiver<Position> {
        self.stream.published.subscribe()
    }

    /// Has `view` called with what each commit announced, after it is on disk and before its position is published: so
    /// at any position that can be read, the view has seen all up to it. It must be quick and take no I/O, must not panic
    /// (that stops the store), and must not hold a [`Scope`], which would keep the store open for ever.
    pub fn view(&self, view: impl Fn(&[Announcement]) + Send + Sync + 'static) {
        self.stream.views.write().push(Box::new(view));
    }

    /// The live end of the feed. A subscriber that falls behind reads what it missed with [`crate::feed::read`].
    pub fn announcements(&self) -> broadcast::Receiver<Announcements> {
        self.stream.announcements.subscribe()
    }
}

fn decode<K, V: Record>(table: &Table<K, V>, bytes: &bytes::Bytes) -> Result<V> {
    V::decode(bytes).map_err(|reason| Error::Damaged { table: table.name(), reason })
}

/// The outcome of a batch in the queue.
#[must_use = "an acknowledged write is one that was waited for"]
pub struct Ticket(pub(crate) tokio::sync::oneshot::Receiver<Result<Position>>);

impl Ticket {
    /// See [`Scope::commit`].
    pub async fn wait(self) -> Result<Position> {
        self.0.await.unwrap_or(Err(Error::Unavailable))
    }
}

/// A scan under construction.
pub struct Scan<'a, K, V> {
    scope: &'a Scope,
    table: &'a Table<K, V>,
    range: Range,
    limit: Option<usize>,
    direction: Direction,
}

impl<K: Part, V: Record> Scan<'_, K, V> {
    fn bound(&self, key: &impl Stands<K>) -> Vec<u8> {
        self.table.key(self.scope.tenant, key).bytes
    }

    fn prefix(&self, prefix: &impl Prefix<K>) -> Vec<u8> {
        let mut bytes = self.table.prefix(self.scope.tenant);
        prefix.encode(&mut bytes);
        bytes.bytes
    }

    /// Only rows after this key.
    pub fn after(mut self, key: impl Stands<K>) -> Self {
        self.range.narrow_start(Bound::Excluded(self.bound(&key)));
        self
    }

    /// Only rows from this key on.
    pub fn from(mut self, key: impl Stands<K>) -> Self {
        self.range.narrow_start(Bound::Included(self.bound(&key)));
        self
    }

    /// Only rows before this key.
    pub fn until(mut self, key: impl Stands<K>) -> Self {
        self.range.narrow_end(Bound::Excluded(self.bound(&key)));
        self
    }

    /// Only rows up to and including this key.
    pub fn through(mut self, key: impl Stands<K>) -> Self {
        self.range.narrow_end(Bound::Included(self.bound(&key)));
        self
    }

    /// Only rows from the first key that begins so.
    #[expect(clippy::wrong_self_convention, reason = "it is no conversion: a scan is from here to there")]
    pub fn from_prefix(mut self, prefix: impl Prefix<K>) -> Self {
        self.range.narrow_start(Bound::Included(self.prefix(&prefix)));
        self
    }

    /// Only rows up to the last key that begins so.
    pub fn through_prefix(mut self, prefix: impl Prefix<K>) -> Self {
        self.range.narrow_end(after_prefix(&self.prefix(&prefix)).map_or(Bound::Unbounded, Bound::Excluded));
        self
    }

    /// At most this many rows; never more than [`limits::SCAN_ROWS_MAX`].
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit.min(limits::SCAN_ROWS_MAX));
        self
    }

    /// From the end of the range.
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    pub fn rows(&self) -> Result<Vec<(K, V)>> {
        self.raw()?.into_iter().map(|(key, value)| Ok((self.key(&key)?, decode(self.table, &value)?))).collect()
    }

    pub fn keys(&self) -> Result<Vec<K>> {
        self.raw()?.iter().map(|(key, _)| self.key(key)).collect()
    }

    pub fn first(self) -> Result<Option<(K, V)>> {
        Ok(self.limit(1).rows()?.pop())
    }

    fn raw(&self) -> Result<Vec<Row>> {
        let limit = self.limit.unwrap_or(limits::SCAN_ROWS_MAX + 1);
        let rows = self.scope.store.kv().scan(self.table.space(), &self.range, limit, self.direction)?;
        if rows.len() > limits::SCAN_ROWS_MAX {
            return Err(Error::Misuse("a scan without a limit met too many rows"));
        }
        Ok(rows)
    }

    fn key(&self, bytes: &[u8]) -> Result<K> {
        decode_key(bytes)
            .ok_or_else(|| Error::Damaged { table: self.table.name(), reason: "its key cannot be read".to_owned() })
    }
}
