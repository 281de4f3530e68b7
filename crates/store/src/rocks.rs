//! The engine of a server in production: RocksDB, every commit synced to disk before it is acknowledged.
//!
//! `rocks/settings.rs` says how it is set and proves it, `rocks/format.rs` whose database it opens, `rocks/log.rs` where
//! RocksDB's own words go and what recovery left out, `rocks/witness.rs` whether any of that had been acknowledged.

mod format;
mod log;
mod settings;
#[cfg(test)]
mod tests;
mod witness;

use std::{
    ops::Bound,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use rocksdb::{Cache, ColumnFamily, ColumnFamilyDescriptor, DB, ReadOptions, SnapshotWithThreadMode, WriteBatch};

use crate::{
    Error, Result,
    kv::{Direction, Kv, Range, Read, Row, Space, Write},
};

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Megabytes for cached blocks, filters and rows not yet in files, all together. Other memory of RocksDB (open files,
    /// compaction at work) comes on top and is a few megabytes. At least [`MEMORY_MB_MIN`].
    pub memory_mb: usize,
}

/// Less makes RocksDB write many tiny files.
pub const MEMORY_MB_MIN: usize = 8;

impl Default for Options {
    fn default() -> Self {
        Self { memory_mb: 64 }
    }
}

/// An open database. One process at a time can have it open.
pub struct Rocks {
    db: DB,
    cache: Cache,
    recovery: Arc<log::Recovery>,
    witness: witness::Witness,
}

impl Rocks {
    /// Opens the database in the folder `path`, or makes one where there is none.
    ///
    /// # Errors
    /// [`Error::Engine`], with nothing changed, when the folder holds a database that another program, or a newer Beffroi,
    /// has made, or that another process has open; when the database is damaged; when RocksDB runs with other settings
    /// than ours.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        let recovery = Arc::<log::Recovery>::default();
        let cache = settings::cache(options);
        let mut database = settings::database(options, &cache);
        database.set_info_logger(log::logger(recovery.clone()));
        let found = format::inspect(path, &database)?;
        database.create_if_missing(found == format::Found::Unfinished);
        database.create_missing_column_families(found == format::Found::Unfinished);
        let spaces = Space::ALL.map(|space| (space.name(), settings::family(space, options, &cache)));
        let others = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, format::FAMILY]
            .map(|name| (name, settings::family(Space::Index, options, &cache)));
        // RocksDB makes missing families in this order: the one that says "finished" comes last.
        let families = spaces.into_iter().chain(others).map(|(name, set)| ColumnFamilyDescriptor::new(name, set));
        let db = DB::open_cf_descriptors(&database, path, families)
            .map_err(|error| Error::Engine(format::explain(path, &error)))?;
        settings::verify(path)?;
        let (witness, acknowledged) = witness::Witness::open(path)?;
        recovery.end(path, acknowledged.unwrap_or_default().saturating_sub(db.latest_sequence_number()));
        witness.note(db.latest_sequence_number());
        Ok(Self { db, cache, recovery, witness })
    }

    fn family(&self, space: Space) -> Result<&ColumnFamily> {
        self.db
            .cf_handle(space.name())
            .ok_or_else(|| Error::Engine(format!("the column family {} is not open", space.name())))
    }

    fn get_with(&self, space: Space, key: &[u8], options: &ReadOptions) -> Result<Option<Bytes>> {
        let value = self.db.get_pinned_cf_opt(self.family(space)?, key, options).map_err(unreadable)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn multi_get_with(&self, space: Space, keys: &[Vec<u8>], options: &ReadOptions) -> Result<Vec<Option<Bytes>>> {
        let values = self.db.batched_multi_get_cf_opt(self.family(space)?, keys, false, options);
        let own = |value: Option<rocksdb::DBPinnableSlice<'_>>| value.map(|value| Bytes::copy_from_slice(&value));
        values.into_iter().map(|value| value.map(own).map_err(unreadable)).collect()
    }

    fn scan_with(
        &self,
        space: Space,
        range: &Range,
        limit: usize,
        direction: Direction,
        mut options: ReadOptions,
    ) -> Result<Vec<Row>> {
        // RocksDB takes no upper bound below the lower one.
        if range.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        if let Bound::Included(start) | Bound::Excluded(start) = &range.start {
            options.set_iterate_lower_bound(including(start, matches!(range.start, Bound::Included(_))));
        }
        if let Bound::Included(end) | Bound::Excluded(end) = &range.end {
            options.set_iterate_upper_bound(including(end, matches!(range.end, Bound::Excluded(_))));
        }
        let mut rows = Vec::new();
        let mut iterator = self.db.raw_iterator_cf_opt(self.family(space)?, options);
        match direction {
            Direction::Forward => iterator.seek_to_first(),
            Direction::Backward => iterator.seek_to_last(),
        }
        while let Some((key, value)) = iterator.item() {
            rows.push((key.to_vec(), Bytes::copy_from_slice(value)));
            if rows.len() == limit {
                break;
            }
            match direction {
                Direction::Forward => iterator.next(),
                Direction::Backward => iterator.prev(),
            }
        }
        // An iterator that met damage looks like one that came to its end, but for this.
        iterator.status().map_err(unreadable)?;
        Ok(rows)
    }
}

