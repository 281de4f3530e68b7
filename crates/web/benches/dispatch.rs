//! What the kit itself costs: a `whoami` through host, route, token, limit, handler and answer; without sockets, and with them.

use std::{
    hint::black_box,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Method, Request};
use kernel::{
    SystemClock,
    id::{OwnedServerName, ServerName},
};
use web::{
    Access, Caller, Capacity, Hosts, Identity, Json, Limiter, Limits, Peer, Proxies, Rate, Routes, Rule, Server,
    Session, SessionKind, Shutdown, Site, Town, Visit,
};

const PATH: &str = "/_matrix/client/v3/account/whoami";

struct BenchTown {
    name: OwnedServerName,
    caller: Caller,
}

impl Town for BenchTown {
    fn server_name(&self) -> &ServerName {
        &self.name
    }

    async fn authenticate(&self, token: &str) -> web::Result<Caller> {
        match token {
            "token" => Ok(self.caller.clone()),
            _ => Err(web::Error::unknown_token(false)),
        }
    }
}

async fn whoami(_: Arc<BenchTown>, caller: Option<Caller>, _: Visit) -> web::Result<Json> {
    Json::of(&serde_json::json!({ "user_id": caller.map(|caller| caller.user.clone()), "device_id": "DEVICE" }))
}

fn site() -> Arc<Site<BenchTown>> {
    let identity = Identity {
        user: "@alice:metz.example".try_into().expect("a user id"),
        device: Some("DEVICE".into()),
        session: Session { id: "1".to_owned(), kind: SessionKind::OAuth },
        is_admin: false,
        is_suspended: false,
    };
    let name = ServerName::parse("metz.example").expect("a server name");
    let hosts = Hosts::new();
    hosts.insert("metz.example", Arc::new(BenchTown { name, caller: Caller::new(identity) }));
    let mut routes = Routes::new();
    routes.json(Method::GET, PATH, Access::User, whoami);
    // As many routes as the real table has, so that the search is as deep.
    for number in 0..200 {
        let path: &'static str = format!("/_matrix/client/v3/rooms/{{room_id}}/r{number}/{{a}}/{{b}}").leak();
        routes.json(Method::GET, path, Access::User, whoami);
    }
    // Counted as in production, but never refused.
    let wide = (100_000.0, 10_000_000);
    let limits = Limits::off().with(Rate::Other, Rule::new(wide, wide));
    let limiter = Arc::new(Limiter::new(limits, Arc::new(SystemClock)));
    Arc::new(Site::new(Arc::new(hosts), routes, limiter, Proxies::none()).expect("no route is there twice"))
}

fn request() -> Request<Bytes> {
    let request = Request::get(PATH).header("host", "metz.example").header("authorization", "Bearer token");
    request.header("user-agent", "bench").body(Bytes::new()).expect("a request")
}

fn in_process(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (site, peer) = (site(), Peer::plain(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    criterion.bench_function("whoami in process", |bench| {
        bench.iter(|| black_box(runtime.block_on(site.answer(request(), &peer))));
    });
}

fn on_a_socket(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let shutdown = Shutdown::new();
    let server = Server::new(site(), Capacity::default(), shutdown.clone());
    let serving = runtime.spawn(async move { server.run(listener, None).await });
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).expect("a socket option");
    let one = format!(
        "GET {PATH} HTTP/1.1\r\nhost: metz.example\r\nauthorization: Bearer token\r\nuser-agent: bench\r\n\r\n"
    );
    let mut answer = [0; 4096];
    criterion.bench_function("whoami on a socket, there and back", |bench| {
        bench.iter(|| {
            socket.write_all(one.as_bytes()).expect("a request goes out");
            black_box(socket.read(&mut answer).expect("an answer comes in"))
        });
    });
    drop(socket);
    shutdown.begin();
    runtime.block_on(serving).expect("the server ends");
}

criterion_group!(benches, in_process, on_a_socket);
criterion_main!(benches);
