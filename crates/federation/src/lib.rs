//! The server-server API: what other servers ask, what is sent to them, and who they may be.
//!
//! An edge. `inbound/` answers requests that an allowed server signed; `outbound/` carries what happened here to the servers
//! that must know, by a durable queue; `peers/` is the one way to another server, and fills the ports of the owners.

pub mod outbound;

pub use outbound::{Carrier, CarryError, Outbound};
