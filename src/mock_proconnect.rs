//! A ProConnect to try with and to test against: the State's sign-in for agents, imitated on loopback, faults included.
//!
//! It behaves as ProConnect's public documentation and source say (issuer, endpoints, parameters, claims, error codes), with
//! sample agents of made-up towns instead of identity providers, and a `/control` endpoint that makes it fail on demand.
//! It never listens beyond loopback: anybody who reaches it may sign in as anybody.

mod agents;
mod answer;
mod authorize;
mod claims;
mod client;
mod client_auth;
mod control;
mod discovery;
mod expiring;
mod id_token;
mod interaction;
mod jwks;
mod keys;
mod logout;
mod pages;
mod params;
mod provider;
mod redirect;
mod refusal;
mod request;
mod server;
mod sign_in;
mod switches;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

pub use agents::{Agent, AgentChange, Organization};
pub use client::{Algorithm, Client, UserinfoFormat};
pub use switches::{Down, Switches, Wrong};

use std::{io, net::SocketAddr, sync::Arc};

use kernel::{Clock, Random};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use provider::Provider;

/// Path of the issuer, as ProConnect's own.
const BASE: &str = "/api/v2";

/// Starts a mock ProConnect.
pub struct MockProConnect;

/// A mock ProConnect that runs until it is shut down or dropped.
pub struct Running {
    /// `http://127.0.0.1:PORT/api/v2`, as in the discovery document and in `iss`.
    pub issuer: String,
    /// The address bound: its port is never 0.
    pub addr: SocketAddr,
    provider: Arc<Provider>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl MockProConnect {
    /// Binds `addr` (port 0: any free one), makes signing keys and serves until [`Running::shutdown`].
    ///
    /// Errors: `InvalidInput` if the address is not loopback, a client has no redirect URI, or two share an id; otherwise
    /// whatever binding says.
    pub async fn start(
        addr: SocketAddr,
        clients: Vec<Client>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> io::Result<Running> {
        if !addr.ip().is_loopback() {
            return Err(invalid(format!(
                "the mock ProConnect lets anybody in, so it listens on loopback only, not on {addr}"
            )));
        }
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let chance = Arc::clone(&random);
        let keys = tokio::task::spawn_blocking(move || keys::Keys::generate(chance.as_ref())).await??;
        let provider = Arc::new(Provider::new(addr, keys, clock, random));
        for client in clients {
            provider.register(client).map_err(invalid)?;
        }
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&provider), stopped));
        Ok(Running { issuer: provider.issuer.clone(), addr, provider, stop, serving })
    }
}

impl Running {
    /// Adds a relying party, whose redirect URIs are often known only once its own port is.
    ///
    /// Errors: `InvalidInput` if it has no redirect URI or its id is taken.
    pub fn register(&self, client: Client) -> io::Result<()> {
        self.provider.register(client).map_err(invalid)
    }

    /// The same as `POST /control`: these switches and no others from now on.
    pub fn switch(&self, switches: Switches) {
        self.provider.desk.lock().switches = switches;
    }

    /// The same as `PUT /control/agents/{key}`: adds an agent, or replaces one.
    ///
    /// Errors: `InvalidInput` if the agent has no organisation, or there are too many agents.
    pub fn put_agent(&self, key: &str, agent: Agent) -> io::Result<()> {
        self.provider.desk.lock().agents.put(key, agent).map(drop).map_err(invalid)
    }

    /// The same as `POST /control/agents/{key}`: what ProConnect says of this agent at the next login.
    ///
    /// Errors: `NotFound` if there is no such agent.
    pub fn change_agent(&self, key: &str, change: AgentChange) -> io::Result<()> {
        let changed = self.provider.desk.lock().agents.change(key, change).is_some();
        changed.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no agent {key}")))
    }

    /// Closes the listener and every connection.
    pub async fn shutdown(self) {
        // The receiver is gone only if serving has already ended.
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.into())
}
