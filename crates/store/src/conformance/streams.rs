//! What owners are promised through `Store` and `Scope`, on whatever engine: positions, preconditions, feed, blobs.

use std::sync::Arc;

use bytes::Bytes;
use kernel::{
    Position, TenantId,
    limits::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX},
};
use parking_lot::Mutex;

use super::Place;
use crate::{
    Error, Scope, Store, Topic, blob,
    blob::Blobs,
    feed,
    kv::{Kv, Space},
    table::{Stamped, Table},
};

const LOG: Table<(String, Position), String> = Table::new(0xf0, "log", Space::Log);
const LAST: Table<(String,), Stamped<String>> = Table::new(0xf1, "last", Space::Index);
const WORDS: Table<(String,), String> = Table::new(0xf2, "words", Space::Event);
const LARGE: Blobs<String> = Table::new(0xf3, "large", Space::Node);
const TOPIC: Topic = Topic(7);

fn scope(store: &Arc<Store>, tenant: u32) -> Scope {
    Scope::new(store, TenantId(tenant)).unwrap()
}

/// Positions are contiguous, in the order of the batches, per tenant, and stand in keys and values.
pub(super) async fn stamps(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv).unwrap();
    let (one, two) = (scope(&store, 1), scope(&store, 2));
    assert_eq!(one.position(), Position::START);

    let mut batch = one.batch();
    let (first, second) = (batch.stamp(), batch.stamp());
    batch.put(&LOG, ("room", second), &"second".to_owned());
    batch.put(&LOG, ("room", first), &"first".to_owned());
    batch.put_stamped(&LAST, ("room",), second, &"second".to_owned());
    let mut more = one.batch();
    let third = more.stamp();
    more.put(&LOG, ("room", third), &"third".to_owned());
    more.announce(TOPIC, third, &"third".to_owned());
    batch.append(more);
    assert_eq!(one.commit(batch).await.unwrap(), Position(3));

    let rows = one.scan(&LOG, ("room",)).rows().unwrap();
    let expected = ["first", "second", "third"].iter().zip(1..);
    let expected: Vec<_> =
        expected.map(|(text, position)| (("room".to_owned(), Position(position)), (*text).to_owned())).collect();
    assert_eq!(rows, expected);
    let last = one.get(&LAST, ("room",)).unwrap().unwrap();
    assert_eq!(last, Stamped { position: Position(2), value: "second".to_owned() });
    assert_eq!(feed::read(&one, Position::START, 9).unwrap()[0].position, Position(3));

    // No stamp: the stream stays where it is. Another tenant's stream is its own.
    let mut batch = one.batch();
    batch.put(&WORDS, ("a",), &"b".to_owned());
    assert_eq!(one.commit(batch).await.unwrap(), Position(3));
    let mut batch = two.batch();
    let stamp = batch.stamp();
    batch.put(&LOG, ("room", stamp), &"of two".to_owned());
    assert_eq!(two.commit(batch).await.unwrap(), Position(1));
    assert_eq!((one.position(), two.position()), (Position(3), Position(1)));
    assert_eq!(one.commit(one.batch()).await.unwrap(), Position(3), "an empty batch is nothing");
}

/// Rows are there before views are told, views before the position is published, the position before it is announced.
pub(super) async fn publication(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv.clone()).unwrap();
    let scope = scope(&store, 1);
    let told = Arc::new(Mutex::new(Vec::new()));
    {
        let (told, published) = (told.clone(), scope.positions());
        scope.view(move |announcements| {
            for announcement in announcements {
                // Through the engine, as a view that held a scope would keep its own store alive.
                let key = LOG.key(TenantId(1), &("room", announcement.position)).bytes;
                assert!(kv.get(LOG.space(), &key).unwrap().is_some(), "told of a row that is not there");
                assert!(*published.borrow() < announcement.position, "published before the view was told");
                told.lock().push(announcement.position);
            }
        });
    }
    let mut positions = scope.positions();
    let mut live = scope.announcements();
    let mut tickets = Vec::new();
    for round in 0..20_u64 {
        let mut batch = scope.batch();
        for _ in 0..3 {
            let stamp = batch.stamp();
            batch.put(&LOG, ("room", stamp), &round.to_string());
            batch.announce(TOPIC, stamp, &round.to_string());
        }
        tickets.push(scope.enqueue(batch).unwrap());
    }
    let mut announced = Vec::new();
    while announced.len() < 60 {
        for announcement in live.recv().await.unwrap().iter() {
            assert!(scope.position() >= announcement.position, "announced before it was published");
            announced.push((announcement.position, announcement.read::<String>().unwrap()));
        }
    }
    let expected: Vec<_> = (0..60).map(|n| (Position(n + 1), (n / 3).to_string())).collect();
    assert_eq!(announced, expected);
    assert_eq!(*told.lock(), expected.iter().map(|(position, _)| *position).collect::<Vec<_>>());
    assert_eq!(positions.wait_for(|position| *position >= Position(60)).await.unwrap().0, 60);
    // The queue keeps the order in which one caller filled it.
    for (round, ticket) in (1..).zip(tickets) {
        assert_eq!(ticket.wait().await.unwrap(), Position(3 * round));
    }
}

