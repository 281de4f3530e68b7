//! Listeners: connections in, requests to the [`Site`], and an orderly end.
//!
//! Every connection is bounded: how many there are, how long a handshake, a head or a pause may take, and how long a client may
//! refuse to read.

mod activity;
mod gate;
mod stream;

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use http::Version;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{Peer, Shutdown, Site, Upload};
use activity::{Activity, Verdict};
use gate::{Gate, Pass};
use stream::{Stream, Watched};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After an accept that failed for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEAD_BYTES_MAX: usize = 65_536;
const HTTP2_STREAMS_MAX: u32 = 100;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// The protocol of a certificate authority's challenge (RFC 8737): the handshake is all there is to it.
const ACME_CHALLENGE: &[u8] = b"acme-tls/1";

/// Gives the TLS configuration of the moment, asked for at every handshake, so that a renewed certificate is used at once.
pub type TlsSource = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// How much a server takes on.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub connections_max: usize,
    /// From one address (IPv6: one /64) that is neither loopback nor a trusted proxy. A town hall shares one address.
    pub connections_per_address_max: usize,
    /// How long requests may still take once the shutdown has begun.
    pub drain: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { connections_max: 10_000, connections_per_address_max: 1_000, drain: Duration::from_secs(30) }
    }
}

/// Serves a site on any number of listeners, which share its capacity.
pub struct Server<A> {
    site: Arc<Site<A>>,
    gate: Arc<Gate>,
    capacity: Capacity,
    shutdown: Shutdown,
}

impl<A> Clone for Server<A> {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            gate: Arc::clone(&self.gate),
            capacity: self.capacity,
            shutdown: self.shutdown.clone(),
        }
    }
}

impl<A: Send + Sync + 'static> Server<A> {
    pub fn new(site: Arc<Site<A>>, capacity: Capacity, shutdown: Shutdown) -> Self {
        let gate = Arc::new(Gate::new(capacity.connections_max, capacity.connections_per_address_max));
        Self { site, gate, capacity, shutdown }
    }

    /// Accepts connections until the shutdown begins, then returns once all connections of this server are closed: at the
    /// latest after [`Capacity::drain`].
    pub async fn run(&self, listener: TcpListener, tls: Option<TlsSource>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.begun() => break,
            };
            match accepted {
                Ok((socket, address)) => self.admit(socket, address.ip(), tls.as_ref()),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.gate.wait_until_empty().await;
    }

    fn admit(&self, socket: TcpStream, address: IpAddr, tls: Option<&TlsSource>) {
        let address = address.to_canonical();
        let is_counted = !address.is_loopback() && !self.site.proxies().trusts(address);
        let Some(pass) = self.gate.enter(is_counted.then_some(address)) else {
            metrics::counter!("beffroi_http_connections_refused_total").increment(1);
            return;
        };
        let (server, tls) = (self.clone(), tls.map(|source| source()));
        tokio::spawn(async move {
            if let Err(error) = server.connection(socket, address, tls, pass).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }

    async fn connection(
        &self,
        socket: TcpStream,
        address: IpAddr,
        tls: Option<Arc<ServerConfig>>,
        _pass: Pass,
    ) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let mut peer = Peer::plain(address);
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let handshake = TlsAcceptor::from(config).accept(socket);
                let stream = timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
                if stream.get_ref().1.alpn_protocol() == Some(ACME_CHALLENGE) {
                    return Ok(());
                }
                peer.sni = stream.get_ref().1.server_name().map(|name| name.to_ascii_lowercase().into());
                Stream::Tls(Box::new(stream))
            }
        };
        self.speak(stream, peer).await
    }

    /// HTTP on one connection, until it ends, stalls or the server does.
    async fn speak(&self, stream: Stream, peer: Peer) -> io::Result<()> {
        let activity = Arc::new(Activity::start());
        let service = service_fn(|request: http::Request<Incoming>| {
            let busy = activity.begin(request.version() == Version::HTTP_2);
            let (site, peer) = (Arc::clone(&self.site), peer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let response = site.respond(parts, Upload::wire(body), &peer).await;
                Ok::<_, Infallible>(response.map(|body| busy.until_sent(body)))
            }
        });
        let builder = builder();
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut is_closing = false;
        let mut deadline = activity.first_check();
        loop {
            tokio::select! {
                end = connection.as_mut() => return end.map_err(io::Error::other),
                () = self.shutdown.begun(), if !is_closing => {
                    is_closing = true;
                    deadline = Instant::now() + self.capacity.drain;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(deadline) => match activity.verdict() {
                    Verdict::CheckAt(next) if !is_closing => deadline = next,
                    Verdict::Idle if !is_closing => {
                        is_closing = true;
                        deadline = Instant::now() + HANDSHAKE_TIMEOUT;
                        connection.as_mut().graceful_shutdown();
                    }
                    _ => return Err(io::ErrorKind::TimedOut.into()),
                },
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2. Time limits are [`Activity`]'s, since hyper's own for heads also ends pauses between requests.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    builder
}

/// The client gave up between its knock and our answer: no matter of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
