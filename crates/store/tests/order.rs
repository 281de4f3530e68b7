//! Many writers at once: positions come in order, and nobody sees one before its rows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use kernel::{Position, TenantId};
use store::{Kv, Scope, Space, Stamped, Store, Table, Topic, feed, memory::Memory};
use tokio::{sync::broadcast::error::RecvError, task::JoinSet};

const TASKS: u64 = 64;
const TENANTS: u32 = 2;
/// Position → the task that wrote it.
const LOG: Table<(Position,), u64> = Table::new(0xf0, "log", Space::Log);
/// Task and its own count → the position of that write.
const BESIDE: Table<(u64, u64), Stamped<u64>> = Table::new(0xf1, "beside", Space::Index);

/// Writes `rounds` batches and checks each acknowledgement.
async fn write(scope: Scope, task: u64, rounds: u64) {
    let mut last = Position::START;
    for round in 0..rounds {
        let mut batch = scope.batch();
        let (first, second) = (batch.stamp(), batch.stamp());
        for stamp in [first, second] {
            batch.put(&LOG, (stamp,), &task);
            batch.announce(Topic(1), stamp, &task);
        }
        batch.put_stamped(&BESIDE, (task, round), second, &task);
        let position = scope.commit(batch).await.unwrap();
        assert!(position > last, "a task's writes are in its order");
        assert!(scope.position() >= position, "acknowledged before it was published");
        assert_eq!(scope.get(&BESIDE, (task, round)).unwrap().unwrap().position, position);
        last = position;
    }
}

/// Follows the published position to `end`: it only grows, and all up to it can be read.
async fn follow_positions(scope: Scope, end: Position) {
    let mut positions = scope.positions();
    let mut seen = Position::START;
    while seen < end {
        positions.changed().await.unwrap();
        let position = *positions.borrow_and_update();
        assert!(position > seen);
        let new = scope.scan(&LOG, ()).after((seen,)).through((position,)).limit(10_000).keys().unwrap();
        assert_eq!(u64::try_from(new.len()).unwrap(), position.0 - seen.0, "published before its rows were there");
        seen = position;
    }
}

/// Follows the live feed to `end`, reading what it missed from the durable one: each entry once, in order.
async fn follow_feed(scope: Scope, end: Position) {
    let mut live = scope.announcements();
    let mut seen = Position::START;
    while seen < end {
        let before = seen;
        let mut note = |position: Position| {
            // The durable feed may be ahead of the live one.
            if position > seen {
                assert_eq!(position, seen.next(), "an entry is missing");
                seen = position;
            }
        };
        match live.recv().await {
            Ok(announcements) => announcements.iter().for_each(|entry| note(entry.position)),
            Err(RecvError::Lagged(_)) => {
                let missed = feed::read(&scope, before, 10_000).unwrap();
                missed.iter().for_each(|entry| note(entry.position));
            }
            Err(RecvError::Closed) => panic!("the feed ended"),
        }
    }
}

async fn stress(kv: impl Kv, rounds: u64) {
    let store: Arc<Store> = Store::open(kv).unwrap();
    let end = Position(TASKS * rounds * 2);
    let mut tasks = JoinSet::new();
    for tenant in 0..TENANTS {
        let scope = Scope::new(&store, TenantId(tenant)).unwrap();
        for _ in 0..2 {
            tasks.spawn(follow_positions(scope.clone(), end));
            tasks.spawn(follow_feed(scope.clone(), end));
        }
        for task in 0..TASKS {
            tasks.spawn(write(scope.clone(), task, rounds));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    for tenant in 0..TENANTS {
        let scope = Scope::new(&store, TenantId(tenant)).unwrap();
        assert_eq!(scope.position(), end);
        for task in 0..TASKS {
            let count = scope.scan(&BESIDE, (task,)).keys().unwrap().len();
            assert_eq!(u64::try_from(count).unwrap(), rounds);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    stress(Memory::new(), 100).await;
}

#[cfg(feature = "rocks")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_disk() {
    let folder = tempfile::tempdir().unwrap();
    stress(store::rocks::Rocks::open(folder.path(), &store::rocks::Options::default()).unwrap(), 20).await;
}