pub(super) async fn expectations(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv).unwrap();
    let scope = scope(&store, 1);
    let change = |from: Option<&str>, to: Option<&str>| {
        let mut batch = scope.batch();
        let stamp = batch.stamp();
        batch.expect(&WORDS, ("name",), from.map(str::to_owned).as_ref());
        match to {
            Some(to) => batch.put(&WORDS, ("name",), &to.to_owned()),
            None => batch.delete(&WORDS, ("name",)),
        }
        batch.put(&LOG, ("changes", stamp), &format!("{from:?} {to:?}"));
        scope.enqueue(batch).unwrap()
    };
    // All in the queue at once, so that most of them meet in a group.
    let tickets = [
        (change(None, Some("a")), true),
        (change(None, Some("b")), false),
        (change(Some("b"), Some("c")), false),
        (change(Some("a"), Some("d")), true),
        (change(Some("a"), None), false),
        (change(Some("d"), None), true),
        (change(Some("d"), Some("e")), false),
        (change(None, Some("f")), true),
    ];
    let mut kept = 0;
    for (ticket, holds) in tickets {
        match ticket.wait().await {
            Ok(position) => {
                kept += 1;
                assert!(holds && position == Position(kept), "a refused batch takes no position");
            }
            Err(error) => assert!(!holds && matches!(error, Error::Conflict), "{error}"),
        }
    }
    assert_eq!(scope.get(&WORDS, ("name",)).unwrap().as_deref(), Some("f"));
    assert_eq!(scope.scan(&LOG, ("changes",)).keys().unwrap().len(), 4, "a refused batch writes nothing");
    // And against what lies on disk.
    assert!(matches!(change(Some("other"), None).wait().await, Err(Error::Conflict)));
    change(Some("f"), None).wait().await.unwrap();
}

/// What cannot be written is refused whole.
pub(super) async fn refusals(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv).unwrap();
    let scope = scope(&store, 1);
    let other = super::streams::scope(&store, 2);
    let started = |first: &str| {
        let mut batch = scope.batch();
        let stamp = batch.stamp();
        batch.put(&LOG, (first, stamp), &String::new());
        (batch, stamp)
    };
    let (mut value, _) = started("value");
    value.put(&WORDS, ("large",), &"x".repeat(VALUE_BYTES_MAX + 1));
    let (mut key, _) = started("key");
    key.put(&WORDS, ("x".repeat(KEY_BYTES_MAX),), &String::new());
    let (mut entry, stamp) = started("entry");
    entry.announce(TOPIC, stamp, &"x".repeat(VALUE_BYTES_MAX));
    let (mut large, _) = started("batch");
    for number in 0..=BATCH_BYTES_MAX / VALUE_BYTES_MAX {
        large.put(&WORDS, (number.to_string(),), &"x".repeat(VALUE_BYTES_MAX));
    }
    for batch in [value, key, entry, large] {
        assert!(matches!(scope.commit(batch).await, Err(Error::TooLarge { .. })));
    }
    let (mut twice, stamp) = started("twice");
    twice.announce(TOPIC, stamp, &String::new());
    twice.announce(TOPIC, stamp, &String::new());
    let (mut foreign, _) = started("foreign stamp");
    let mut longer = scope.batch();
    let foreign_stamp = [longer.stamp(), longer.stamp()][1];
    foreign.put(&LOG, ("foreign stamp", foreign_stamp), &String::new());
    let (mut mixed, _) = started("mixed");
    mixed.append(other.batch());
    for batch in [twice, foreign, mixed, other.batch()] {
        assert!(matches!(scope.commit(batch).await, Err(Error::Misuse(_))));
    }
    assert_eq!(scope.position(), Position::START);
    assert!(scope.scan(&LOG, ()).keys().unwrap().is_empty() && scope.scan(&WORDS, ()).keys().unwrap().is_empty());
    assert!(store.ready(), "a refusal is no failure of the store");
}

