//! What the outbound client must never reach, follow or swallow (hazards M2, M5, M11).

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use web::{Outbound, OutboundError, OutboundPolicy};

/// A listener on loopback that counts its connections and answers each with the same bytes.
struct Trap {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Trap {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut head = [0; 4096];
                    let _read = socket.read(&mut head).await;
                    let _sent = socket.write_all(&answer).await;
                    // Held open until the client leaves, so that an answer without end does not end here.
                    let _left = socket.read(&mut head).await;
                });
            }
        });
        Self { port, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

fn to_loopback(policy: OutboundPolicy) -> Outbound {
    Outbound::new(OutboundPolicy { loopback: true, ..policy }, |_| true).unwrap()
}

/// A policy whose names resolve to these addresses, one list for each lookup, the last for all later ones.
fn resolving(lists: &[&[&str]]) -> OutboundPolicy {
    let lists: Vec<Vec<IpAddr>> =
        lists.iter().map(|list| list.iter().map(|address| address.parse().unwrap()).collect()).collect();
    let turn = AtomicUsize::new(0);
    let lookup = move |_name: String| {
        let turn = turn.fetch_add(1, Ordering::SeqCst).min(lists.len() - 1);
        let list = lists[turn].clone();
        Box::pin(async move { Ok(list) }) as futures_util::future::BoxFuture<'static, _>
    };
    OutboundPolicy { lookup: Arc::new(lookup), ..OutboundPolicy::default() }
}

#[tokio::test]
async fn nothing_that_is_not_the_internet_is_reached() {
    let trap = Trap::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "%31%32%37.0.0.1",
    ];
    let outbound = Outbound::new(OutboundPolicy::default(), |_| true).unwrap();
    let dev = to_loopback(resolving(&[&["10.0.0.1", "192.168.1.1"]]));
    for host in hosts {
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://{host}:{}/", trap.port);
            let refusal = outbound.get(&url).await.unwrap_err();
            let refused = matches!(refusal, OutboundError::Address | OutboundError::Insecure | OutboundError::Url);
            assert!(refused, "{url}: {refusal:?}");
        }
    }
    assert!(matches!(dev.get("https://10.0.0.1/").await, Err(OutboundError::Address)));
    assert!(matches!(dev.get("https://inside.example/").await, Err(OutboundError::Address)));
    assert_eq!(trap.hits(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_inwards_is_not_reached_nor_can_it_be_rebound() {
    let trap = Trap::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let url = format!("https://rebind.example:{}/", trap.port);
    for lists in [
        &[&["127.0.0.1"][..]][..],
        &[&["127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"]],
        // Each lookup is also the one that is connected to; a second answer never replaces the first unchecked.
        &[&["127.0.0.1"], &["127.0.0.1"]],
        &[&[]],
    ] {
        let outbound = Outbound::new(resolving(lists), |_| true).unwrap();
        for _ in 0..2 {
            assert!(matches!(outbound.get(&url).await, Err(OutboundError::Address)), "{lists:?}");
        }
    }
    assert_eq!(trap.hits(), 0);
}

#[tokio::test]
async fn an_operator_s_network_is_reached() {
    let trap = Trap::answering("").await;
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    let outbound = Outbound::new(OutboundPolicy { networks, ..resolving(&[&["127.0.0.1"]]) }, |_| true).unwrap();
    let refusal = outbound.get(&format!("https://inside.example:{}/", trap.port)).await.unwrap_err();
    assert!(!matches!(refusal, OutboundError::Address), "the TLS handshake fails, after a connection: {refusal:?}");
    assert_ne!(trap.hits(), 0);
}

#[tokio::test]
async fn only_what_the_owner_allows_is_asked() {
    let trap = Trap::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let none = Outbound::new(OutboundPolicy { loopback: true, ..OutboundPolicy::default() }, |_| false).unwrap();
    let one = none.for_owner(|url| url.path() == "/");
    assert!(matches!(none.get(&trap.url()).await, Err(OutboundError::NotAllowed)));
    assert!(matches!(one.get(&format!("{}other", trap.url())).await, Err(OutboundError::NotAllowed)));
    for url in ["http://user@127.0.0.1/", "http://:secret@127.0.0.1/", "file:///etc/passwd", "http://", "not a url", ""]
    {
        let refusal = one.get(url).await.unwrap_err();
        assert!(matches!(refusal, OutboundError::Url | OutboundError::Insecure), "{url}: {refusal:?}");
    }
    assert_eq!(trap.hits(), 0);
    let answer = one.post(&trap.url(), "application/json", "{}").await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"ok"[..]));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let inner = Trap::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", inner.url());
    let outer = Trap::answering(redirect).await;
    let answer = to_loopback(OutboundPolicy::default()).get(&outer.url()).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!((outer.hits(), inner.hits()), (1, 0));
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_and_never_unpacked() {
    let outbound = to_loopback(OutboundPolicy { response_bytes_max: 1_000, ..OutboundPolicy::default() });
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1_000));
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned(), OutboundError::TooLarge),
        (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3)), OutboundError::TooLarge),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2_000)), OutboundError::TooLarge),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc".to_owned(),
            OutboundError::Encoded,
        ),
    ];
    for (answer, expected) in cases {
        let trap = Trap::answering(answer.clone()).await;
        let refusal = outbound.get(&trap.url()).await.unwrap_err();
        assert_eq!(format!("{refusal:?}"), format!("{expected:?}"), "{}", answer.get(..60).unwrap_or(&answer));
    }
    for (bytes_max, fits) in [(1_000, true), (999, false)] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "x".repeat(1_000));
        let trap = Trap::answering(answer).await;
        assert_eq!(outbound.capped(bytes_max).get(&trap.url()).await.is_ok(), fits, "{bytes_max}");
    }
}

#[tokio::test]
async fn an_answer_is_bounded_in_time() {
    let outbound = to_loopback(OutboundPolicy { timeout: Duration::from_millis(50), ..OutboundPolicy::default() });
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nslow"] {
        let trap = Trap::answering(answer).await;
        let refusal = outbound.get(&trap.url()).await.unwrap_err();
        assert!(matches!(refusal, OutboundError::Timeout), "{refusal:?}");
    }
}

#[tokio::test]
async fn errors_do_not_tell_the_url() {
    let outbound = to_loopback(OutboundPolicy { timeout: Duration::from_millis(50), ..OutboundPolicy::default() });
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let trap = Trap::answering("nonsense\r\n\r\n").await;
    for port in [closed, trap.port] {
        let refusal = outbound.get(&format!("http://127.0.0.1:{port}/?token=c4n4ry")).await.unwrap_err();
        assert!(!format!("{refusal:?} {refusal}").contains("c4n4ry"));
    }
}
