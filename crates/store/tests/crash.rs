//! Kills a process at random moments while it writes, and looks at what it left: every acknowledged batch is there,
//! none is torn, no position is given out twice.
//!
//! The test starts itself again as the process to kill. `CRASH_ROUNDS` says how often (10; the nightly run takes 100 and
//! more), `CRASH_SEED` repeats a run's choices (the moments of the kills are only as exact as the machine).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "rocks")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use kernel::{Position, Random, SystemRandom, TenantId, random::SeededRandom};
use store::{
    Scope, Space, Stamped, Store, Table, Topic, feed,
    rocks::{Options, Rocks},
};

const TENANTS: u32 = 3;
const TASKS: u32 = 12;
/// Rounds on one database; then a new one is begun, so that a long run does not fill the disk.
const ROUNDS_PER_DATABASE: u64 = 20;
const LIFE_MAX_MS: u64 = 900;

/// Where a batch stands: round, task, number.
type Place = (u64, u32, u64);
type Pieces = Table<(u64, u32, u64, u32), Stamped<Piece>>;

/// The rows of the batches, a table in each space.
const PIECES: [Pieces; 4] = [
    Table::new(0xf0, "index pieces", Space::Index),
    Table::new(0xf1, "log pieces", Space::Log),
    Table::new(0xf2, "event pieces", Space::Event),
    Table::new(0xf3, "node pieces", Space::Node),
];
/// Put by each batch, and deleted by the task's next one.
const NEWEST: Table<(u64, u32, u64), ()> = Table::new(0xf4, "newest", Space::Index);
/// Overwritten by each batch of the task.
const COUNT: Table<(u64, u32), u64> = Table::new(0xf5, "count", Space::Index);

/// One row of a batch, which says how many rows and positions the whole batch has.
#[derive(serde::Serialize, serde::Deserialize)]
struct Piece {
    rows: u32,
    positions: u32,
    filler: String,
}
store::record! { Piece: 1; }

fn below(random: &SeededRandom, limit: u64) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes) % limit
}

fn open(folder: &Path) -> Arc<Store> {
    let rocks = Rocks::open(folder, &Options { memory_mb: 16 }).unwrap();
    Store::open(rocks).unwrap()
}

#[test]
fn crash() {
    match std::env::var_os("CRASH_FOLDER") {
        Some(folder) => load(Path::new(&folder)),
        None => rounds(),
    }
}

// The process that is killed.

fn load(folder: &Path) {
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (round, seed) = (number("CRASH_ROUND"), number("CRASH_SEED"));
    let journal = OpenOptions::new().append(true).create(true).open(folder.join("journal")).unwrap();
    let journal = Arc::new(journal);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = open(&folder.join("store"));
        let mut tasks = tokio::task::JoinSet::new();
        for tenant in 0..TENANTS {
            for task in 0..TASKS {
                let random = SeededRandom::new(seed ^ (round << 32) ^ u64::from(tenant << 16 | task));
                let scope = Scope::new(&store, TenantId(tenant)).unwrap();
                tasks.spawn(write(scope, round, task, random, journal.clone()));
            }
        }
        tasks.join_next().await.unwrap().unwrap();
    });
}

