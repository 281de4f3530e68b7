//! The contract at the level of bytes: points, scans, batches, snapshots.

use std::{collections::BTreeMap, ops::Bound};

use kernel::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::Place;
use crate::kv::{Direction, Kv, Range, Row, Space, Write};

pub(super) fn put(space: Space, key: &[u8], value: &[u8]) -> Write {
    Write::Put { space, key: key.to_vec(), value: value.to_vec() }
}

fn delete(space: Space, key: &[u8]) -> Write {
    Write::Delete { space, key: key.to_vec() }
}

pub(super) fn points(kv: &dyn Kv) {
    let keys: [&[u8]; 7] = [b"a", b"a\0", b"a\0\0", b"\0", b"\xff", b"\xff\xff", b"a\xff"];
    for space in Space::ALL {
        let value = |key: &[u8]| [space.name().as_bytes(), key].concat();
        assert_eq!(kv.get(space, b"a").unwrap(), None, "an empty database has no rows");
        kv.commit(&keys.map(|key| put(space, key, &value(key)))).unwrap();
        for key in keys {
            assert_eq!(kv.get(space, key).unwrap().unwrap(), value(key), "{key:?}");
        }
        // In the order asked for, absent and repeated keys included.
        let asked = [b"\xff".to_vec(), b"absent".to_vec(), b"a".to_vec(), b"\xff".to_vec()];
        let found = kv.multi_get(space, &asked).unwrap();
        let expected = [Some(value(b"\xff")), None, Some(value(b"a")), Some(value(b"\xff"))];
        assert_eq!(found.iter().map(|found| found.as_deref().map(<[u8]>::to_vec)).collect::<Vec<_>>(), expected);
        assert!(kv.multi_get(space, &[]).unwrap().is_empty());
        kv.commit(&[delete(space, b"a\0"), delete(space, b"was never there")]).unwrap();
        assert_eq!(kv.get(space, b"a\0").unwrap(), None, "a deleted row is gone");
        assert!(kv.get(space, b"a").unwrap().is_some(), "its neighbour is not");
    }
}

pub(super) fn limits(kv: &dyn Kv) {
    let key = vec![0xff; KEY_BYTES_MAX];
    let value: Vec<u8> = (0..VALUE_BYTES_MAX).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for space in Space::ALL {
        kv.commit(&[put(space, &key, &value), put(space, b"empty", b"")]).unwrap();
        assert_eq!(kv.get(space, &key).unwrap().unwrap(), value);
        assert_eq!(kv.get(space, b"empty").unwrap().unwrap(), b"".as_slice(), "an empty value is a row");
        let range = Range::prefix(vec![0xff]);
        assert_eq!(kv.scan(space, &range, 10, Direction::Forward).unwrap(), [(key.clone(), value.clone().into())]);
    }
    kv.commit(&[]).unwrap();
}

/// Every pair of bounds, direction and limit, against a map.
pub(super) fn scans(kv: &dyn Kv) {
    let keys: [&[u8]; 8] = [b"\0", b"\0\0", b"a", b"a\0", b"a\xff", b"b", b"\xff", b"\xff\xff"];
    let model: BTreeMap<Vec<u8>, Vec<u8>> = keys.iter().map(|key| (key.to_vec(), [b"v", *key].concat())).collect();
    let writes: Vec<Write> = model.iter().map(|(key, value)| put(Space::Log, key, value)).collect();
    kv.commit(&writes).unwrap();
    kv.commit(&[put(Space::Index, b"a", b"of another space")]).unwrap();

    let probes: [&[u8]; 6] = [b"\0", b"a", b"a\0", b"aa", b"b", b"\xff\xff"];
    let mut bounds = vec![Bound::Unbounded];
    for probe in probes {
        bounds.extend([Bound::Included(probe.to_vec()), Bound::Excluded(probe.to_vec())]);
    }
    for start in &bounds {
        for end in &bounds {
            let range = Range { start: start.clone(), end: end.clone() };
            let mut expected: Vec<Row> = model
                .iter()
                .filter(|(key, _)| range.contains(key))
                .map(|(key, value)| (key.clone(), value.clone().into()))
                .collect();
            for direction in [Direction::Forward, Direction::Backward] {
                for limit in [0, 1, 3, usize::MAX] {
                    let rows = kv.scan(Space::Log, &range, limit, direction).unwrap();
                    assert_eq!(rows, expected[..limit.min(expected.len())], "{range:?} {direction:?} {limit}");
                }
                expected.reverse();
            }
        }
    }
}

