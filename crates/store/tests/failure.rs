//! A disk that fails: no acknowledgement, nothing half visible, the store says so and takes no more.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use kernel::{Position, TenantId};
use store::{
    Batch, Error, Scope, Space, Stamp, Store, Table, Topic,
    faulty::{Faults, Faulty, Outcome},
    memory::Memory,
};

const ROWS: Table<(String, Position), String> = Table::new(0xf0, "rows", Space::Log);
const NAMES: Table<(String,), String> = Table::new(0xf1, "names", Space::Index);

fn open(memory: &Memory) -> (Arc<Store>, Faults) {
    let (engine, faults) = Faulty::new(memory.clone());
    (Store::open(engine).unwrap(), faults)
}

fn scope(store: &Arc<Store>, tenant: u32) -> Scope {
    Scope::new(store, TenantId(tenant)).unwrap()
}

/// Rows in two spaces and an announcement.
fn change(scope: &Scope, name: &str) -> Batch {
    let mut batch = scope.batch();
    let stamp: Stamp = batch.stamp();
    batch.put(&ROWS, (name, stamp), &name.to_owned());
    batch.put(&NAMES, (name,), &name.to_owned());
    batch.announce(Topic(1), stamp, &name.to_owned());
    batch
}

#[tokio::test]
async fn a_failed_commit_stops_the_store() {
    let memory = Memory::new();
    let (store, faults) = open(&memory);
    let (one, two) = (scope(&store, 1), scope(&store, 2));
    one.commit(change(&one, "kept")).await.unwrap();
    let mut live = one.announcements();

    faults.fail_commit(1, Outcome::Lost);
    let held = faults.hold();
    // Some in the group that fails and some behind it, of two tenants.
    let tickets =
        [(&one, "a"), (&two, "b"), (&one, "c")].map(|(scope, name)| scope.enqueue(change(scope, name)).unwrap());
    drop(held);
    for ticket in tickets {
        let error = ticket.wait().await.unwrap_err();
        assert!(matches!(error, Error::Engine(_) | Error::Unavailable), "{error}");
        assert!(!store.ready(), "whoever is refused finds a store that says why");
    }
    assert!(matches!(store.failed().await, Error::Engine(reason) if reason.contains("injected")));

    // Nothing of it is visible, what was there still is, and nothing more is taken or tried.
    assert_eq!((one.position(), two.position()), (Position(1), Position::START));
    assert_eq!(one.get(&NAMES, ("kept",)).unwrap().as_deref(), Some("kept"));
    assert_eq!(one.scan(&ROWS, ()).keys().unwrap().len() + two.scan(&ROWS, ()).keys().unwrap().len(), 1);
    assert!(live.try_recv().is_err());
    assert!(matches!(one.commit(change(&one, "later")).await, Err(Error::Unavailable)));
    assert_eq!(faults.commits(), 2);

    // The same data, opened again by a process that has started anew.
    drop((one, two));
    store.close();
    let (store, _) = open(&memory);
    let one = scope(&store, 1);
    assert!(store.ready());
    assert_eq!(one.commit(change(&one, "again")).await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_commit_that_failed_after_the_write_is_whole_and_its_position_is_not_given_again() {
    let memory = Memory::new();
    let (store, faults) = open(&memory);
    let one = scope(&store, 1);
    faults.fail_commit(1, Outcome::Written);
    assert!(matches!(one.commit(change(&one, "a")).await, Err(Error::Engine(_))));
    assert_eq!(one.position(), Position::START, "not published");
    assert!(!store.ready());

    let (store, _) = open(&memory);
    let one = scope(&store, 1);
    assert_eq!(one.position(), Position(1));
    assert_eq!(one.scan(&ROWS, ("a",)).keys().unwrap(), [("a".to_owned(), Position(1))]);
    assert_eq!(one.get(&NAMES, ("a",)).unwrap().as_deref(), Some("a"));
    assert_eq!(one.commit(change(&one, "b")).await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_failed_read_is_an_error_to_its_caller_only() {
    let (store, faults) = open(&Memory::new());
    let one = scope(&store, 1);
    one.commit(change(&one, "a")).await.unwrap();
    faults.fail_read(1);
    assert!(matches!(one.get(&NAMES, ("a",)), Err(Error::Engine(_))), "never taken for an absent row");
    faults.fail_read(1);
    assert!(matches!(one.scan(&ROWS, ()).rows(), Err(Error::Engine(_))));
    faults.fail_read(1);
    assert!(matches!(one.multi_get(&NAMES, &[("a",)]), Err(Error::Engine(_))));

    // A precondition that cannot be read is not taken to hold.
    faults.fail_read(1);
    let mut batch = change(&one, "b");
    batch.expect(&NAMES, ("b",), None);
    assert!(matches!(one.commit(batch).await, Err(Error::Engine(_))));
    assert!(one.get(&NAMES, ("b",)).unwrap().is_none());
    assert!(store.ready());
    one.commit(change(&one, "c")).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_and_recovers() {
    let (store, faults) = open(&Memory::new());
    let one = scope(&store, 1);
    let large = |number: u32| {
        let mut batch = one.batch();
        for row in 0..80 {
            batch.put(&NAMES, (format!("{number} {row}"),), &"x".repeat(90_000));
        }
        batch
    };
    let held = faults.hold();
    let first = one.enqueue(large(0)).unwrap();
    let mut waiting = vec![first];
    let refused = (1..100).find_map(|number| match one.enqueue(large(number)) {
        Ok(ticket) => {
            waiting.push(ticket);
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(Error::Unavailable)));
    assert!((9..=11).contains(&waiting.len()), "64 MB wait at most beside those being written: {}", waiting.len());
    drop(held);
    for ticket in waiting {
        ticket.wait().await.unwrap();
    }
    one.commit(large(100)).await.unwrap();

    let held = faults.hold();
    let mut waiting = Vec::new();
    while let Ok(ticket) = one.enqueue(change(&one, "many")) {
        waiting.push(ticket);
        assert!(waiting.len() < 10_000, "the queue has no bound");
    }
    drop(held);
    for ticket in waiting {
        ticket.wait().await.unwrap();
    }
    assert!(store.ready(), "a full queue is no failure");
}

#[tokio::test]
async fn closing_writes_what_waits_and_takes_no_more() {
    let memory = Memory::new();
    let (store, faults) = open(&memory);
    let one = scope(&store, 1);
    let held = faults.hold();
    let mut tickets: Vec<_> = (0..100).map(|n| one.enqueue(change(&one, &n.to_string())).unwrap()).collect();
    // A caller who has gone away does not undo his change.
    drop(tickets.pop());
    let closing = {
        let store = store.clone();
        std::thread::spawn(move || store.close())
    };
    while one.enqueue(change(&one, "too late")).is_ok() {
        std::thread::yield_now();
    }
    drop(held);
    closing.join().unwrap();
    for ticket in tickets {
        ticket.wait().await.unwrap();
    }
    assert!(one.position() >= Position(100));
    assert!(one.get(&NAMES, ("99",)).unwrap().is_some());
    assert!(matches!(one.commit(change(&one, "later")).await, Err(Error::Unavailable)));
}

#[tokio::test]
async fn a_view_that_panics_is_a_failed_store_not_a_silent_one() {
    let (store, _) = open(&Memory::new());
    let one = scope(&store, 1);
    one.view(|_| panic!("a mistake of an owner (expected by this test)"));
    assert!(matches!(one.commit(change(&one, "a")).await, Err(Error::Unavailable)));
    assert!(matches!(store.failed().await, Error::Engine(_)));
    assert!(!store.ready());
}
