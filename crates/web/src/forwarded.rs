//! The client's address when a proxy stands in front.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose `X-Forwarded-For` and `X-Forwarded-Host` are believed. Empty: nobody's.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    pub fn none() -> Self {
        Self::default()
    }

    /// From addresses or networks (`127.0.0.1`, `10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let network = |text: &'a str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or_else(|_| address()).map_err(|_| text)
        };
        networks.into_iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the peer's own, unless the peer is a trusted proxy. Then the chain of `X-Forwarded-For` is
    /// read from its end, where our proxies wrote, to the first address that is not a trusted proxy's: what stands before
    /// that one the client may have made up.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.trusts(client) {
            let Some(hop) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = hop;
        }
        client
    }
}

/// An address alone, in brackets, or with a port.
fn address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed_and_the_chain_is_read_from_its_end() {
        let proxies = Proxies::parse(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]).unwrap();
        let cases: [(&str, &[&str], &str); 10] = [
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // The client wrote 203.0.113.9 itself; 198.51.100.7 is what the outermost proxy saw.
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7", "10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
            ("127.0.0.1", &["203.0.113.9, nonsense, 10.1.2.3"], "10.1.2.3"),
            ("fd00::1", &["[2001:db8::5]:4711"], "2001:db8::5"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
        ];
        for (peer, lines, client) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
            }
            let found = proxies.client_address(peer.parse().unwrap(), &headers);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
        assert_eq!(Proxies::parse(["10.0.0.0/8", "proxy.example"]).unwrap_err(), "proxy.example");
    }
}
