//! The server on real sockets: smuggling, slow clients, and an orderly end (hazards D14, D16).

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use web::{Capacity, Server, Shutdown, TlsSource};

use crate::town::{Fixture, PATIENCE, WHOAMI};

/// A server on loopback.
pub struct Running {
    pub fixture: Fixture,
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(tls: Option<TlsSource>) -> Self {
        Self::with(tls, Capacity::default()).await
    }

    pub async fn with(tls: Option<TlsSource>, capacity: Capacity) -> Self {
        let fixture = Fixture::new();
        let shutdown = Shutdown::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::clone(&fixture.site), capacity, shutdown.clone());
        let task = tokio::spawn(async move { server.run(listener, tls).await });
        Self { fixture, address, shutdown, task }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and returns all that comes until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect().await;
        // The server may have answered and closed before all is written.
        let _cut = socket.write_all(bytes).await;
        read_to_end(&mut socket).await
    }

    pub async fn end(self) {
        self.shutdown.begin();
        timeout(PATIENCE, self.task).await.expect("the server ends").unwrap();
    }
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = async {
        let mut chunk = [0; 4096];
        // A reset counts as an end.
        while let Ok(bytes @ 1..) = socket.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..bytes]);
        }
    };
    timeout(PATIENCE, read).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Lets the server go on until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it becomes so");
}

fn whoami(more: &str) -> String {
    format!("GET {WHOAMI} HTTP/1.1\r\nHost: metz.example\r\nAuthorization: Bearer metz_alice\r\n{more}\r\n")
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let running = Running::start(None).await;
    let head = format!("HEAD {WHOAMI} HTTP/1.1\r\nHost: metz.example\r\nAuthorization: Bearer metz_alice\r\n\r\n");
    let answer = running.exchange(format!("{}{head}{}", whoami(""), whoami("Connection: close\r\n")).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert_eq!(answer.matches("@alice:metz.example").count(), 2);
    running.end().await;
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let running = Running::start(None).await;
    let put = |headers: &str, body: &str| {
        let path = crate::town::SEND;
        format!("PUT {path} HTTP/1.1\r\nHost: metz.example\r\nAuthorization: Bearer metz_alice\r\n{headers}\r\n{body}")
    };
    let smuggled = whoami("");
    let corpus = [
        put("Content-Length: 6\r\nContent-Length: 5\r\n", &format!("{{\"a\":{smuggled}")),
        put("Content-Length: 5, 6\r\n", &smuggled),
        put("Content-Length: +5\r\n", &smuggled),
        put("Content-Length: 0x5\r\n", &smuggled),
        put("Content-Length: -1\r\n", &smuggled),
        put("Transfer-Encoding: chunked, identity\r\n", &format!("0\r\n\r\n{smuggled}")),
        put("Transfer-Encoding: xchunked\r\n", &format!("0\r\n\r\n{smuggled}")),
        put("Transfer-Encoding: gzip\r\n", &smuggled),
        put("X: a\r\n b: folded\r\n", &smuggled),
        put("X : space before the colon\r\nContent-Length: 0\r\n", &smuggled),
        put("Transfer-Encoding: chunked\r\n", &format!("zz\r\n{smuggled}")),
        put("Transfer-Encoding: chunked\r\n", &format!("5;\n{smuggled}")),
        format!("GET {WHOAMI} HTTP/1.1\r\nHost: metz.example\r\nX: a\0b\r\n\r\n{smuggled}"),
        format!("GET {WHOAMI} HTTP/3.9\r\nHost: metz.example\r\n\r\n{smuggled}"),
        format!("GET  {WHOAMI} HTTP/1.1\r\nHost: metz.example\r\n\r\n{smuggled}"),
    ];
    for bytes in corpus {
        let answer = running.exchange(bytes.as_bytes()).await;
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.is_empty() || first.starts_with("HTTP/1.1 4"), "{bytes:?} -> {answer}");
        assert!(!answer.contains("@alice:metz.example"), "{bytes:?} -> {answer}");
    }
    assert_eq!(running.fixture.handled(), 0);
    running.end().await;
}

#[tokio::test]
async fn a_request_of_both_framings_ends_its_connection() {
    let running = Running::start(None).await;
    let both = format!(
        "POST /hello/you HTTP/1.1\r\nHost: metz.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
        whoami("")
    );
    let answer = running.exchange(both.as_bytes()).await;
    assert!(!answer.contains("@alice:metz.example"), "{answer}");
    running.end().await;
}

