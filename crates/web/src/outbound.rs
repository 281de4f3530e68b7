//! The one client for requests that leave the server.
//!
//! What it holds to, for every request: its owner's allowlist; https; addresses of the Internet only, checked on the very
//! addresses that are connected to, so that no name can be rebound; no redirect followed; no proxy of the environment; no
//! compressed answer; bounded time and size.

mod address;
mod error;
mod resolver;
mod trust;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, header};
use ipnet::IpNet;
use reqwest::redirect;
use url::{Host, Url};

pub use error::OutboundError;
pub use resolver::{Locate, Lookup, Place};
pub use trust::{KeyPin, Trust};

use address::Reachable;
use resolver::{Resolver, system_lookup};

type Allow = Arc<dyn Fn(&Url) -> bool + Send + Sync>;

/// What holds for every request of an [`Outbound`].
#[derive(Clone)]
pub struct OutboundPolicy {
    /// Reaches loopback, also by plain http: for development and tests, with the mock ProConnect.
    pub loopback: bool,
    /// Networks that are reached although they are not of the Internet: a local ProConnect, a peer on a private network.
    pub networks: Vec<IpNet>,
    pub trust: Trust,
    /// Speaks HTTP/1.1 alone. Only there may the `Host` header be another than the URL's host, which TLS goes by: HTTP/2 would
    /// send both.
    pub http1_only: bool,
    /// Longest body of an answer.
    pub response_bytes_max: usize,
    pub connect_timeout: Duration,
    /// From the start of a request to the last byte of its answer.
    pub timeout: Duration,
    pub lookup: Lookup,
    /// The host itself, at the scheme's port, if there is none.
    pub locate: Option<Locate>,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self {
            loopback: false,
            networks: Vec::new(),
            trust: Trust::default(),
            http1_only: false,
            response_bytes_max: 1 << 20,
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(15),
            lookup: Arc::new(|name| Box::pin(system_lookup(name))),
            locate: None,
        }
    }
}

impl OutboundPolicy {
    /// Whether this address may be connected to.
    pub fn reaches(&self, address: IpAddr) -> bool {
        Reachable { loopback: self.loopback, networks: self.networks.clone() }.permits(address)
    }
}

/// Makes requests to what its owner allows. Clones share connections.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    allow: Allow,
    reachable: Arc<Reachable>,
    response_bytes_max: usize,
    timeout: Duration,
}

impl Outbound {
    /// `allow` is asked for each request's URL, so that a list that changes takes effect at once.
    ///
    /// # Errors
    /// [`OutboundError::Trust`] for roots that are not PEM certificates, or a machine without any.
    pub fn new(
        policy: OutboundPolicy,
        allow: impl Fn(&Url) -> bool + Send + Sync + 'static,
    ) -> Result<Self, OutboundError> {
        let reachable = Arc::new(Reachable { loopback: policy.loopback, networks: policy.networks });
        let resolver = Resolver { lookup: policy.lookup, locate: policy.locate, reachable: Arc::clone(&reachable) };
        let protocols: &[&[u8]] = if policy.http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("Beffroi/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!policy.loopback)
            .connect_timeout(policy.connect_timeout)
            .tls_backend_preconfigured(policy.trust.client_config(protocols)?)
            .dns_resolver(resolver);
        if policy.http1_only {
            builder = builder.http1_only();
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that builds a client")]
        let client = builder.build().map_err(OutboundError::Setup)?;
        let (response_bytes_max, timeout) = (policy.response_bytes_max, policy.timeout);
        Ok(Self { client, allow: Arc::new(allow), reachable, response_bytes_max, timeout })
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

    /// The same client with another bound on the time from the start of a request to the last byte of its answer.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
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
        let mut request = reqwest::Request::try_from(request).map_err(|_| OutboundError::Url)?;
        self.check(request.url())?;
        *request.timeout_mut() = Some(self.timeout);
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
