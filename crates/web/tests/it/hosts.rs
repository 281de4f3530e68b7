//! Every way to confuse the server about which tenant a request is for (hazard T1).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, header};
use web::Peer;

use crate::town::{Fixture, WHOAMI, get};

/// A `whoami` with metz's token and these headers instead of `Host: metz.example`.
fn ask(headers: &[(&'static str, &'static str)]) -> Request<bytes::Bytes> {
    let mut ask = get(WHOAMI, "metz_alice");
    ask.headers_mut().remove(header::HOST);
    for (name, value) in headers {
        ask.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    ask
}

/// The address that asks, the name of its TLS handshake, its headers, and the status expected.
type Case = (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)], u16);

#[tokio::test]
async fn host_forwarded_host_and_handshake_must_agree() {
    let fixture = Fixture::new();
    let (client, proxy) = ("192.0.2.1", "10.0.0.1");
    let cases: [Case; 20] = [
        (client, None, &[("host", "metz.example")], 200),
        (client, None, &[("host", "METZ.example:8448")], 200),
        (client, Some("metz.example"), &[("host", "metz.example")], 200),
        // A name that no tenant has says nothing: a certificate for several names, an address.
        (client, Some("www.example"), &[("host", "metz.example")], 200),
        (client, Some("nancy.example"), &[("host", "metz.example")], 421),
        (client, None, &[("host", "nancy.example")], 401),
        (client, None, &[("host", "lyon.example")], 421),
        (client, None, &[("host", "metz.example.evil.example")], 421),
        (client, None, &[("host", "192.0.2.7")], 421),
        (client, None, &[], 421),
        (client, None, &[("host", "")], 400),
        (client, None, &[("host", "metz.example"), ("host", "nancy.example")], 400),
        (client, None, &[("host", "metz.example,nancy.example")], 400),
        (client, None, &[("host", "nancy.example@metz.example")], 400),
        // Only a trusted proxy may name another host than its own.
        (client, None, &[("host", "metz.example"), ("x-forwarded-host", "nancy.example")], 200),
        (client, None, &[("host", "nancy.example"), ("x-forwarded-host", "metz.example")], 401),
        (proxy, None, &[("host", "inside"), ("x-forwarded-host", "metz.example")], 200),
        (proxy, Some("nancy.example"), &[("host", "inside"), ("x-forwarded-host", "nancy.example, metz.example")], 200),
        (proxy, None, &[("host", "metz.example"), ("x-forwarded-host", "nancy.example")], 401),
        (proxy, None, &[("host", "metz.example"), ("x-forwarded-host", "lyon.example")], 421),
    ];
    for (address, sni, headers, status) in cases {
        let handled = fixture.handled();
        let peer = Peer { address: address.parse().unwrap(), sni: sni.map(Arc::from) };
        let answer = fixture.ask_as(&peer, ask(headers)).await;
        assert_eq!(answer.status(), status, "{address} {sni:?} {headers:?}");
        assert_eq!(fixture.handled() - handled, usize::from(status == 200), "{headers:?}");
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    }
}

#[tokio::test]
async fn an_absolute_target_must_agree_with_the_host_header() {
    let fixture = Fixture::new();
    for (host, status) in [("metz.example", 200), ("nancy.example", 400)] {
        let mut ask = get(&format!("https://metz.example{WHOAMI}"), "metz_alice");
        let headers: &mut HeaderMap = ask.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        assert_eq!(fixture.ask(ask).await.status(), status, "{host}");
    }
}

#[tokio::test]
async fn tenants_come_and_go_while_requests_are_served() {
    let fixture = Fixture::new();
    fixture.hosts.remove("metz.example");
    assert_eq!(fixture.ask(get(WHOAMI, "metz_alice")).await.status(), 421);
    fixture.hosts.set_default(Some(Arc::clone(&fixture.metz)));
    assert_eq!(fixture.ask(get(WHOAMI, "metz_alice")).await.status(), 200);
    fixture.hosts.insert("metz.example", Arc::clone(&fixture.nancy));
    assert_eq!(fixture.ask(get(WHOAMI, "nancy_alice")).await.status(), 200);
}