#[tokio::test]
async fn oversized_heads_and_bodies_are_refused() {
    let running = Running::start(None).await;
    let head = whoami(&format!("X: {}\r\n", "x".repeat(100_000)));
    assert!(running.exchange(head.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many: String = (0..10_000).map(|n| format!("X-{n}: a\r\n")).collect();
    assert!(running.exchange(whoami(&many).as_bytes()).await.starts_with("HTTP/1.1 431"));
    let put = "PUT /_matrix/client/v3/rooms/!a:metz.example/send/t/1 HTTP/1.1\r\nHost: metz.example\r\n\
               Authorization: Bearer metz_alice\r\n";
    let announced = format!("{put}Content-Length: 99999999\r\n\r\n");
    assert!(running.exchange(announced.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, "x".repeat(65_536));
    let chunked = format!("{put}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(20));
    assert!(running.exchange(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    assert_eq!(running.fixture.handled(), 0);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_cut() {
    let running = Running::start(None).await;
    assert_eq!(running.exchange(b"").await, "", "silence");
    assert_eq!(running.exchange(b"GET / HT").await, "", "half a head");
    assert_eq!(running.exchange(b"PRI * HTTP/2").await, "", "half an HTTP/2 preface");
    let body = "POST /hello/you HTTP/1.1\r\nHost: metz.example\r\nContent-Length: 10\r\n\r\n{";
    assert!(running.exchange(body.as_bytes()).await.starts_with("HTTP/1.1 408"));
    // An idle connection is closed without a word, its answer before that whole.
    let idle = running.exchange(whoami("").as_bytes()).await;
    assert!(idle.ends_with('}'), "{idle}");
    let dripping = running.exchange(format!("{}GET", whoami("")).as_bytes()).await;
    assert!(dripping.ends_with('}'), "{dripping}");
    assert_eq!(running.fixture.handled(), 2);
    running.end().await;
}

#[tokio::test]
async fn a_change_is_finished_though_its_client_leaves_and_a_wait_is_not() {
    let running = Running::start(None).await;
    let town = &running.fixture.metz;
    for (number, method) in ["GET", "PUT", "POST"].into_iter().enumerate() {
        let mut socket = running.connect().await;
        let ask = format!("{method} /slow HTTP/1.1\r\nHost: metz.example\r\nContent-Length: 0\r\n\r\n");
        socket.write_all(ask.as_bytes()).await.unwrap();
        until(|| town.handled() > number).await;
    }
    until(|| town.dropped.load(Ordering::SeqCst) == 2).await;
    assert_eq!(town.finished.load(Ordering::SeqCst), 0);
    town.shutdown.begin();
    until(|| town.finished.load(Ordering::SeqCst) == 1).await;
    running.end().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let capacity = Capacity { connections_max: 2, ..Capacity::default() };
    let running = Running::with(None, capacity).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = running.connect().await;
        socket.write_all(whoami("").as_bytes()).await.unwrap();
        let mut first = [0; 1];
        socket.read_exact(&mut first).await.unwrap();
        held.push(socket);
    }
    assert_eq!(running.exchange(whoami("").as_bytes()).await, "");
    held.clear();
    running.end().await;
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_wakes_those_that_wait() {
    let running = Running::start(None).await;
    let mut socket = running.connect().await;
    socket.write_all(b"GET /wait HTTP/1.1\r\nHost: metz.example\r\n\r\n").await.unwrap();
    until(|| running.fixture.handled() == 1).await;
    let mut idle = running.connect().await;
    idle.write_all(whoami("").as_bytes()).await.unwrap();
    running.fixture.metz.shutdown.begin();
    let address = running.address;
    running.end().await;
    assert!(read_to_end(&mut socket).await.ends_with("waited"));
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever() {
    let running = Running::with(None, Capacity { drain: Duration::from_secs(5), ..Capacity::default() }).await;
    let mut socket = running.connect().await;
    socket.write_all(b"GET /wait HTTP/1.1\r\nHost: metz.example\r\n\r\n").await.unwrap();
    until(|| running.fixture.handled() == 1).await;
    running.end().await;
    assert_eq!(read_to_end(&mut socket).await, "");
}
