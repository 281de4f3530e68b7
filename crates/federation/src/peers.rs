//! The one way from a tenant to other servers. Fills the ports of the owners, and carries what `outbound/` sends.

mod accounts;
mod ask;
mod carry;
mod link;
mod media;
mod refusal;
mod rooms;

use std::sync::Arc;

use bytes::Bytes;
use kernel::{
    Clock, RemoteResult, Timestamp,
    id::{OwnedServerName, ServerName},
};
use store::Scope;
use tokio::sync::broadcast;

pub(crate) use self::rooms::{STRIPPED_EVENTS_MAX, stripped_text};
pub(crate) use ask::text;
pub use link::Call;
pub(crate) use link::Link;

use crate::{
    keys::{Keys, OwnKeys},
    network::Network,
    wall::Wall,
};

/// What a tenant's peers are made of.
pub struct PeersParts {
    pub server_name: OwnedServerName,
    pub wall: Wall,
    pub keys: OwnKeys,
    /// Servers that are asked for the keys of those that cannot be reached.
    pub notaries: Vec<OwnedServerName>,
    pub network: Arc<Network>,
    pub scope: Scope,
    pub clock: Arc<dyn Clock>,
}

/// Other servers, as one tenant reaches them.
pub struct Peers {
    pub(crate) link: Link,
    pub(crate) keys: Keys,
}

impl Peers {
    pub fn open(parts: PeersParts) -> Self {
        let PeersParts { server_name: own, wall, keys, notaries, network, scope, clock } = parts;
        let link = Link { own, wall: Arc::new(wall), keys: Arc::new(keys), network, clock };
        Self { keys: Keys::new(link.clone(), scope, notaries), link }
    }

    /// Sends a signed request and returns the body of an answer of status 200.
    ///
    /// # Errors
    /// [`rooms::RemoteError`](::rooms::RemoteError): `NotAllowed` before anything is looked up or sent, `Unreachable` at once for
    /// a server that is known to be down (see [`Peers::retry_at`]).
    pub async fn call(&self, call: Call<'_>) -> RemoteResult<Bytes> {
        self.link.call(call).await
    }

    /// Whether the server is on this side of the wall.
    pub fn allows(&self, server: &ServerName) -> bool {
        self.link.wall.allows(server)
    }

    /// When a server that does not answer may be tried again; None: now.
    pub fn retry_at(&self, server: &ServerName) -> Option<Timestamp> {
        self.link.network.health.retry_at(server)
    }

    /// The server has shown that it lives: it is tried again at once.
    pub fn alive(&self, server: &ServerName) {
        self.link.network.health.alive(server);
    }

    /// Servers that were down and live again, from now on. A receiver that lags has missed some.
    pub fn back(&self) -> broadcast::Receiver<OwnedServerName> {
        self.link.network.health.back()
    }

    pub fn wall(&self) -> &Wall {
        &self.link.wall
    }

    pub fn own_keys(&self) -> &OwnKeys {
        &self.link.keys
    }
}
