//! The state of a room as a persistent tree: a hash trie of (type, state key) → event id, its nodes content-addressed.
//!
//! A point lookup reads O(log n) nodes, the state after a change is a few new nodes, two equal states have one root, and
//! the difference of two states skips the branches that they share. Nodes are never changed and never deleted while
//! their room is there.

use std::{collections::HashMap, sync::Arc};

use kernel::id::EventId;
use quick_cache::{Weighter, sync::Cache};
use store::{Batch, Scope};

use super::node::{Child, Entry, FAN_OUT, LEAF_ENTRIES_MAX, Node, Path, Root};
use crate::{Result, tables::STATE_NODES};

/// Nodes kept in memory for each tenant, in bytes.
const CACHE_BYTES: u64 = 8 << 20;
/// Nodes in one commit of a state that is written apart.
const NODES_AT_ONCE: usize = 2_000;
/// What the cache expects a node to weigh.
const NODE_BYTES_TYPICAL: u64 = 800;

#[derive(Clone)]
struct ByBytes;

impl Weighter<Root, Arc<Node>> for ByBytes {
    fn weight(&self, _: &Root, node: &Arc<Node>) -> u64 {
        match node.as_ref() {
            Node::Leaf(entries) => 64 + 180 * entries.len() as u64,
            Node::Branch(_) => 700,
        }
    }
}

/// A tenant's nodes: read from the store, kept in memory while they are used.
#[derive(Clone)]
pub struct Trees {
    scope: Scope,
    cache: Arc<Cache<Root, Arc<Node>, ByBytes>>,
}

/// What differs between two states for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub old: Option<Entry>,
    pub new: Option<Entry>,
}

impl Trees {
    pub(crate) fn new(scope: Scope) -> Self {
        let items = usize::try_from(CACHE_BYTES / NODE_BYTES_TYPICAL).unwrap_or(usize::MAX);
        Self { scope, cache: Arc::new(Cache::with_weighter(items, CACHE_BYTES, ByBytes)) }
    }

    /// The event that holds this piece of state.
    pub fn get(&self, root: Root, event_type: &str, state_key: &str) -> Result<Option<kernel::id::OwnedEventId>> {
        self.look_up(&HashMap::new(), root, event_type, state_key)
    }

    /// All entries, in no particular order.
    pub fn all(&self, root: Root) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.collect(root, &mut entries)?;
        Ok(entries)
    }

    /// How many entries the state has.
    pub fn len(&self, root: Root) -> Result<usize> {
        Ok(if root == Root::EMPTY { 0 } else { self.node(root)?.entries() })
    }

    /// The keys whose events differ between two states, with both events.
    pub fn difference(&self, old: Root, new: Root) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        self.compare(old, new, &mut differences)?;
        Ok(differences)
    }

    fn node(&self, root: Root) -> Result<Arc<Node>> {
        if let Some(node) = self.cache.get(&root) {
            return Ok(node);
        }
        let node = self.scope.get(&STATE_NODES, (root.0,))?.ok_or_else(|| store::Error::Damaged {
            table: STATE_NODES.name(),
            reason: "a node that is referred to is missing".to_owned(),
        })?;
        let node = Arc::new(node);
        self.cache.insert(root, node.clone());
        Ok(node)
    }

    fn look_up(
        &self,
        fresh: &HashMap<Root, Arc<Node>>,
        root: Root,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<kernel::id::OwnedEventId>> {
        let path = Path::of(event_type, state_key);
        let mut root = root;
        for depth in 0.. {
            if root == Root::EMPTY {
                break;
            }
            let node = fresh.get(&root).cloned().map_or_else(|| self.node(root), Ok)?;
            match node.as_ref() {
                Node::Leaf(entries) => {
                    let found = entries.iter().find(|e| e.event_type == event_type && e.state_key == state_key);
                    return Ok(found.map(|entry| entry.event_id.clone()));
                }
                Node::Branch(children) => {
                    let Some(child) = children.get(path.child(depth)).copied().flatten() else { break };
                    root = child.root;
                }
            }
        }
        Ok(None)
    }

    fn collect(&self, root: Root, entries: &mut Vec<Entry>) -> Result<()> {
        if root == Root::EMPTY {
            return Ok(());
        }
        match self.node(root)?.as_ref() {
            Node::Leaf(leaf) => entries.extend_from_slice(leaf),
            Node::Branch(children) => {
                for child in children.iter().flatten() {
                    self.collect(child.root, entries)?;
                }
            }
        }
        Ok(())
    }

    fn compare(&self, old: Root, new: Root, differences: &mut Vec<Difference>) -> Result<()> {
        if old == new {
            return Ok(());
        }
        if old != Root::EMPTY
            && new != Root::EMPTY
            && let (Node::Branch(old), Node::Branch(new)) = (self.node(old)?.as_ref(), self.node(new)?.as_ref())
        {
            for (old, new) in old.iter().zip(new.iter()) {
                let root = |child: &Option<Child>| child.map_or(Root::EMPTY, |child| child.root);
                self.compare(root(old), root(new), differences)?;
            }
            return Ok(());
        }
        // At least one side is a leaf or nothing: both are small, or one is about to be listed anyway.
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.collect(old, &mut before)?;
        self.collect(new, &mut after)?;
        let mut before: HashMap<_, _> =
            before.into_iter().map(|e| ((e.event_type.clone(), e.state_key.clone()), e)).collect();
        for entry in after {
            match before.remove(&(entry.event_type.clone(), entry.state_key.clone())) {
                Some(old) if old.event_id == entry.event_id => {}
                old => differences.push(Difference { old, new: Some(entry) }),
            }
        }
        differences.extend(before.into_values().map(|old| Difference { old: Some(old), new: None }));
        Ok(())
    }
}