pub(super) fn order_within_a_batch(kv: &dyn Kv) {
    let space = Space::Index;
    kv.commit(&[put(space, b"old", b"1")]).unwrap();
    kv.commit(&[
        put(space, b"put, delete", b"1"),
        delete(space, b"put, delete"),
        delete(space, b"delete, put"),
        put(space, b"delete, put", b"1"),
        put(space, b"put, put", b"1"),
        put(space, b"put, put", b"2"),
        delete(space, b"old"),
        put(space, b"old", b"2"),
        delete(space, b"old"),
    ])
    .unwrap();
    assert_eq!(kv.get(space, b"put, delete").unwrap(), None);
    assert_eq!(kv.get(space, b"delete, put").unwrap().unwrap(), b"1".as_slice());
    assert_eq!(kv.get(space, b"put, put").unwrap().unwrap(), b"2".as_slice());
    assert_eq!(kv.get(space, b"old").unwrap(), None);
}

pub(super) fn snapshots(kv: &dyn Kv) {
    let space = Space::Node;
    let all = Range { start: Bound::Unbounded, end: Bound::Unbounded };
    kv.commit(&[put(space, b"changed", b"before"), put(space, b"deleted", b"before")]).unwrap();
    let before = kv.snapshot();
    kv.commit(&[put(space, b"changed", b"after"), delete(space, b"deleted"), put(space, b"new", b"after")]).unwrap();

    let names = [b"changed".to_vec(), b"deleted".to_vec(), b"new".to_vec()];
    let seen = before.multi_get(space, &names).unwrap();
    assert_eq!(seen.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(before.get(space, b"changed").unwrap().unwrap(), b"before".as_slice());
    assert_eq!(before.scan(space, &all, 10, Direction::Backward).unwrap().len(), 2);
    assert_eq!(kv.get(space, b"changed").unwrap().unwrap(), b"after".as_slice());
    assert_eq!(kv.scan(space, &all, 10, Direction::Forward).unwrap().len(), 2);
    drop(before);
    assert!(kv.snapshot().get(space, b"new").unwrap().is_some());
}

/// A reader beside a writer sees every batch whole, in all spaces.
pub(super) fn atomicity(kv: &dyn Kv) {
    const COMMITS: u32 = 100;
    let rows = |round: u32| Space::ALL.map(|space| put(space, b"round", &round.to_be_bytes()));
    kv.commit(&rows(0)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..=COMMITS).for_each(|round| kv.commit(&rows(round)).unwrap()));
        let mut last = 0_u32.to_be_bytes().to_vec();
        while !writer.is_finished() {
            let view = kv.snapshot();
            let seen = Space::ALL.map(|space| view.get(space, b"round").unwrap().unwrap());
            assert!(seen.iter().all(|round| *round == seen[0]), "a torn batch: {seen:?}");
            assert!(seen[0] >= last, "a snapshot older than the one before");
            last = seen[0].to_vec();
        }
        writer.join().unwrap();
    });
    assert_eq!(kv.get(Space::Event, b"round").unwrap().unwrap(), COMMITS.to_be_bytes().as_slice());
}

pub(super) fn survives(place: &impl Place) {
    let rows = Space::ALL.map(|space| put(space, space.name().as_bytes(), b"kept"));
    place.open().commit(&rows).unwrap();
    let kv = place.open();
    for space in Space::ALL {
        assert_eq!(kv.get(space, space.name().as_bytes()).unwrap().unwrap(), b"kept".as_slice());
    }
}
