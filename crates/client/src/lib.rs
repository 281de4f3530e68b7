//! The client-server API: typed requests to the owners, typed answers back. An edge: rules live below, once.
//!
//! `routes.rs` is the table of all endpoints. `sync/` and `push/` import no handler's folder.

mod account;
mod filter;
mod keys;
mod media;
mod rooms;
mod routes;
mod stored;
mod sync;
#[cfg(test)]
mod testing;
mod town;

pub use keys::lists::DeviceLists;
pub use routes::routes;
pub use sync::Sync;
pub use town::{Settings, Town};
