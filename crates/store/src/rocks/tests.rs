//! What RocksDB does to us, and what we let it do: other people's folders, damage, recovery.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use kernel::{Random, random::SeededRandom};
use rocksdb::{DB, Options as Set, statistics::Ticker};

use super::{Options, Rocks, settings};
use crate::{
    Error, Result,
    kv::{Direction, Kv, Range, Read, Space, Write},
};

const ROWS: u32 = 600;

fn open(path: &Path) -> Result<Rocks> {
    Rocks::open(path, &Options { memory_mb: 8 })
}

fn reason(opened: Result<Rocks>) -> String {
    match opened {
        Err(Error::Engine(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Does not compress, so that damage anywhere in a file hits some row.
fn value(number: u32) -> Vec<u8> {
    let mut value = vec![0; 200];
    SeededRandom::new(number.into()).fill(&mut value);
    value
}

fn put(space: Space, number: u32) -> Write {
    Write::Put { space, key: key(number), value: value(number) }
}

/// Rows in the files of two spaces, and as many in the log that is not in files yet.
fn fill(path: &Path) {
    let rocks = open(path).unwrap();
    for number in 0..ROWS {
        rocks.commit(&[put(Space::Index, number), put(Space::Event, number)]).unwrap();
        if number == ROWS / 2 {
            for space in [Space::Index, Space::Event] {
                rocks.db.flush_cf(rocks.family(space).unwrap()).unwrap();
            }
        }
    }
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn file(path: &Path, suffix: &str) -> PathBuf {
    let named = |path: &PathBuf| path.to_string_lossy().ends_with(suffix);
    files(path).into_iter().rfind(|(path, bytes)| named(path) && !bytes.is_empty()).unwrap().0
}

#[test]
fn every_commit_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default();
    let mut set = settings::database(&options, &settings::cache(&options));
    set.create_if_missing(true);
    set.enable_statistics();
    let db = DB::open(&set, folder.path()).unwrap();
    let before = set.get_ticker_count(Ticker::WalFileSynced);
    for _ in 0..5 {
        let mut batch = rocksdb::WriteBatch::default();
        batch.put(b"a", b"b");
        db.write_opt(batch, &settings::write()).unwrap();
    }
    assert_eq!(set.get_ticker_count(Ticker::WalFileSynced) - before, 5);
}

#[test]
fn one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let rocks = open(folder.path()).unwrap();
    assert!(reason(open(folder.path())).contains("another process has the database in"));
    rocks.commit(&[put(Space::Index, 1)]).unwrap();
    drop(rocks);
    assert!(open(folder.path()).unwrap().get(Space::Index, &key(1)).unwrap().is_some());
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut set = Set::default();
    set.create_if_missing(true);
    set.create_missing_column_families(true);
    DB::open_cf(&set, folder.path(), ["users", "index"]).unwrap().put(b"a", b"b").unwrap();
    let before = files(folder.path());
    assert!(reason(open(folder.path())).contains("another program"));
    assert_eq!(files(folder.path()), before);

    // Even if it has no families of its own.
    let folder = tempfile::tempdir().unwrap();
    DB::open(&set, folder.path()).unwrap().put(b"a", b"b").unwrap();
    let before = files(folder.path());
    assert!(reason(open(folder.path())).contains("another program"));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let families = DB::list_cf(&Set::default(), folder.path()).unwrap();
    let mut db = DB::open_cf(&Set::default(), folder.path(), &families).unwrap();
    db.create_cf("beffroi-store-3", &Set::default()).unwrap();
    db.drop_cf("beffroi-store-2").unwrap();
    drop(db);
    let before = files(folder.path());
    let reason = reason(open(folder.path()));
    assert!(reason.contains("its format is beffroi-store-3") && reason.contains("use a newer one"), "{reason}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_first_start_that_was_cut_short_is_taken_up_again() {
    let mut set = Set::default();
    set.create_if_missing(true);
    set.create_missing_column_families(true);
    for families in [&["default"][..], &["default", "index", "log"]] {
        let folder = tempfile::tempdir().unwrap();
        drop(DB::open_cf(&set, folder.path(), families).unwrap());
        open(folder.path()).unwrap().commit(&[put(Space::Node, 1)]).unwrap();
        assert!(open(folder.path()).unwrap().get(Space::Node, &key(1)).unwrap().is_some());
    }
}

#[test]
fn a_database_that_lost_its_head_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    fs::remove_file(folder.path().join("CURRENT")).unwrap();
    let before = files(folder.path());
    assert!(reason(open(folder.path())).contains("damaged"));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_log_cut_short_loses_its_last_write_only_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let log = file(folder.path(), ".log");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 10]).unwrap();
    let rocks = open(folder.path()).unwrap();
    assert!(rocks.get(Space::Index, &key(ROWS - 2)).unwrap().is_some());
    for space in [Space::Index, Space::Event] {
        assert_eq!(rocks.get(space, &key(ROWS - 1)).unwrap(), None, "half a batch came back");
    }
    let figures: BTreeMap<_, _> = rocks.figures().into_iter().collect();
    assert!(figures["rocksdb_recovery_dropped_bytes"] > 0);
    assert_eq!(figures["rocksdb_recovery_missing_rows"], 2, "the last commit had been acknowledged");
    assert!(figures["rocksdb_sst_bytes"] > 0 && figures["rocksdb_keys"] > 0);
}

#[test]
fn a_log_damaged_within_raises_the_alarm() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let log = file(folder.path(), ".log");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let rocks = open(folder.path()).unwrap();
    let figures: BTreeMap<_, _> = rocks.figures().into_iter().collect();
    assert!(figures["rocksdb_recovery_dropped_bytes"] > 0 && figures["rocksdb_recovery_missing_rows"] > 0);
    assert!(rocks.get(Space::Index, &key(ROWS / 2)).unwrap().is_some(), "what was before it is there");
    // The alarm is for this start.
    drop(rocks);
    assert_eq!(open(folder.path()).unwrap().recovery.missing.load(Ordering::Relaxed), 0);
}

