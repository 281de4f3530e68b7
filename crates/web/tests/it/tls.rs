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
use web::{
    Outbound, OutboundError, OutboundPolicy, TlsSource,
    outbound::{KeyPin, Place, Trust},
};

use crate::{
    certificates::Authority,
    listener::Running,
    town::{TestTown, WHOAMI},
};

/// A client that trusts this machine's loopback and these authorities.
fn client(authorities: &[&Authority]) -> Outbound {
    let roots_pem = authorities.iter().map(|authority| authority.pem.clone().into_bytes()).collect();
    let trust = Trust { roots_pem, ..Trust::default() };
    Outbound::new(OutboundPolicy { loopback: true, trust, ..OutboundPolicy::default() }, |_| true).unwrap()
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

#[tokio::test]
async fn a_pinned_key_is_asked_for_besides_the_authority_s_word() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (config, pin) = ours.server_with_pin(&["localhost"]);
    let running = Running::start(Some(fixed(config))).await;
    running.fixture.hosts.insert("localhost", Arc::clone(&running.fixture.metz));
    let other_pin = ours.server_with_pin(&["localhost"]).1;
    for (authority, pins, is_believed) in [
        (&ours, vec![&pin], true),
        (&ours, vec![&other_pin, &pin], true),
        (&ours, vec![&other_pin], false),
        (&theirs, vec![&pin], false),
    ] {
        let pins: Vec<_> = pins.into_iter().map(|pin| KeyPin::parse(pin).unwrap()).collect();
        for only_these_roots in [true, false] {
            let roots_pem = vec![authority.pem.clone().into_bytes()];
            let trust = Trust { roots_pem, only_these_roots, pins: pins.clone() };
            let policy = OutboundPolicy { loopback: true, trust, ..OutboundPolicy::default() };
            let outcome = Outbound::new(policy, |_| true).unwrap().execute(whoami(&running)).await;
            match outcome {
                Ok(answer) => assert!(is_believed && answer.status() == 200, "{pins:?}"),
                Err(error) => {
                    assert!(!is_believed && matches!(error, OutboundError::Connect(_)), "{pins:?}: {error:?}")
                }
            }
        }
    }
    for wrong in ["", "sha256/", "sha1/AAAA", &pin[..pin.len() - 4], &format!("{pin}AAAA")] {
        assert_eq!(KeyPin::parse(wrong), None, "{wrong}");
    }
    for roots_pem in [vec![b"no PEM".to_vec()], vec![Vec::new()]] {
        let trust = Trust { roots_pem, ..Trust::default() };
        let refusal = Outbound::new(OutboundPolicy { trust, ..OutboundPolicy::default() }, |_| true).unwrap_err();
        assert!(matches!(refusal, OutboundError::Trust(_)), "{refusal:?}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_service_is_found_where_it_is_and_the_certificate_stays_that_of_the_host() {
    let authority = Authority::new();
    let running = Running::start(Some(fixed(authority.server(&["metz.example"])))).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = running.address.port();
    let places = |ports: [u16; 2]| ports.map(|port| Place { host: "127.0.0.1".to_owned(), port }).to_vec();
    let client = |places: Vec<Place>| {
        let trust = Trust { roots_pem: vec![authority.pem.clone().into_bytes()], ..Trust::default() };
        let locate = move |host: String| {
            assert_eq!(host, "metz.example");
            let places = places.clone();
            Box::pin(async move { Ok(places) }) as futures_util::future::BoxFuture<'static, _>
        };
        let locate = Some(Arc::new(locate) as web::outbound::Locate);
        let policy = OutboundPolicy { loopback: true, http1_only: true, trust, locate, ..OutboundPolicy::default() };
        Outbound::new(policy, |_| true).unwrap()
    };
    let ask = |host: &str| {
        let url = format!("https://metz.example{WHOAMI}");
        let ask = Request::get(url).header("authorization", "Bearer metz_alice").header("host", host);
        ask.body(bytes::Bytes::new()).unwrap()
    };
    for ports in [[port, closed], [closed, port]] {
        let answer = client(places(ports)).execute(ask("metz.example")).await.unwrap();
        assert_eq!(answer.status(), 200, "{ports:?}");
    }
    // The Host header is the request's own; here it leads to no town.
    assert_eq!(client(places([port, port])).execute(ask("lyon.example")).await.unwrap().status(), 421);
    let nowhere = client(places([closed, closed])).execute(ask("metz.example")).await;
    assert!(matches!(nowhere, Err(OutboundError::Connect(_))), "{nowhere:?}");
    assert!(matches!(client(Vec::new()).execute(ask("metz.example")).await, Err(OutboundError::Address)));
    running.end().await;
}
