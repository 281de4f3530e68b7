//! The state of rooms: as a tree of versions (`tree`), and what the rest of the crate asks of it.

mod node;
mod tree;

pub(crate) use node::Node;
pub use node::{Entry, Root};
pub use tree::{Difference, Growth, Trees};

#[cfg(test)]
mod tests;