/// States that are being made, with the nodes that the store does not have yet.
pub struct Growth<'a> {
    trees: &'a Trees,
    fresh: HashMap<Root, Arc<Node>>,
}

impl<'a> Growth<'a> {
    pub(crate) fn new(trees: &'a Trees) -> Self {
        Self { trees, fresh: HashMap::new() }
    }

    /// See [`Trees::get`]; also sees what was grown here.
    pub fn get(&self, root: Root, event_type: &str, state_key: &str) -> Result<Option<kernel::id::OwnedEventId>> {
        self.trees.look_up(&self.fresh, root, event_type, state_key)
    }

    /// The state after `event_id` became the state of its key.
    pub fn insert(&mut self, root: Root, event_type: &str, state_key: &str, event_id: &EventId) -> Result<Root> {
        let path = Path::of(event_type, state_key);
        let entry =
            Entry { event_type: event_type.to_owned(), state_key: state_key.to_owned(), event_id: event_id.to_owned() };
        Ok(self.grow(root, path, entry, 0)?.root)
    }

    /// The state that consists of these entries (the outcome of a state resolution).
    pub fn build(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<Root> {
        entries.into_iter().try_fold(Root::EMPTY, |root, entry| {
            self.insert(root, &entry.event_type, &entry.state_key, &entry.event_id)
        })
    }

    /// Writes the new nodes that this state consists of, each once.
    pub(crate) fn write(&mut self, root: Root, batch: &mut Batch) {
        // What is not fresh is in the store already, and so is all below it.
        let Some(node) = self.fresh.remove(&root) else { return };
        batch.put(&STATE_NODES, (root.0,), node.as_ref());
        self.trees.cache.insert(root, node.clone());
        if let Node::Branch(children) = node.as_ref() {
            for child in children.iter().flatten() {
                self.write(child.root, batch);
            }
        }
    }

    /// The same as batches of bounded size, to be committed in their order: what a node refers to comes before it, so that
    /// whatever reached the disk is whole.
    pub(crate) fn write_apart(&mut self, root: Root, new_batch: impl Fn() -> Batch) -> Vec<Batch> {
        let mut order = Vec::new();
        let mut waiting = vec![root];
        while let Some(root) = waiting.pop() {
            let Some(node) = self.fresh.remove(&root) else { continue };
            if let Node::Branch(children) = node.as_ref() {
                waiting.extend(children.iter().flatten().map(|child| child.root));
            }
            order.push((root, node));
        }
        // Parents were found before their children.
        order.reverse();
        let mut batches = Vec::new();
        for some in order.chunks(NODES_AT_ONCE) {
            let mut batch = new_batch();
            for (root, node) in some {
                batch.put(&STATE_NODES, (root.0,), node.as_ref());
                self.trees.cache.insert(*root, node.clone());
            }
            batches.push(batch);
        }
        batches
    }

    fn node(&self, root: Root) -> Result<Arc<Node>> {
        self.fresh.get(&root).cloned().map_or_else(|| self.trees.node(root), Ok)
    }

    fn grow(&mut self, root: Root, path: Path, entry: Entry, depth: usize) -> Result<Child> {
        if root == Root::EMPTY {
            return self.leaf(vec![entry]);
        }
        match self.node(root)?.as_ref() {
            Node::Leaf(entries) => {
                let mut entries = entries.clone();
                match entries.iter_mut().find(|e| e.event_type == entry.event_type && e.state_key == entry.state_key) {
                    Some(old) => old.event_id = entry.event_id,
                    None => entries.push(entry),
                }
                if entries.len() <= LEAF_ENTRIES_MAX { self.leaf(entries) } else { self.split(entries, depth) }
            }
            Node::Branch(children) => {
                let mut children = children.clone();
                if let Some(slot) = children.get_mut(path.child(depth)) {
                    let below = slot.map_or(Root::EMPTY, |child| child.root);
                    *slot = Some(self.grow(below, path, entry, depth + 1)?);
                }
                self.keep(Node::Branch(children))
            }
        }
    }

    fn leaf(&mut self, mut entries: Vec<Entry>) -> Result<Child> {
        entries.sort_by_cached_key(|entry| Path::of(&entry.event_type, &entry.state_key));
        self.keep(Node::Leaf(entries))
    }

    fn split(&mut self, entries: Vec<Entry>, depth: usize) -> Result<Child> {
        let mut below: [Vec<Entry>; FAN_OUT] = Default::default();
        for entry in entries {
            let child = Path::of(&entry.event_type, &entry.state_key).child(depth);
            if let Some(list) = below.get_mut(child) {
                list.push(entry);
            }
        }
        let mut children = Box::new([None; FAN_OUT]);
        for (slot, entries) in children.iter_mut().zip(below) {
            *slot = match entries.len() {
                0 => None,
                n if n <= LEAF_ENTRIES_MAX => Some(self.leaf(entries)?),
                _ => Some(self.split(entries, depth + 1)?),
            };
        }
        self.keep(Node::Branch(children))
    }

    fn keep(&mut self, node: Node) -> Result<Child> {
        let damaged = |reason| store::Error::Damaged { table: STATE_NODES.name(), reason };
        let root = node.root().map_err(damaged)?;
        let entries = u32::try_from(node.entries()).unwrap_or(u32::MAX);
        self.fresh.insert(root, Arc::new(node));
        Ok(Child { root, entries })
    }
}