/// The bound that begins at `key`, or just after it.
fn including(key: &[u8], at_key: bool) -> Vec<u8> {
    let mut bound = Vec::with_capacity(key.len() + 1);
    bound.extend_from_slice(key);
    if !at_key {
        bound.push(0);
    }
    bound
}

/// Damage and failing disks are errors to everybody above: never an absent row.
fn unreadable(error: rocksdb::Error) -> Error {
    tracing::error!(%error, "RocksDB failed to read");
    metrics::counter!("beffroi_store_read_errors").increment(1);
    Error::Engine(error.into_string())
}

impl Read for Rocks {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        self.get_with(space, key, &ReadOptions::default())
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        self.multi_get_with(space, keys, &ReadOptions::default())
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        self.scan_with(space, range, limit, direction, ReadOptions::default())
    }
}

impl Kv for Rocks {
    fn commit(&self, writes: &[Write]) -> Result<()> {
        let bytes: usize = writes.iter().map(settings::wal_bytes).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        for write in writes {
            match write {
                Write::Put { space, key, value } => batch.put_cf(self.family(*space)?, key, value),
                Write::Delete { space, key } => batch.delete_cf(self.family(*space)?, key),
            }
        }
        self.db.write_opt(batch, &settings::write()).map_err(|error| Error::Engine(error.into_string()))?;
        self.witness.note(self.db.latest_sequence_number());
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(Snapshot { rocks: self, snapshot: self.db.snapshot() })
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        use rocksdb::properties as property;
        let of_all = |name: &std::ffi::CStr| {
            let families = Space::ALL.iter().filter_map(|space| self.db.cf_handle(space.name()));
            families.filter_map(|family| self.db.property_int_value_cf(family, name).ok().flatten()).sum()
        };
        let of_database = |name: &std::ffi::CStr| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        let figure = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        vec![
            ("rocksdb_cache_bytes", figure(self.cache.get_usage())),
            ("rocksdb_cache_pinned_bytes", figure(self.cache.get_pinned_usage())),
            ("rocksdb_memtable_bytes", of_all(property::SIZE_ALL_MEM_TABLES)),
            ("rocksdb_open_files_bytes", of_all(property::ESTIMATE_TABLE_READERS_MEM)),
            ("rocksdb_sst_bytes", of_all(property::TOTAL_SST_FILES_SIZE)),
            ("rocksdb_live_bytes", of_all(property::ESTIMATE_LIVE_DATA_SIZE)),
            ("rocksdb_keys", of_all(property::ESTIMATE_NUM_KEYS)),
            ("rocksdb_compaction_pending_bytes", of_all(property::ESTIMATE_PENDING_COMPACTION_BYTES)),
            ("rocksdb_compactions_running", of_database(property::NUM_RUNNING_COMPACTIONS)),
            ("rocksdb_flushes_running", of_database(property::NUM_RUNNING_FLUSHES)),
            ("rocksdb_background_errors", of_database(property::BACKGROUND_ERRORS)),
            ("rocksdb_write_stopped", of_database(property::IS_WRITE_STOPPED)),
            ("rocksdb_recovery_dropped_bytes", self.recovery.dropped.load(Ordering::Relaxed)),
            ("rocksdb_recovery_missing_rows", self.recovery.missing.load(Ordering::Relaxed)),
        ]
    }
}

struct Snapshot<'a> {
    rocks: &'a Rocks,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Snapshot<'_> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        options
    }
}

impl Read for Snapshot<'_> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        self.rocks.get_with(space, key, &self.options())
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        self.rocks.multi_get_with(space, keys, &self.options())
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        self.rocks.scan_with(space, range, limit, direction, self.options())
    }
}
