//! From a URL's host to the addresses that are connected to: only those that may be reached.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{
    OutboundError,
    address::{self, Reachable},
};

/// Turns a name into addresses. The machine's own resolver, except in tests.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Says where the service of a host is, for URLs that name no port: places to be tried in this order.
pub type Locate = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<Place>>> + Send + Sync>;

/// Places of one service that are tried.
const PLACES_MAX: usize = 8;

/// Where a service listens: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
}

/// Gives reqwest only addresses that may be reached: it connects to these and asks nobody else.
#[derive(Clone)]
pub(super) struct Resolver {
    pub(super) lookup: Lookup,
    pub(super) locate: Option<Locate>,
    pub(super) reachable: Arc<Reachable>,
}

impl Resolver {
    async fn sockets(&self, name: String) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let mut places = match &self.locate {
            Some(locate) => locate(name).await?,
            // A port of 0 stands for the URL's own.
            None => vec![Place { host: name, port: 0 }],
        };
        places.truncate(PLACES_MAX);
        let (mut sockets, mut failure) = (Vec::<SocketAddr>::new(), None);
        for place in places {
            match self.addresses(&place.host).await {
                Ok(addresses) => sockets.extend(addresses.into_iter().map(|ip| SocketAddr::new(ip, place.port))),
                Err(error) => failure = Some(error),
            }
        }
        sockets.retain(|socket| self.reachable.permits(socket.ip()));
        match failure {
            Some(error) if sockets.is_empty() => Err(error.into()),
            _ if sockets.is_empty() => Err(OutboundError::Address.into()),
            _ => Ok(sockets),
        }
    }

    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match literal.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) if address::is_localhost(host) => Ok(address::LOOPBACK.to_vec()),
            Err(_) => (self.lookup)(host.to_owned()).await,
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let sockets: Addrs = Box::new(resolver.sockets(name.as_str().to_owned()).await?.into_iter());
            Ok(sockets)
        })
    }
}

pub(super) async fn system_lookup(name: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|socket| socket.ip()).collect())
}