#[test]
fn a_damaged_row_is_an_error_never_an_absent_one() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    for (path, mut bytes) in files(folder.path()) {
        if path.extension().is_some_and(|extension| extension == "sst") && bytes.len() > 30_000 {
            bytes[10_000] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }
    let rocks = open(folder.path()).unwrap();
    for space in [Space::Index, Space::Event] {
        let keys: Vec<_> = (0..ROWS).map(key).collect();
        let single: Vec<_> = keys.iter().map(|key| rocks.get(space, key)).collect();
        assert!(single.iter().any(Result::is_err));
        for (number, row) in (0..).zip(single) {
            assert!(row.is_err() || row.unwrap().unwrap() == value(number), "row {number} is not what was written");
        }
        assert!(rocks.multi_get(space, &keys).is_err());
        let all = Range::prefix(Vec::new());
        assert!(rocks.scan(space, &all, usize::MAX, Direction::Forward).is_err());
        assert!(rocks.scan(space, &all, usize::MAX, Direction::Backward).is_err());
    }
}

/// Damages one file in one way. The database is refused, or reads are right or errors, or recovery says that it dropped
/// something: nothing is wrong in silence (hazard O5).
#[test]
fn no_damage_passes_in_silence() {
    let original = tempfile::tempdir().unwrap();
    fill(original.path());
    let random = SeededRandom::new(5);
    let (mut refused, mut told, mut harmless) = (0, 0, 0);
    for (damaged, bytes) in files(original.path()) {
        for way in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            for (path, bytes) in files(original.path()) {
                fs::write(folder.path().join(path.file_name().unwrap()), bytes).unwrap();
            }
            let mut at = [0; 8];
            random.fill(&mut at);
            let at = usize::try_from(u64::from_be_bytes(at) % u64::try_from(bytes.len().max(1)).unwrap()).unwrap();
            let mut bytes = bytes.clone();
            match way {
                0 => bytes.truncate(0),
                1..=3 => bytes.truncate(at),
                4 => bytes[at..].fill(0),
                _ => bytes.get_mut(at..).unwrap_or_default().iter_mut().take(1).for_each(|byte| *byte ^= 0x40),
            }
            let name = damaged.file_name().unwrap();
            fs::write(folder.path().join(name), bytes).unwrap();
            match open(folder.path()) {
                Err(_) => refused += 1,
                Ok(rocks) => match wrong(&rocks) {
                    (0, 0) => harmless += 1,
                    (silent, _) if silent > 0 => {
                        let missing = rocks.recovery.missing.load(Ordering::Relaxed);
                        assert!(missing > 0, "{name:?} way {way} at {at}: {silent} rows are gone in silence");
                        told += 1;
                    }
                    _ => told += 1,
                },
            }
        }
    }
    eprintln!("{refused} refused at the start, {told} told of, {harmless} harmless");
    assert!(refused > 0 && told > 0);
}

/// How many rows are absent or other than written, and how many are errors.
fn wrong(rocks: &Rocks) -> (u32, u32) {
    let (mut silent, mut errors) = (0, 0);
    for space in [Space::Index, Space::Event] {
        for number in 0..ROWS {
            match rocks.get(space, &key(number)) {
                Err(_) => errors += 1,
                Ok(row) => silent += u32::from(row.as_deref() != Some(value(number).as_slice())),
            }
        }
    }
    (silent, errors)
}