pub(super) async fn feed(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv).unwrap();
    let (scope, other) = (scope(&store, 1), scope(&store, 2));
    for number in 1..=10_u64 {
        let mut batch = scope.batch();
        let stamp = batch.stamp();
        batch.announce(Topic(u8::try_from(number).unwrap()), stamp, &number);
        scope.commit(batch).await.unwrap();
    }
    let read = |after: u64, limit: usize| -> Vec<u64> {
        let entries = feed::read(&scope, Position(after), limit).unwrap();
        for entry in &entries {
            assert_eq!((u64::from(entry.topic.0), entry.tenant), (entry.position.0, TenantId(1)));
        }
        entries.iter().map(|entry| entry.read().unwrap()).collect()
    };
    assert_eq!(read(0, 3), [1, 2, 3]);
    assert_eq!(read(7, 100), [8, 9, 10]);
    assert_eq!(read(10, 100), [0_u64; 0]);
    assert!(feed::read(&other, Position::START, 100).unwrap().is_empty(), "another tenant's feed is its own");

    assert_eq!(feed::cursor(&scope, "search").unwrap(), Position::START);
    let mut batch = scope.batch();
    feed::advance(&mut batch, "search", Position(4));
    scope.commit(batch).await.unwrap();
    assert_eq!(feed::cursor(&scope, "search").unwrap(), Position(4));
    assert_eq!(feed::cursor(&scope, "push").unwrap(), Position::START);
    assert_eq!(feed::cursor(&other, "search").unwrap(), Position::START);

    assert_eq!(feed::trim(&scope, Position(4), 3).await.unwrap(), 3);
    assert_eq!(feed::trim(&scope, Position(4), 3).await.unwrap(), 1);
    assert_eq!(feed::trim(&scope, Position(4), 3).await.unwrap(), 0);
    assert_eq!(read(0, 2), [5, 6]);
    assert_eq!(scope.position(), Position(10));
}

pub(super) async fn blobs(kv: Arc<dyn Kv>) {
    let store = Store::with_engine(kv).unwrap();
    let scope = scope(&store, 1);
    let write = async |key: &'static str, blob: &[u8], old: usize| {
        let mut batch = scope.batch();
        blob::put(&mut batch, &LARGE, key, blob, old);
        scope.commit(batch).await.unwrap();
    };
    let blob = |length: usize| -> Vec<u8> { (0..length).map(|n| u8::try_from(n % 249).unwrap()).collect() };
    let mut old = 0;
    for length in [1, 3 * VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX, 2 * VALUE_BYTES_MAX - 1, 0] {
        write("b", &blob(length), old).await;
        let found = blob::get(&scope, &LARGE, "b").unwrap();
        assert_eq!(found.as_deref(), (length > 0).then(|| blob(length)).as_deref(), "{length} after {old}");
        old = length;
    }
    write("a", &blob(5), 0).await;
    assert_eq!(blob::get(&scope, &LARGE, "b").unwrap(), None, "a neighbour's blob is its own");
    let mut batch = scope.batch();
    batch.put(&LARGE, ("holed", 1_u32), &Bytes::from_static(b"the second piece"));
    scope.commit(batch).await.unwrap();
    assert!(matches!(blob::get(&scope, &LARGE, "holed"), Err(Error::Damaged { .. })));
}

/// What was given out is never given out again, even if its rows are gone.
pub(super) async fn positions_survive(place: &impl Place) {
    for round in 0..3_u64 {
        let store = Store::with_engine(place.open()).unwrap();
        let scope = scope(&store, 1);
        assert_eq!(scope.position(), Position(2 * round));
        let mut batch = scope.batch();
        let (first, _) = (batch.stamp(), batch.stamp());
        batch.announce(TOPIC, first, &round);
        assert_eq!(scope.commit(batch).await.unwrap(), Position(2 * round + 2));
        feed::trim(&scope, Position::END, 100).await.unwrap();
        store.close();
    }
}