/// Commits batch after batch, and writes down each acknowledgement in one call, which a kill cannot cut in two.
async fn write(scope: Scope, round: u64, task: u32, random: SeededRandom, journal: Arc<File>) {
    for number in 0.. {
        let (rows, positions) = (1 + below(&random, 8), 1 + below(&random, 3));
        let (rows, positions) = (u32::try_from(rows).unwrap(), u32::try_from(positions).unwrap());
        let mut batch = scope.batch();
        let stamps: Vec<_> = (0..positions).map(|_| batch.stamp()).collect();
        for row in 0..rows {
            let table = &PIECES[usize::try_from(row).unwrap() % PIECES.len()];
            let length = if below(&random, 200) == 0 { 80_000 } else { below(&random, 400) };
            let piece = Piece { rows, positions, filler: "x".repeat(usize::try_from(length).unwrap()) };
            batch.put_stamped(table, (round, task, number, row), *stamps.last().unwrap(), &piece);
        }
        for stamp in stamps {
            batch.announce(Topic(1), stamp, &format!("{round} {task} {number}"));
        }
        batch.put(&NEWEST, (round, task, number), &());
        batch.put(&COUNT, (round, task), &number);
        if let Some(before) = u64::checked_sub(number, 1) {
            batch.delete(&NEWEST, (round, task, before));
            batch.expect(&COUNT, (round, task), Some(&before));
        }
        let position = scope.commit(batch).await.unwrap();
        let line = format!("{} {task} {number} {position}\n", scope.tenant());
        assert_eq!((&*journal).write(line.as_bytes()).unwrap(), line.len());
    }
}

// The process that kills and looks.

/// Ends with its owner, however that ends.
struct Loader(Child);

