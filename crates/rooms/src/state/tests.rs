//! The tree against a plain map: whatever is set in whatever order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::id::OwnedEventId;
use proptest::{collection::vec, prelude::*, sample};
use store::{Scope, Store, memory::Memory};

use super::{Entry, Growth, Root, Trees};

type Key = (String, String);
type Map = BTreeMap<Key, OwnedEventId>;

fn scope(store: &Arc<Store>) -> Scope {
    Scope::new(store, kernel::TenantId(1)).unwrap()
}

fn event(number: u16) -> OwnedEventId {
    format!("$event{number}").try_into().unwrap()
}

/// Pieces of state: few types and keys, so that many are set again, and enough for some levels of branches.
fn changes() -> impl Strategy<Value = Vec<(Key, OwnedEventId)>> {
    let kind = sample::select(vec!["m.room.member", "m.room.name", "a", "ab"]);
    let key =
        prop_oneof![Just(String::new()), (0..150_u16).prop_map(|n| format!("@u{n}:a.example")), Just("b".to_owned())];
    vec(((kind, key), any::<u16>()), 0..300)
        .prop_map(|set| set.into_iter().map(|((kind, key), id)| ((kind.to_owned(), key), event(id))).collect())
}

/// The state after these changes, on disk.
async fn grow(
    trees: &Trees,
    scope: &Scope,
    from: Root,
    changes: impl IntoIterator<Item = (Key, OwnedEventId)>,
) -> Root {
    let mut growth = Growth::new(trees);
    let mut root = from;
    for ((kind, key), id) in changes {
        root = growth.insert(root, &kind, &key, &id).unwrap();
        assert_eq!(growth.get(root, &kind, &key).unwrap(), Some(id));
    }
    let mut batch = scope.batch();
    growth.write(root, &mut batch);
    scope.commit(batch).await.unwrap();
    root
}

fn entries(map: impl IntoIterator<Item = (Key, OwnedEventId)>) -> BTreeMap<Key, OwnedEventId> {
    map.into_iter().collect()
}

fn listed(entries: Vec<Entry>) -> Map {
    entries.into_iter().map(|entry| ((entry.event_type, entry.state_key), entry.event_id)).collect()
}

/// What differs, by plain maps: key, old, new.
fn plain_difference(old: &Map, new: &Map) -> BTreeSet<(Key, Option<OwnedEventId>, Option<OwnedEventId>)> {
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    let both = keys.into_iter().map(|key| (key.clone(), old.get(key).cloned(), new.get(key).cloned()));
    both.filter(|(_, old, new)| old != new).collect()
}

fn difference(trees: &Trees, old: Root, new: Root) -> BTreeSet<(Key, Option<OwnedEventId>, Option<OwnedEventId>)> {
    let found = trees.difference(old, new).unwrap();
    let count = found.len();
    let rows = found.into_iter().map(|change| {
        let one = change.new.as_ref().or(change.old.as_ref()).unwrap();
        let key = (one.event_type.clone(), one.state_key.clone());
        (key, change.old.map(|entry| entry.event_id), change.new.map(|entry| entry.event_id))
    });
    let rows: BTreeSet<_> = rows.collect();
    assert_eq!(rows.len(), count, "a key is told twice");
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_tree_is_a_map_whose_order_of_growth_does_not_show(
        first in changes(),
        (second, shuffled) in changes().prop_flat_map(|set| {
            let map: Vec<_> = entries(set.clone()).into_iter().collect();
            (Just(set), Just(map).prop_shuffle())
        }),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(Memory::new()).unwrap();
            let scope = scope(&store);
            let trees = Trees::new(scope.clone());
            let (old, new) = (entries(first.clone()), entries(second.clone()));
            let old_root = grow(&trees, &scope, Root::EMPTY, first).await;
            let new_root = grow(&trees, &scope, Root::EMPTY, second.clone()).await;
            assert_eq!(grow(&trees, &scope, Root::EMPTY, shuffled).await, new_root, "the order shows");

            // Read from the store, by trees that remember nothing.
            let trees = Trees::new(scope.clone());
            assert_eq!(listed(trees.all(new_root).unwrap()), new);
            assert_eq!(trees.len(new_root).unwrap(), new.len());
            for (kind, key) in old.keys().chain(new.keys()) {
                assert_eq!(trees.get(new_root, kind, key).unwrap().as_ref(), new.get(&(kind.clone(), key.clone())));
            }
            assert_eq!(difference(&trees, old_root, new_root), plain_difference(&old, &new));
            assert_eq!(difference(&trees, new_root, old_root), plain_difference(&new, &old));
            assert!(trees.difference(new_root, new_root).unwrap().is_empty());

            // One state that grew out of the other is the same as one made at once.
            let both: Map = old.into_iter().chain(new).collect();
            let grown = grow(&trees, &scope, old_root, second).await;
            assert_eq!(listed(trees.all(grown).unwrap()), both);
            assert_eq!(grow(&trees, &scope, Root::EMPTY, both).await, grown);
        });
    }
}

/// One change of a big state is a few new nodes: those on the way from the root to its leaf.
#[tokio::test]
async fn a_change_of_a_big_state_writes_few_nodes() {
    let store = Store::open(Memory::new()).unwrap();
    let scope = scope(&store);
    let trees = Trees::new(scope.clone());
    let members = (0..5_000_u16).map(|n| (("m.room.member".to_owned(), format!("@u{n}:a.example")), event(n)));
    let root = grow(&trees, &scope, Root::EMPTY, members).await;
    let count = || scope.scan(&crate::tables::STATE_NODES, ()).keys().unwrap().len();
    let before = count();
    let change = (("m.room.member".to_owned(), "@u17:a.example".to_owned()), event(9_999));
    let changed = grow(&trees, &scope, root, [change]).await;
    let new = count() - before;
    assert!((1..=6).contains(&new), "{new} nodes for one change of 5,000 pieces");
    assert_eq!(trees.difference(root, changed).unwrap().len(), 1);
}
