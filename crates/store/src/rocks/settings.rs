//! How RocksDB is set, and the proof that it took the settings which keep an acknowledged write.
//!
//! The memory of caches and memtables is one budget: memtables are charged to the cache, as are the indexes and filters
//! of open files, so that a small town stays small and a big one does not surprise its machine.

use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LruCacheOptions, Options as Set,
    WriteBufferManager, WriteOptions,
};

use super::{MEMORY_MB_MIN, Options};
use crate::{
    Error, Result,
    kv::{Space, Write},
};

const MB: usize = 1 << 20;
/// Log files that have to be read again after a crash: about a second of work.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Open files; each holds some kilobytes outside the budget.
const OPEN_FILES_MAX: i32 = 512;
/// zstd's dictionary of a file of events, trained on a hundred times its size.
const DICTIONARY_BYTES: i32 = 16 << 10;
/// zstd's own default; more costs much time for a few percent.
const ZSTD_LEVEL: i32 = 3;
/// Bits per key of a bloom filter: one needless read in a hundred.
const BLOOM_BITS: f64 = 10.0;

/// What an acknowledged write rests on, as RocksDB writes it into its OPTIONS file. Both living Rust homeservers ran for
/// years with `paranoid_checks` off, by a mix-up of names: so this is read back at every start (`verify`).
const PROMISES: [(&str, &str); 9] = [
    ("paranoid_checks", "true"),
    ("wal_recovery_mode", "kPointInTimeRecovery"),
    ("track_and_verify_wals_in_manifest", "true"),
    ("manual_wal_flush", "false"),
    ("recycle_log_file_num", "0"),
    ("wal_bytes_per_sync", "0"),
    ("atomic_flush", "false"),
    ("unordered_write", "false"),
    ("enable_pipelined_write", "false"),
];

fn budget(options: &Options) -> usize {
    options.memory_mb.max(MEMORY_MB_MIN) * MB
}

/// The one budget.
pub(super) fn cache(options: &Options) -> Cache {
    let mut set = LruCacheOptions::default();
    set.set_capacity(budget(options));
    // A committer and a few readers: more shards would only cut the budget into small pieces.
    set.set_num_shard_bits(3);
    Cache::new_lru_cache_opts(&set)
}

/// The settings of the database as a whole.
pub(super) fn database(options: &Options, cache: &Cache) -> Set {
    let mut set = Set::default();
    set.set_paranoid_checks(true);
    set.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    set.set_track_and_verify_wals_in_manifest(true);
    set.set_manual_wal_flush(false);
    set.set_recycle_log_file_num(0);
    set.set_wal_bytes_per_sync(0);
    set.set_atomic_flush(false);
    set.set_unordered_write(false);
    set.set_enable_pipelined_write(false);
    set.set_max_total_wal_size(WAL_BYTES_MAX);
    // A quarter for rows not yet in files. No stall: the committer would sleep where it should refuse.
    let memtables = WriteBufferManager::new_write_buffer_manager_with_cache(budget(options) / 4, false, cache.clone());
    set.set_write_buffer_manager(&memtables);
    set.set_max_background_jobs(2);
    set.set_max_open_files(OPEN_FILES_MAX);
    // Files are handed to the disk as they grow, lest the sync of a big one holds up the commits.
    set.set_bytes_per_sync(MB as u64);
    // Nobody reads them, and they would wake an idle machine.
    set.set_stats_dump_period_sec(0);
    set.set_stats_persist_period_sec(0);
    set
}

/// The settings of one space.
pub(super) fn family(space: Space, options: &Options, cache: &Cache) -> Set {
    let mut set = Set::default();
    set.set_write_buffer_size(budget(options) / 8);
    set.set_max_write_buffer_number(3);
    // Also what a compaction holds in memory to train a dictionary.
    set.set_target_file_size_base((budget(options) / 4).clamp(8 * MB, 64 * MB) as u64);
    set.set_level_compaction_dynamic_level_bytes(true);
    // Fast where rows are written and merged often, small where most of them come to rest.
    set.set_compression_type(DBCompressionType::Lz4);
    if matches!(space, Space::Event | Space::Log) {
        set.set_bottommost_compression_type(DBCompressionType::Zstd);
        // -14 is zlib's window, which zstd ignores.
        set.set_bottommost_compression_options(-14, ZSTD_LEVEL, 0, DICTIONARY_BYTES, true);
        set.set_bottommost_zstd_max_train_bytes(DICTIONARY_BYTES * 100, true);
    }
    set.set_block_based_table_factory(&table(space, cache));
    set
}

fn table(space: Space, cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters are cut into blocks and cached like the rest: their memory is within the budget.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_pin_top_level_index_and_filter(true);
    table.set_optimize_filters_for_memory(true);
    match space {
        Space::Index | Space::Event | Space::Node => table.set_bloom_filter(BLOOM_BITS, false),
        // Read in ranges, for which a filter is of no use.
        Space::Log => table.set_block_size(16 << 10),
    }
    table
}

/// Every commit waits for the disk.
pub(super) fn write() -> WriteOptions {
    let mut write = WriteOptions::default();
    write.set_sync(true);
    write
}

/// What a write takes in a batch, at most.
pub(super) fn wal_bytes(write: &Write) -> usize {
    const TAGS: usize = 16;
    match write {
        Write::Put { key, value, .. } => key.len() + value.len() + TAGS,
        Write::Delete { key, .. } => key.len() + TAGS,
    }
}

/// Reads the newest OPTIONS file and refuses settings that would break a promise.
pub(super) fn verify(path: &Path) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::Engine(format!("RocksDB's OPTIONS file cannot be read: {error}"));
    let mut newest: Option<(u64, std::path::PathBuf)> = None;
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("OPTIONS-")?.parse().ok());
        if let Some(number) = number.filter(|number| newest.as_ref().is_none_or(|(newest, _)| newest < number)) {
            newest = Some((number, entry.path()));
        }
    }
    let (_, file) = newest.ok_or_else(|| Error::Engine("RocksDB has written no OPTIONS file".to_owned()))?;
    check(&std::fs::read_to_string(file).map_err(unreadable)?)
}

fn check(options: &str) -> Result<()> {
    for (name, expected) in PROMISES {
        let mut values = options.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        if values.next() != Some(expected) || values.next().is_some() {
            return Err(Error::Engine(format!("RocksDB runs without {name}={expected}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_is_refused() {
        let kept = PROMISES.map(|(name, value)| format!("  {name}={value}\n")).concat();
        check(&kept).unwrap();
        for (name, value) in PROMISES {
            let line = format!("  {name}={value}\n");
            assert!(check(&kept.replace(&line, "")).is_err(), "{name} may be missing");
            assert!(check(&kept.replace(&line, &format!("  {name}=other\n"))).is_err(), "{name} may be other");
            assert!(check(&format!("{kept}  {name}=other\n")).is_err(), "{name} may be there twice");
        }
    }
}
