//! The way to other servers that all tenants of the process share: connections, what was found out about places, and who does not
//! answer. Knows no tenant's wall: whoever uses it has asked its own.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use ipnet::IpNet;
use kernel::{
    Clock, Random,
    id::{OwnedServerName, ServerName},
};
use web::{
    Outbound, OutboundError, OutboundPolicy,
    outbound::{KeyPin, Locate, Lookup, Place, Trust},
};

use crate::{
    health::Health,
    resolve::{Endpoint, Services, WellKnown, locate, system_services},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The other tenants of this process, reached without a socket: the same bytes, the same checks.
#[async_trait]
pub trait Loopback: Send + Sync + 'static {
    fn serves(&self, server: &ServerName) -> bool;

    /// Answers a request whose `Host` is the server's name.
    async fn answer(&self, request: Request<Bytes>) -> web::Response;
}

/// No tenant is reached but by the network.
pub struct Alone;

#[async_trait]
impl Loopback for Alone {
    fn serves(&self, _: &ServerName) -> bool {
        false
    }

    async fn answer(&self, _: Request<Bytes>) -> web::Response {
        web::Response::new(web::Body::empty())
    }
}

/// What the operator says of the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkSettings {
    /// Reaches loopback, also by plain http: for development and tests.
    pub dev: bool,
    /// Networks that are reached although they are not of the Internet.
    pub networks: Vec<IpNet>,
    /// Certificate authorities besides the machine's own, in PEM.
    pub roots_pem: Vec<Vec<u8>>,
    pub servers: Vec<PinnedServer>,
}

impl NetworkSettings {
    /// Whether there may be a server at this address.
    pub fn reaches(&self, address: IpAddr) -> bool {
        self.policy().reaches(address)
    }

    fn policy(&self) -> OutboundPolicy {
        OutboundPolicy {
            loopback: self.dev,
            networks: self.networks.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            ..OutboundPolicy::default()
        }
    }
}

/// What is known of one server beforehand, and then not asked of anybody.
#[derive(Clone, Debug)]
pub struct PinnedServer {
    pub name: OwnedServerName,
    /// Where it listens. By well-known file, service records or port 8448 if it is not said.
    pub endpoint: Option<Place>,
    /// The name that its certificate must have, if it is not the server's. Counts with an endpoint only.
    pub tls_name: Option<String>,
    /// The only certificate authorities that count for it, in PEM.
    pub roots_pem: Option<Vec<u8>>,
    /// Public keys, one of which its certificate must have.
    pub pins: Vec<KeyPin>,
    /// Its signing keys by id. Never fetched if there are any.
    pub verify_keys: Vec<(String, [u8; 32])>,
}

/// How names are looked up. The Internet's way, except in tests.
#[derive(Clone)]
pub struct Names {
    pub lookup: Lookup,
    pub services: Services,
    /// Where the web server of a host is, that well-known files come from: at port 443 of the host itself if it is not said.
    pub web: Option<Locate>,
}

impl Default for Names {
    fn default() -> Self {
        Self { lookup: OutboundPolicy::default().lookup, services: system_services(), web: None }
    }
}

pub struct Network {
    clients: Clients,
    pinned: HashMap<OwnedServerName, Pinned>,
    well_known: WellKnown,
    loopback: Arc<dyn Loopback>,
    pub(crate) health: Health,
}

/// Two clients with one trust: for places whose port is known, and for those that service records tell.
struct Clients {
    direct: Outbound,
    located: Outbound,
}

struct Pinned {
    settings: PinnedServer,
    /// None: those that all servers have.
    clients: Option<Clients>,
}

