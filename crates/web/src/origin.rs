//! Where a request comes from: what the connection and the headers say of it.

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;

/// The connection's other end, as the listener sees it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: IpAddr,
    /// The name asked for in the TLS handshake, in lower case; None without TLS.
    pub sni: Option<Arc<str>>,
}

impl Peer {
    pub fn plain(address: IpAddr) -> Self {
        Self { address, sni: None }
    }
}

/// Where a request comes from, for a handler: `async fn handler(town, caller, ask, from: Origin)`.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    user_agent: Option<HeaderValue>,
}

impl Origin {
    pub fn new(address: IpAddr, user_agent: Option<HeaderValue>) -> Self {
        Self { address, user_agent }
    }

    /// The `User-Agent` header; empty if it is missing or not ASCII.
    pub fn user_agent(&self) -> &str {
        self.user_agent.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
