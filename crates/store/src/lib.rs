//! An ordered key-value store for many tenants: a byte-level contract, engines that fulfil it, typed tables above it,
//! and one committer through which every write passes.
//!
//! Never knows what is stored. Every key begins with a tenant; only a [`Scope`] can name one, and only the binary makes
//! scopes (`src/tenants.rs`), so that no handler can reach another tenant's rows.

mod batch;
pub mod blob;
pub mod codec;
mod committer;
pub mod conformance;
mod error;
pub mod faulty;
pub mod feed;
pub mod kv;
mod latest;
pub mod memory;
mod queue;
#[cfg(feature = "rocks")]
pub mod rocks;
mod scope;
mod store;
pub mod table;

pub use batch::{Batch, Stamp};
pub use error::Error;
pub use feed::{Announcement, Topic};
pub use kv::{Direction, Kv, Space};
pub use scope::Scope;
pub use store::Store;
pub use table::{Prefix, Record, Stamped, Table};

pub type Result<T> = std::result::Result<T, Error>;
