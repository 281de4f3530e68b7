//! Which tenant a request is for: by its host, never by anything else that the client says.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};

use crate::{Error, Peer, Proxies, Result};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The tenants by host name. Shared by all listeners; a change is seen by the next request.
pub struct Hosts<A> {
    table: ArcSwap<Table<A>>,
}

struct Table<A> {
    by_host: HashMap<Box<str>, Arc<A>>,
    default: Option<Arc<A>>,
}

impl<A> Default for Hosts<A> {
    fn default() -> Self {
        Self { table: ArcSwap::from_pointee(Table { by_host: HashMap::new(), default: None }) }
    }
}

impl<A> Hosts<A> {
    pub fn new() -> Self {
        Self::default()
    }

    /// One tenant for every host: for loopback, demos and tests, where requests come by IP address.
    pub fn only(tenant: Arc<A>) -> Self {
        let hosts = Self::new();
        hosts.set_default(Some(tenant));
        hosts
    }

    /// Gives a host to a tenant, instead of the one that had it. `host` may end in `:port`, and then stands for that port
    /// alone; without one it stands for all ports.
    pub fn insert(&self, host: &str, tenant: Arc<A>) {
        self.change(|table| {
            table.by_host.insert(host.to_ascii_lowercase().into(), Arc::clone(&tenant));
        });
    }

    pub fn remove(&self, host: &str) {
        self.change(|table| {
            table.by_host.remove(&*host.to_ascii_lowercase());
        });
    }

    /// The tenant of requests for a host that no tenant has. None (as at first) refuses them.
    pub fn set_default(&self, tenant: Option<Arc<A>>) {
        self.change(|table| table.default.clone_from(&tenant));
    }

    /// The tenant of `host` or `host:port`.
    pub fn find(&self, host: &str) -> Option<Arc<A>> {
        let table = self.table.load();
        table.named(host).or(table.default.as_ref()).map(Arc::clone)
    }

    /// The tenant that a request is for.
    ///
    /// # Errors
    /// 421 when its host belongs to no tenant, or when the TLS handshake named another tenant; 400 when it has no host, or
    /// more than one.
    pub(crate) fn of_request(&self, uri: &Uri, headers: &HeaderMap, peer: &Peer, proxies: &Proxies) -> Result<Arc<A>> {
        let behind_proxy = proxies.trusts(peer.address);
        let forwarded = if behind_proxy { forwarded_host(headers)? } else { None };
        let host = match forwarded {
            Some(host) => Some(host),
            None => own_host(uri, headers)?,
        };
        let table = self.table.load();
        let tenant = match host {
            Some(host) => table.named(host).or(table.default.as_ref()),
            None => table.default.as_ref(),
        };
        let tenant = tenant.ok_or_else(|| misdirected("This host is not served here"))?;
        // A trusted proxy's handshake names the proxy's idea of us, not the client's.
        if let Some(sni) = peer.sni.as_deref().filter(|_| !behind_proxy)
            && table.named(sni).is_some_and(|other| !Arc::ptr_eq(other, tenant))
        {
            return Err(misdirected("The TLS handshake was for another host"));
        }
        Ok(Arc::clone(tenant))
    }

    fn change(&self, change: impl Fn(&mut Table<A>)) {
        self.table.rcu(|table| {
            let mut table = Table { by_host: table.by_host.clone(), default: table.default.clone() };
            change(&mut table);
            table
        });
    }
}

impl<A> Table<A> {
    fn named(&self, host: &str) -> Option<&Arc<A>> {
        let host = lower(host);
        self.by_host.get(&*host).or_else(|| self.by_host.get(without_port(&host)))
    }
}

fn misdirected(message: &str) -> Error {
    Error::custom(StatusCode::MISDIRECTED_REQUEST, "M_UNRECOGNIZED", message)
}

/// The host of the request itself: HTTP/2's `:authority`, or HTTP/1.1's `Host`. Where both are given, they must agree.
fn own_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<Option<&'a str>> {
    let ambiguous = || Error::custom(StatusCode::BAD_REQUEST, "M_UNKNOWN", "The request names no host, or several");
    let mut values = headers.get_all(header::HOST).iter();
    let header = values.next().map(|value| value.to_str().map_err(|_| ambiguous())).transpose()?;
    if values.next().is_some() {
        return Err(ambiguous());
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = match (authority, header) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => return Err(ambiguous()),
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Ok(None),
    };
    if host.is_empty() || host.contains(['@', '/', ',', ' ']) {
        return Err(ambiguous());
    }
    Ok(Some(host))
}

/// The last value: the one that the proxy next to us wrote.
fn forwarded_host(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get_all(X_FORWARDED_HOST).iter().next_back() else { return Ok(None) };
    let value = value.to_str().map_err(|_| misdirected("X-Forwarded-Host is not a host"))?;
    Ok(value.rsplit(',').next().map(str::trim).filter(|host| !host.is_empty()))
}

/// `host` of `host:port`, `[::1]` of `[::1]:8008`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_any_case_and_with_its_port() {
        let hosts = Hosts::new();
        hosts.insert("Metz.example", Arc::new("metz"));
        hosts.insert("nancy.example:8448", Arc::new("nancy"));
        hosts.insert("[::1]", Arc::new("loopback"));
        let cases = [
            ("metz.example", Some("metz")),
            ("METZ.example:443", Some("metz")),
            ("metz.example.", None),
            ("xmetz.example", None),
            ("metz.example:evil", None),
            ("nancy.example:8448", Some("nancy")),
            ("nancy.example", None),
            ("nancy.example:443", None),
            ("[::1]:8008", Some("loopback")),
            ("[::1]", Some("loopback")),
            ("::1", None),
            ("", None),
        ];
        for (host, tenant) in cases {
            assert_eq!(hosts.find(host).as_deref().copied(), tenant, "{host}");
        }
        hosts.remove("metz.EXAMPLE");
        assert_eq!(hosts.find("metz.example"), None);
        hosts.set_default(Some(Arc::new("default")));
        assert_eq!(hosts.find("192.0.2.1:8008").as_deref(), Some(&"default"));
    }
}
