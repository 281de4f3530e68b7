//! No scan leaves its prefix: neither of bytes, nor of a tenant, a table or a key's first component (hazard T2).

use std::{collections::BTreeSet, sync::Arc};

use kernel::{Random, TenantId, random::SeededRandom};

use super::rows::put;
use crate::{
    Scope, Store,
    kv::{Direction, Kv, Range, Space},
    table::Table,
};

/// Bytes that sort at the ends, and their neighbours.
const BYTES: [u8; 6] = [0x00, 0x01, 0x61, 0x62, 0xfe, 0xff];

fn random(random: &SeededRandom, below: usize) -> usize {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    usize::try_from(u64::from_be_bytes(bytes) % u64::try_from(below).unwrap()).unwrap()
}

pub(super) fn bytes(kv: &dyn Kv) {
    let seeded = SeededRandom::new(1);
    let key = || -> Vec<u8> { (0..=random(&seeded, 5)).map(|_| BYTES[random(&seeded, BYTES.len())]).collect() };
    let keys: BTreeSet<Vec<u8>> = (0..400).map(|_| key()).collect();
    kv.commit(&keys.iter().map(|key| put(Space::Index, key, key)).collect::<Vec<_>>()).unwrap();
    for _ in 0..200 {
        let prefix = key();
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(&prefix)).cloned().collect();
        for direction in [Direction::Forward, Direction::Backward] {
            let rows = kv.scan(Space::Index, &Range::prefix(prefix.clone()), usize::MAX, direction).unwrap();
            let mut found: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
            if direction == Direction::Backward {
                found.reverse();
            }
            assert_eq!(found, expected, "prefix {prefix:?}");
        }
    }
}

type Words = Table<(String, String, u32), String>;

/// Two tables that are neighbours.
const TABLES: [Words; 2] = [Words::new(0xf0, "words", Space::Index), Words::new(0xf1, "more words", Space::Index)];
/// Tenants that are neighbours, also in their bytes.
const TENANTS: [u32; 7] = [0, 1, 0xff, 0x100, 0x101, u32::MAX - 1, u32::MAX];
const WORDS: [&str; 8] = ["", "\0", "a", "a\0", "aa", "a\u{ff}", "b", "\u{10ffff}"];

pub(super) fn tables(kv: Arc<dyn Kv>) {
    let seeded = SeededRandom::new(2);
    let store = Store::with_engine(kv).unwrap();
    let word = || WORDS[random(&seeded, WORDS.len())].to_owned();
    let mut rows = BTreeSet::new();
    for _ in 0..600 {
        let tenant = TENANTS[random(&seeded, TENANTS.len())];
        rows.insert((tenant, random(&seeded, 2), (word(), word(), u32::try_from(random(&seeded, 3)).unwrap())));
    }
    let said = |row: &(u32, usize, Key)| format!("{row:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for tenant in TENANTS {
        let scope = Scope::new(&store, TenantId(tenant)).unwrap();
        let mut batch = scope.batch();
        for row in rows.iter().filter(|row| row.0 == tenant) {
            batch.put(&TABLES[row.1], row.2.clone(), &said(row));
        }
        runtime.block_on(scope.commit(batch)).unwrap();
    }
    for tenant in TENANTS {
        let scope = Scope::new(&store, TenantId(tenant)).unwrap();
        for (number, table) in TABLES.iter().enumerate() {
            let own = rows.iter().filter(|row| row.0 == tenant && row.1 == number);
            check(&scope, table, &own.map(|row| (row.2.clone(), said(row))).collect::<Vec<_>>());
        }
    }
}

type Key = (String, String, u32);

/// Compares every scan of the table, by no, one and two components, with its own rows.
fn check(scope: &Scope, table: &Words, own: &[(Key, String)]) {
    let compare = |mut rows: Vec<(Key, String)>, within: &dyn Fn(&Key) -> bool| {
        rows.sort();
        assert_eq!(rows, own.iter().filter(|(key, _)| within(key)).cloned().collect::<Vec<_>>());
    };
    compare(scope.scan(table, ()).rows().unwrap(), &|_| true);
    for a in WORDS {
        compare(scope.scan(table, (a,)).backward().rows().unwrap(), &|key| key.0 == a);
        // A bound of another prefix does not lead there.
        for outside in WORDS.into_iter().filter(|word| *word != a) {
            let rows = scope.scan(table, (a,)).through((outside, outside, 9)).rows().unwrap();
            assert!(rows.iter().all(|(key, _)| key.0 == a), "left {a:?} for {outside:?}");
            let rows = scope.scan(table, (a,)).from((outside, outside, 0)).rows().unwrap();
            assert!(rows.iter().all(|(key, _)| key.0 == a), "left {a:?} for {outside:?}");
        }
        for b in WORDS {
            compare(scope.scan(table, (a, b)).rows().unwrap(), &|key| key.0 == a && key.1 == b);
        }
    }
}