impl Network {
    /// # Errors
    /// [`OutboundError::Trust`] for roots that are no certificates.
    pub fn new(
        settings: NetworkSettings,
        names: Names,
        loopback: Arc<dyn Loopback>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, OutboundError> {
        let everyone = Trust { roots_pem: settings.roots_pem.clone(), ..Trust::default() };
        let policy = OutboundPolicy { lookup: names.lookup, ..settings.policy() };
        let by_records = locate(names.services);
        let web = OutboundPolicy { trust: everyone.clone(), locate: names.web, ..policy.clone() };
        let mut pinned = HashMap::new();
        for server in settings.servers {
            let clients = match server.own_trust(&everyone) {
                None if server.endpoint.is_none() => None,
                trust => {
                    let trust = trust.unwrap_or_else(|| everyone.clone());
                    let located = server.endpoint.clone().map_or_else(|| by_records.clone(), at);
                    Some(Clients::new(&policy, trust, located)?)
                }
            };
            pinned.insert(server.name.clone(), Pinned { settings: server, clients });
        }
        Ok(Self {
            clients: Clients::new(&policy, everyone, by_records)?,
            pinned,
            // Narrowed to one URL whenever it is used.
            well_known: WellKnown::new(Outbound::new(web, |_| false)?, clock.clone()),
            loopback,
            health: Health::new(clock, random),
        })
    }

    /// The signing keys of this server that the operator has pinned; empty if there are none.
    pub(crate) fn pinned_keys(&self, server: &ServerName) -> &[(String, [u8; 32])] {
        self.pinned.get(server).map_or(&[], |pinned| &pinned.settings.verify_keys)
    }

    /// Sends a request, whose URI is path and query, to a server and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`OutboundError`]: nothing of the request is in it.
    pub(crate) async fn send(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
        deadline: Duration,
        bytes_max: usize,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        let exchange = async {
            if self.loopback.serves(to) {
                return self.send_by_loopback(to, request).await;
            }
            self.send_by_socket(to, request, deadline, bytes_max).await
        };
        tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }

    async fn send_by_loopback(
        &self,
        to: &ServerName,
        mut request: Request<Bytes>,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        request.headers_mut().insert(header::HOST, host_header(to.as_str())?);
        let (parts, body) = self.loopback.answer(request).await.into_parts();
        let body = body.into_bytes().await.map_err(|error| OutboundError::Transport(error.to_string()))?;
        Ok(http::Response::from_parts(parts, body))
    }

    async fn send_by_socket(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
        deadline: Duration,
        bytes_max: usize,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        let pinned = self.pinned.get(to);
        let endpoint = match pinned {
            Some(Pinned { settings, .. }) if settings.endpoint.is_some() => {
                Endpoint::pinned(to, settings.tls_name.as_deref())
            }
            _ => Endpoint::find(to, &self.well_known).await,
        };
        let clients = pinned.and_then(|pinned| pinned.clients.as_ref()).unwrap_or(&self.clients);
        let client = if endpoint.port.is_some() { &clients.direct } else { &clients.located };
        let base = endpoint.base_url();
        let origin = url::Url::parse(&base).map_err(|_| OutboundError::Url)?.origin();
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{base}{}", parts.uri).parse().map_err(|_| OutboundError::Url)?;
        parts.headers.insert(header::HOST, host_header(&endpoint.host_header)?);
        let client = client.for_owner(move |url| url.origin() == origin).capped(bytes_max).within(deadline);
        client.execute(Request::from_parts(parts, body)).await
    }
}

impl PinnedServer {
    /// What it is believed by, if not by what everyone is.
    fn own_trust(&self, everyone: &Trust) -> Option<Trust> {
        match (&self.roots_pem, self.pins.is_empty()) {
            (None, true) => None,
            (None, false) => Some(Trust { pins: self.pins.clone(), ..everyone.clone() }),
            (Some(roots), _) => {
                let roots_pem = vec![roots.clone()];
                Some(Trust { roots_pem, only_these_roots: true, pins: self.pins.clone() })
            }
        }
    }
}

impl Clients {
    /// Both speak HTTP/1.1 alone: there the `Host` header may be what the specification asks for, a name without the port.
    fn new(policy: &OutboundPolicy, trust: Trust, locate: Locate) -> Result<Self, OutboundError> {
        let policy = OutboundPolicy { trust, http1_only: true, ..policy.clone() };
        let located = OutboundPolicy { locate: Some(locate), ..policy.clone() };
        // Narrowed to one server whenever they are used.
        Ok(Self { direct: Outbound::new(policy, |_| false)?, located: Outbound::new(located, |_| false)? })
    }
}

/// One place, whatever is looked for.
fn at(place: Place) -> Locate {
    Arc::new(move |_| {
        let place = place.clone();
        Box::pin(async move { Ok(vec![place]) })
    })
}

fn host_header(host: &str) -> Result<HeaderValue, OutboundError> {
    HeaderValue::from_str(host).map_err(|_| OutboundError::Url)
}
