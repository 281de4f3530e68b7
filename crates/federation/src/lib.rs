//! The server-server API: what other servers ask, what is sent to them, and who they may be.
//!
//! An edge. `inbound/` answers requests that an allowed server signed; `outbound/` carries what happened here to the servers
//! that must know, by a durable queue; `peers/` is the one way to another server, and fills the ports of the owners.
//!
//! The tenants of a process share one [`Network`]: connections, what is known of places, who is down. Each has its own
//! [`Wall`], which both directions pass, its own keys, and its own [`Peers`].

mod error;
mod health;
mod inbound;
mod keys;
mod network;
mod outbound;
mod peers;
mod per_server;
mod resolve;
mod routes;
mod tables;
mod town;
mod wall;

pub use error::{Error, Result};
pub use inbound::{Places, Queries, QueryParams};
pub use keys::{OwnKeys, RetiredKey};
pub use network::{Alone, Loopback, Names, Network, NetworkSettings, PinnedServer};
pub use outbound::{Carrier, CarryError, Outbound, OutboundParts};
pub use peers::{Call, Peers, PeersParts};
pub use resolve::{Service, Services};
pub use routes::routes;
pub use town::{Settings, Town};
pub use wall::Wall;
