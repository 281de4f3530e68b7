//! The one client for requests that leave the server.
//!
//! What it holds to, for every request: its owner's allowlist; https; addresses of the Internet only, checked on the very
//! addresses that are connected to, so that no name can be rebound; no redirect followed; no proxy of the environment; no
//! compressed answer; bounded time and size.

mod address;
mod error;

use std::{fmt, io, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, header};
use ipnet::IpNet;
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

pub use error::OutboundError;

use address::Reachable;

/// Turns a name into addresses. The machine's own resolver, except in tests.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;
type Allow = Arc<dyn Fn(&Url) -> bool + Send + Sync>;

/// What holds for every request of an [`Outbound`].
#[derive(Clone)]
pub struct OutboundPolicy {
    /// Reaches loopback, also by plain http: for development and tests, with the mock ProConnect.
    pub loopback: bool,
    /// Networks that are reached although they are not of the Internet: a local ProConnect, a peer on a private network.
    pub networks: Vec<IpNet>,
    /// Certificate authorities trusted besides the machine's own, in PEM.
    pub roots_pem: Vec<Vec<u8>>,
    /// Longest body of an answer.
    pub response_bytes_max: usize,
    pub connect_timeout: Duration,
    /// From the start of a request to the last byte of its answer.
    pub timeout: Duration,
    pub lookup: Lookup,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self {
            loopback: false,
            networks: Vec::new(),
            roots_pem: Vec::new(),
            response_bytes_max: 1 << 20,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(15),
            lookup: Arc::new(|name| Box::pin(system_lookup(name))),
        }
    }
}

/// Makes requests to what its owner allows. Clones share connections.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    allow: Allow,
    reachable: Arc<Reachable>,
    response_bytes_max: usize,
}

impl Outbound {
    /// `allow` is asked for each request's URL, so that a list that changes takes effect at once.
    ///
    /// # Errors
    /// [`OutboundError::Setup`] for roots that are not PEM certificates, or a machine without any.
    pub fn new(
        policy: OutboundPolicy,
        allow: impl Fn(&Url) -> bool + Send + Sync + 'static,
    ) -> Result<Self, OutboundError> {
        // reqwest takes the process's provider; the first one stays, and all of ours are ring.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let reachable = Arc::new(Reachable { loopback: policy.loopback, networks: policy.networks });
        let mut roots = Vec::new();
        for pem in &policy.roots_pem {
            roots.extend(reqwest::Certificate::from_pem_bundle(pem).map_err(OutboundError::Setup)?);
        }
        let resolver = Resolver { lookup: policy.lookup, reachable: Arc::clone(&reachable) };
        let builder = reqwest::Client::builder()
            .user_agent(concat!("Beffroi/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!policy.loopback)
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.timeout)
            .tls_certs_merge(roots)
            .dns_resolver(resolver);
        #[expect(clippy::disallowed_methods, reason = "the one place that builds a client")]
        let client = builder.build().map_err(OutboundError::Setup)?;
        Ok(Self { client, allow: Arc::new(allow), reachable, response_bytes_max: policy.response_bytes_max })
    }

    /// The same client for another owner, with its own allowlist.
    #[must_use]
    pub fn for_owner(&self, allow: impl Fn(&Url) -> bool + Send + Sync + 'static) -> Self {
        Self { allow: Arc::new(allow), ..self.clone() }
    }

    /// The same client with another bound on answers.
    #[must_use]
    pub fn capped(&self, response_bytes_max: usize) -> Self {
        Self { response_bytes_max, ..self.clone() }
    }

    /// # Errors
    /// As [`Outbound::execute`].
    pub async fn get(&self, url: &str) -> Result<http::Response<Bytes>, OutboundError> {
        self.send(Method::GET, url, None, Bytes::new()).await
    }

    /// # Errors
    /// As [`Outbound::execute`].
    pub async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        self.send(Method::POST, url, Some(content_type), body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<http::Response<Bytes>, OutboundError> {
        let mut request =
            http::Request::builder().method(method).uri(url).body(body).map_err(|_| OutboundError::Url)?;
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        self.execute(request).await
    }

    /// Sends a request and reads the whole answer, whatever its status. Redirects are answers.
    ///
    /// # Errors
    /// See [`OutboundError`]. None of them holds the URL or anything of the request.
    pub async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutboundError> {
        let request = reqwest::Request::try_from(request).map_err(|_| OutboundError::Url)?;
        self.check(request.url())?;
        let mut response = self.client.execute(request).await.map_err(OutboundError::from_reqwest)?;
        if response.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(OutboundError::Encoded);
        }
        if response.content_length().is_some_and(|length| length > self.response_bytes_max as u64) {
            return Err(OutboundError::TooLarge);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(OutboundError::from_reqwest)? {
            if body.len() + chunk.len() > self.response_bytes_max {
                return Err(OutboundError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }

    /// What the URL alone can tell. Names are checked again by [`Resolver`], addresses only here.
    fn check(&self, url: &Url) -> Result<(), OutboundError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Url);
        }
        let (address, is_local_name) = match url.host() {
            Some(Host::Ipv4(address)) => (Some(IpAddr::V4(address)), false),
            Some(Host::Ipv6(address)) => (Some(IpAddr::V6(address)), false),
            Some(Host::Domain(name)) => (None, address::is_localhost(name)),
            None => return Err(OutboundError::Url),
        };
        if address.is_some_and(|address| !self.reachable.permits(address)) {
            return Err(OutboundError::Address);
        }
        let is_loopback = is_local_name || address.is_some_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if self.reachable.loopback && is_loopback => {}
            _ => return Err(OutboundError::Insecure),
        }
        if !(self.allow)(url) {
            return Err(OutboundError::NotAllowed);
        }
        Ok(())
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}

/// Gives reqwest only addresses that may be reached: it connects to these and asks nobody else.
struct Resolver {
    lookup: Lookup,
    reachable: Arc<Reachable>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, reachable) = (Arc::clone(&self.lookup), Arc::clone(&self.reachable));
        Box::pin(async move {
            let mut addresses = match name.as_str() {
                name if address::is_localhost(name) => address::LOOPBACK.to_vec(),
                name => lookup(name.to_owned()).await?,
            };
            addresses.retain(|address| reachable.permits(*address));
            if addresses.is_empty() {
                return Err(OutboundError::Address.into());
            }
            let sockets: Addrs = Box::new(addresses.into_iter().map(|address| (address, 0).into()));
            Ok(sockets)
        })
    }
}

async fn system_lookup(name: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|socket| socket.ip()).collect())
}
