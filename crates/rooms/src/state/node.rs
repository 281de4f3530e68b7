//! A node of a state tree: its content, its bytes, and its name, which is the hash of the bytes.

use kernel::id::OwnedEventId;
use serde::{Deserialize, Serialize};
use store::Record;

/// Entries that one leaf holds at most; a leaf with more becomes a branch.
pub(super) const LEAF_ENTRIES_MAX: usize = 8;

/// Children of a branch: one for each value of 4 bits of a key's hash.
pub(crate) const FAN_OUT: usize = 16;

/// The name of a node: BLAKE3 of its bytes. A state is named by its root; equal states have one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Root(pub [u8; 32]);

impl Root {
    /// The state of a room before its first event.
    pub const EMPTY: Self = Self([0; 32]);
}

/// One piece of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub event_type: String,
    pub state_key: String,
    pub event_id: OwnedEventId,
}

/// Where a (type, state key) lies in the tree: 4 bits at each level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path([u8; 32]);

impl Path {
    pub(super) fn of(event_type: &str, state_key: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        // The length keeps ("a", "bc") and ("ab", "c") apart.
        hasher.update(&u64::try_from(event_type.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(event_type.as_bytes()).update(state_key.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The child to take at this depth. 64 levels: two keys that agree in all are one key.
    pub(super) fn child(self, depth: usize) -> usize {
        let byte = self.0.get(depth / 2).copied().unwrap_or_default();
        usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) root: Root,
    /// Entries below: tells when a branch is small enough to be a leaf again.
    pub(crate) entries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Node {
    /// Sorted by path, so that a set of entries has one form.
    Leaf(Vec<Entry>),
    Branch(Box<[Option<Child>; FAN_OUT]>),
}

store::record! { Node: 1; }

impl Node {
    /// The node's name.
    pub(super) fn root(&self) -> Result<Root, String> {
        Ok(Root(*blake3::hash(&self.encode()?).as_bytes()))
    }

    pub(super) fn entries(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => children.iter().flatten().map(|child| child.entries as usize).sum(),
        }
    }
}
