//! TLS: our own client against our own server, certificates that change, names that do not match.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Request;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use web::{Outbound, OutboundError, OutboundPolicy, TlsSource};

use crate::{
    certificates::Authority,
    listener::Running,
    town::{TestTown, WHOAMI},
};

/// A client that trusts this machine's loopback and these authorities.
fn client(authorities: &[&Authority]) -> Outbound {
    let roots_pem = authorities.iter().map(|authority| authority.pem.clone().into_bytes()).collect();
    Outbound::new(OutboundPolicy { loopback: true, roots_pem, ..OutboundPolicy::default() }, |_| true).unwrap()
}

fn fixed(config: Arc<ServerConfig>) -> TlsSource {
    Arc::new(move || Arc::clone(&config))
}

fn whoami(running: &Running) -> Request<bytes::Bytes> {
    Request::get(format!("https://localhost:{}{WHOAMI}", running.address.port()))
        .header("authorization", "Bearer metz_alice")
        .body(bytes::Bytes::new())
        .unwrap()
}

#[tokio::test]
async fn a_certificate_is_checked_and_may_change_while_serving() {
    let (first, second) = (Authority::new(), Authority::new());
    let current = Arc::new(ArcSwap::new(first.server(&["localhost"])));
    let source: TlsSource = {
        let current = Arc::clone(&current);
        Arc::new(move || current.load_full())
    };
    let running = Running::start(Some(source)).await;
    running.fixture.hosts.insert("localhost", Arc::clone(&running.fixture.metz));

    assert_eq!(client(&[&first]).execute(whoami(&running)).await.unwrap().status(), 200);
    assert!(matches!(client(&[]).execute(whoami(&running)).await, Err(OutboundError::Connect(_))));
    assert!(matches!(client(&[&second]).execute(whoami(&running)).await, Err(OutboundError::Connect(_))));

    current.store(second.server(&["localhost"]));
    assert_eq!(client(&[&second]).execute(whoami(&running)).await.unwrap().status(), 200);
    current.store(second.server(&["other.example"]));
    assert!(matches!(client(&[&second]).execute(whoami(&running)).await, Err(OutboundError::Connect(_))));
    running.end().await;
}

#[tokio::test]
async fn a_handshake_for_one_tenant_serves_no_other() {
    let authority = Authority::new();
    let running = Running::start(Some(fixed(authority.server(&["metz.example", "nancy.example"])))).await;
    running.fixture.hosts.insert("lyon.example", TestTown::new("lyon.example"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    for (name, host, status) in [
        ("metz.example", "metz.example", "200"),
        ("nancy.example", "metz.example", "421"),
        ("metz.example", "lyon.example", "421"),
    ] {
        let socket = running.connect().await;
        let mut stream = connector.connect(ServerName::try_from(name).unwrap(), socket).await.unwrap();
        let request = format!(
            "GET {WHOAMI} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer metz_alice\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name} {host}: {answer}");
    }
    assert_eq!(running.fixture.handled(), 1);
    running.end().await;
}
