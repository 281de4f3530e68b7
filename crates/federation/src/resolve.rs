//! From a server's name to the place that is connected to (spec, server-server API, "Resolving server names").

mod services;
mod well_known;

use kernel::id::{OwnedServerName, ServerName};

pub use services::{Service, Services};
pub(crate) use services::{locate, system_services};
pub(crate) use well_known::WellKnown;

/// The port of a server that names none, nowhere.
pub(crate) const DEFAULT_PORT: u16 = 8448;

/// How a server is asked. The certificate must be that of `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    /// None: wherever the host's service records, or its pinned endpoint, say.
    pub(crate) port: Option<u16>,
    /// The `Host` header.
    pub(crate) host_header: String,
}

impl Endpoint {
    /// Of a server whose place its operator, or ours, has pinned: no question is asked.
    pub(crate) fn pinned(server: &ServerName, tls_name: Option<&str>) -> Self {
        let host = tls_name.unwrap_or_else(|| server.host()).to_owned();
        Self { host, port: None, host_header: server.to_string() }
    }

    /// Of a server that says where it is.
    pub(crate) async fn find(server: &ServerName, well_known: &WellKnown) -> Self {
        // Steps 1 and 2: an address or a port is never delegated.
        if server.is_ip_literal() || server.port().is_some() {
            return Self::named(server);
        }
        // Step 3, or 4 to 6 if there is no delegation.
        let delegate: Option<OwnedServerName> = well_known.delegate(server).await;
        Self::named(delegate.as_deref().unwrap_or(server))
    }

    fn named(name: &ServerName) -> Self {
        let port = name.port().or(name.is_ip_literal().then_some(DEFAULT_PORT));
        Self { host: name.host().to_owned(), port, host_header: name.to_string() }
    }

    /// The URL up to the path.
    pub(crate) fn base_url(&self) -> String {
        match self.port {
            Some(port) => format!("https://{}:{port}", self.host),
            None => format!("https://{}", self.host),
        }
    }
}