impl Drop for Loader {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn rounds() {
    let rounds = std::env::var("CRASH_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("CRASH_SEED").map_or_else(
        |_| {
            let mut bytes = [0; 4];
            SystemRandom.fill(&mut bytes);
            u64::from(u32::from_be_bytes(bytes))
        },
        |seed| seed.parse().unwrap(),
    );
    eprintln!("crash test: {rounds} rounds, CRASH_SEED={seed}");
    let random = SeededRandom::new(seed);
    let mut folder = tempfile::tempdir().unwrap();
    let mut ends = [Position::START; TENANTS as usize];
    let mut acknowledged = 0;
    for round in 0..rounds {
        if round % ROUNDS_PER_DATABASE == 0 {
            folder = tempfile::tempdir().unwrap();
            ends = [Position::START; TENANTS as usize];
        }
        let life = Duration::from_millis(below(&random, LIFE_MAX_MS));
        let acks = kill_after(folder.path(), round, seed, life);
        acknowledged += acks.values().map(BTreeMap::len).sum::<usize>();
        let store = open(&folder.path().join("store"));
        let missing = store.figures().into_iter().find(|(name, _)| *name == "rocksdb_recovery_missing_rows");
        assert_eq!(missing, Some(("rocksdb_recovery_missing_rows", 0)), "a false alarm");
        for (tenant, end) in (0..).zip(&mut ends) {
            let scope = Scope::new(&store, TenantId(tenant)).unwrap();
            *end = check(&scope, round, *end, acks.get(&tenant).unwrap_or(&BTreeMap::new()));
            // And an earlier round's rows are still whole.
            let earlier = round - below(&random, round % ROUNDS_PER_DATABASE + 1);
            batches(&scope, earlier);
        }
    }
    eprintln!("crash test: {acknowledged} acknowledged batches, all of them whole");
    assert!(rounds < 5 || acknowledged > 100, "the load did not come to write");
}

/// Tenant → task and number → position.
type Acks = BTreeMap<u32, BTreeMap<(u32, u64), Position>>;

/// Lets a process write for `life`, kills it, and returns what was acknowledged to it.
fn kill_after(folder: &Path, round: u64, seed: u64, life: Duration) -> Acks {
    let _ = std::fs::remove_file(folder.join("journal"));
    let mut loader = Loader(
        Command::new(std::env::current_exe().unwrap())
            .args(["crash", "--exact", "--nocapture"])
            .env("CRASH_FOLDER", folder)
            .env("CRASH_ROUND", round.to_string())
            .env("CRASH_SEED", seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut output = loader.0.stdout.take().unwrap();
    let (ended, end) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = output.read_to_string(&mut text);
        let _ = ended.send(text);
    });
    let own_end = end.recv_timeout(life);
    drop(loader);
    reader.join().unwrap();
    assert!(own_end.is_err(), "round {round}: the loader ended by itself: {own_end:?}");
    let journal = std::fs::read_to_string(folder.join("journal")).unwrap_or_default();
    let mut acks = Acks::new();
    for line in journal.lines() {
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [tenant, task, number, position] = numbers[..] else { panic!("{line}") };
        let (tenant, task) = (u32::try_from(tenant).unwrap(), u32::try_from(task).unwrap());
        acks.entry(tenant).or_default().insert((task, number), Position(position));
    }
    acks
}

/// What was found of a batch.
struct Found {
    position: Position,
    rows: u32,
    found: u32,
    positions: u32,
}

/// The batches of a round; each must be whole.
fn batches(scope: &Scope, round: u64) -> BTreeMap<(u32, u64), Found> {
    let mut batches = BTreeMap::<(u32, u64), Found>::new();
    for table in &PIECES {
        let mut after = (round, 0, 0, 0);
        let mut scan = scope.scan(table, (round,)).limit(10_000);
        loop {
            let rows = scan.rows().unwrap();
            let Some((last, _)) = rows.last() else { break };
            after = (*last).max(after);
            for ((_, task, number, _), Stamped { position, value }) in rows {
                let Piece { rows, positions, .. } = value;
                let batch = batches.entry((task, number)).or_insert(Found { position, rows, found: 0, positions });
                assert_eq!((batch.position, batch.rows), (position, rows), "rows of two batches under one name");
                batch.found += 1;
            }
            scan = scope.scan(table, (round,)).after(after).limit(10_000);
        }
    }
    for (place, batch) in &batches {
        assert_eq!(batch.found, batch.rows, "a torn batch: tenant {} round {round} {place:?}", scope.tenant());
    }
    batches
}

/// Compares what is there with what was acknowledged; returns the tenant's last position.
fn check(scope: &Scope, round: u64, before: Position, acks: &BTreeMap<(u32, u64), Position>) -> Position {
    let batches = batches(scope, round);
    for (place, position) in acks {
        let batch = batches.get(place).unwrap_or_else(|| panic!("round {round}: lost {place:?}, acknowledged"));
        assert_eq!(batch.position, *position);
        assert!(*position > before, "a position of an earlier round was given out again");
    }
    // A task waits for each answer, so it has one batch more than acknowledged at most; its other rows agree.
    for task in 0..TASKS {
        let present = batches.keys().filter(|(of, _)| *of == task).count();
        let acked = acks.keys().filter(|(of, _)| *of == task).count();
        assert!((acked..=acked + 1).contains(&present), "round {round}: {acked} acknowledged, {present} there");
        let last = u64::try_from(present).unwrap().checked_sub(1);
        assert_eq!(scope.get(&COUNT, (round, task)).unwrap(), last);
        let newest = scope.scan(&NEWEST, (round, task)).keys().unwrap();
        assert_eq!(newest, last.map(|last| (round, task, last)).into_iter().collect::<Vec<Place>>());
    }
    check_feed(scope, round, before, &batches)
}

/// The feed goes on from the round before without a gap, and has an entry for each position of each batch.
fn check_feed(scope: &Scope, round: u64, before: Position, batches: &BTreeMap<(u32, u64), Found>) -> Position {
    let mut last = before;
    let mut entries = BTreeMap::<Place, BTreeSet<Position>>::new();
    loop {
        let page = feed::read(scope, last, 10_000).unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            assert_eq!(entry.position, last.next(), "round {round}: a gap in the feed");
            last = entry.position;
            let text: String = entry.read().unwrap();
            let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
            let place = (numbers[0], u32::try_from(numbers[1]).unwrap(), numbers[2]);
            entries.entry(place).or_default().insert(entry.position);
        }
    }
    assert_eq!(scope.position(), last, "the stream's position is the feed's last");
    assert_eq!(entries.len(), batches.len());
    for ((task, number), batch) in batches {
        let positions = &entries[&(round, *task, *number)];
        assert_eq!(u32::try_from(positions.len()).unwrap(), batch.positions);
        assert_eq!(positions.last(), Some(&batch.position));
    }
    last
}
