//! How many commits a second the store acknowledges, each on disk before its writer hears of it.
//!
//! `TMPDIR` says where the database lies: on a real disk, or the figures mean nothing. `docs/benchmarks.md` has figures.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has no figures")]
#![expect(clippy::print_stdout, reason = "figures that criterion does not show")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernel::{Position, TenantId};
use store::{Batch, Kv, Scope, Space, Stamped, Store, Table, Topic, memory::Memory};
use tokio::{runtime::Runtime, task::JoinSet};

const EVENTS: Table<(u64, u64), String> = Table::new(0xf0, "events", Space::Event);
const TIMELINE: Table<(u64, Position), u64> = Table::new(0xf1, "timeline", Space::Log);
const STATE: Table<(u64, u64), Stamped<u64>> = Table::new(0xf2, "state", Space::Index);
const NODES: Table<([u8; 32],), String> = Table::new(0xf3, "nodes", Space::Node);

/// What sending a message writes, about: an event of 700 bytes, its place in the room, some indexes, a feed entry.
fn message(scope: &Scope, writer: u64, number: u64) -> Batch {
    let mut batch = scope.batch();
    let stamp = batch.stamp();
    batch.put(&EVENTS, (writer, number), &"x".repeat(700));
    batch.put(&TIMELINE, (writer, stamp), &number);
    for index in 0..5 {
        batch.put_stamped(&STATE, (writer, index), stamp, &number);
    }
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash[8..16].copy_from_slice(&writer.to_be_bytes());
    batch.put(&NODES, (hash,), &"y".repeat(150));
    batch.expect(&EVENTS, (writer, number), None);
    batch.announce(Topic(1), stamp, &format!("{writer} {number}"));
    batch
}

/// Commits `count` messages from `writers` tasks of two tenants, each waiting for its answer before its next.
fn commit(runtime: &Runtime, store: &Arc<Store>, writers: u64, numbers: &Arc<AtomicU64>, count: u64) -> Duration {
    let started = Instant::now();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let left = Arc::new(AtomicU64::new(count));
        for writer in 0..writers {
            let tenant = TenantId(u32::try_from(writer % 2).unwrap());
            let scope = Scope::new(store, tenant).unwrap();
            let (left, numbers) = (left.clone(), numbers.clone());
            tasks.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let batch = message(&scope, writer, numbers.fetch_add(1, Ordering::Relaxed));
                    scope.commit(batch).await.unwrap();
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
    started.elapsed()
}

/// Processor time of this process so far, user and system (proc(5): ticks of 10 ms).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

fn run(criterion: &mut Criterion, name: &str, kv: impl Kv, writers: &[u64]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let store = Store::open(kv).unwrap();
    let numbers = Arc::<AtomicU64>::default();
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(1));
    for writers in writers {
        let (mut commits, before) = (0, processor());
        group.bench_function(format!("{writers} writers"), |bencher| {
            bencher.iter_custom(|count| {
                commits += count;
                commit(&runtime, &store, *writers, &numbers, count)
            });
        });
        let spent = (processor() - before).as_secs_f64() * 1e6 / f64::from(u32::try_from(commits.max(1)).unwrap());
        println!("{name}, {writers} writers: {spent:.1} µs of processor time per commit over {commits} commits\n");
    }
}

fn memory(criterion: &mut Criterion) {
    run(criterion, "memory", Memory::new(), &[64]);
}

#[cfg(feature = "rocks")]
fn rocks(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let rocks = store::rocks::Rocks::open(folder.path(), &store::rocks::Options::default()).unwrap();
    run(criterion, "rocksdb", rocks, &[1, 16, 64]);
}

#[cfg(not(feature = "rocks"))]
fn rocks(_: &mut Criterion) {}

criterion_group!(benches, memory, rocks);
criterion_main!(benches);
