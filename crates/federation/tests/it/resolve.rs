//! Where a server is found (spec, "Resolving server names"): each way in its order, with the Host header and the certificate that
//! belong to it, and never inside the town's own network.

use std::time::Duration;

use federation::Call;
use http::Method;
use kernel::id::ServerName;
use rooms::RemoteError;

use crate::{
    peer::{Peer, answer},
    town::{Process, TestTown},
};

const HOUR: Duration = Duration::from_hours(1);

async fn call(town: &TestTown, to: &str) -> Result<(), RemoteError> {
    let to = ServerName::parse(to).unwrap();
    // What was not found a moment ago is asked for again.
    town.peers.alive(&to);
    let call = Call {
        to: &to,
        method: Method::GET,
        uri: "/_matrix/federation/v1/x".to_owned(),
        body: None,
        deadline: Duration::from_secs(5),
        bytes_max: 1_000,
    };
    town.peers.call(call).await.map(|_| ())
}

/// A server that is reached under these names, and the town that asks.
async fn stage(names: &[&str]) -> (Process, Peer, TestTown) {
    let process = Process::new();
    let peer = Peer::start("peer.example", process.authority.server(names)).await;
    peer.script(|_| answer(200, "{}"));
    let town = process.town("metz.example", &["hs1.example:*", "127.0.0.1:*", "[::1]:*"]);
    (process, peer, town)
}

/// A web server with a well-known file for hs1.example.
async fn web(process: &Process, file: &str) -> Peer {
    let web = Peer::start("web.example", process.authority.server(&["hs1.example"])).await;
    let file = file.to_owned();
    web.script(move |_| answer(200, &file));
    process.internet.web("hs1.example", web.port);
    web
}

/// The Host header of the one request that came.
fn host(peer: &Peer) -> String {
    let asked = peer.asked();
    assert_eq!(asked.len(), 1);
    asked[0].host.clone()
}

#[tokio::test]
async fn an_address_or_a_port_is_taken_as_it_is() {
    let (process, peer, town) = stage(&["hs1.example", "127.0.0.1"]).await;
    for (name, questions) in
        [(format!("hs1.example:{}", peer.port), &["A hs1.example"][..]), (format!("127.0.0.1:{}", peer.port), &[])]
    {
        call(&town, &name).await.unwrap();
        assert_eq!(
            (host(&peer), process.internet.questions()),
            (name, questions.iter().map(|q| (*q).to_owned()).collect())
        );
    }
    // The certificate must be of the name.
    let (_, peer, town) = stage(&["other.example"]).await;
    for name in [format!("hs1.example:{}", peer.port), format!("127.0.0.1:{}", peer.port)] {
        assert!(matches!(call(&town, &name).await, Err(RemoteError::Unreachable(_))));
    }
    assert!(peer.connections() > 0 && peer.asked().is_empty());
}

#[tokio::test]
async fn a_well_known_file_delegates_to_another_name() {
    let (process, peer, town) = stage(&["matrix.hs1.example"]).await;
    let web = web(&process, &format!(r#"{{"m.server":"matrix.hs1.example:{}"}}"#, peer.port)).await;
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), format!("matrix.hs1.example:{}", peer.port));
    let asked = web.asked().pop().unwrap();
    assert_eq!((asked.uri.as_str(), asked.host.as_str()), ("/.well-known/matrix/server", "hs1.example"));
    assert_eq!(process.internet.questions(), ["web hs1.example", "A hs1.example", "A matrix.hs1.example"]);

    // To a name without a port: its service records say where.
    let (process, peer, town) = stage(&["matrix.hs1.example"]).await;
    self::web(&process, r#"{"m.server":"matrix.hs1.example"}"#).await;
    process.internet.serve("_matrix-fed._tcp.matrix.hs1.example", &[("node.example", peer.port)]);
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), "matrix.hs1.example");

    // To an address.
    let (process, peer, town) = stage(&["127.0.0.1"]).await;
    self::web(&process, &format!(r#"{{"m.server":"127.0.0.1:{}"}}"#, peer.port)).await;
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), format!("127.0.0.1:{}", peer.port));
}

#[tokio::test]
async fn without_a_well_known_file_the_service_records_lead_and_the_certificate_stays_that_of_the_name() {
    let (process, peer, town) = stage(&["hs1.example"]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    process.internet.serve("_matrix-fed._tcp.hs1.example", &[("down.example.", closed), ("up.example.", peer.port)]);
    process.internet.serve("_matrix._tcp.hs1.example", &[("older.example", closed)]);
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), "hs1.example");
    let questions = process.internet.questions();
    assert_eq!(questions, ["web hs1.example", "SRV _matrix-fed._tcp.hs1.example", "A down.example", "A up.example"]);

    let (process, peer, town) = stage(&["hs1.example"]).await;
    process.internet.serve("_matrix._tcp.hs1.example", &[("older.example", peer.port)]);
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), "hs1.example");

    let (process, peer, town) = stage(&["up.example"]).await;
    process.internet.serve("_matrix-fed._tcp.hs1.example", &[("up.example", peer.port)]);
    assert!(matches!(call(&town, "hs1.example").await, Err(RemoteError::Unreachable(_))));
    assert!(peer.asked().is_empty(), "a certificate of the target proves nothing");
    let (process, _, town) = stage(&[]).await;
    process.internet.serve("_matrix-fed._tcp.hs1.example", &[(".", 443)]);
    assert!(matches!(call(&town, "hs1.example").await, Err(RemoteError::Unreachable(_))));
    assert!(
        !process.internet.questions().contains(&"SRV _matrix._tcp.hs1.example".to_owned()),
        "it says that it is not"
    );
}

#[tokio::test]
async fn what_a_well_known_file_said_is_remembered_for_as_long_as_it_says() {
    let (process, peer, town) = stage(&["hs1.example", "matrix.hs1.example"]).await;
    let web = web(&process, "").await;
    let file = format!(r#"{{"m.server":"matrix.hs1.example:{}"}}"#, peer.port);
    process.internet.serve("_matrix-fed._tcp.hs1.example", &[("up.example", peer.port)]);
    // Each failure, then a failure remembered for an hour, then a file and how long it counts.
    let mut asked = 0;
    let failures: [(u16, String); 6] = [
        (404, file.clone()),
        (200, "<html>".to_owned()),
        (200, r#"{"m.server":"not a name"}"#.to_owned()),
        (200, format!("{file}{}", " ".repeat(60_000))),
        (500, String::new()),
        (302, String::new()),
    ];
    for (status, text) in failures {
        web.script(move |_| answer(status, &text));
        for _ in 0..3 {
            call(&town, "hs1.example").await.unwrap();
            process.clock.advance(HOUR / 4);
        }
        asked += 1;
        let hosts: Vec<_> = peer.asked().into_iter().map(|asked| asked.host).collect();
        assert_eq!((hosts, web.asked().len()), (vec!["hs1.example".to_owned(); 3], 1), "failure {asked}");
        process.clock.advance(HOUR);
    }
    let ages = [
        ("max-age=7200", HOUR * 2),
        ("public, Max-Age=60", Duration::from_mins(5)),
        ("max-age=99999999", HOUR * 48),
        ("no-store", Duration::from_mins(5)),
        ("", HOUR * 24),
    ];
    for (cache_control, fresh) in ages {
        let file = file.clone();
        web.script(move |_| {
            let mut response = answer(200, &file);
            response.headers_mut().insert("cache-control", cache_control.parse().unwrap());
            response
        });
        call(&town, "hs1.example").await.unwrap();
        assert_eq!(web.asked().len(), 1, "{cache_control}");
        process.clock.advance(fresh - Duration::from_secs(1));
        call(&town, "hs1.example").await.unwrap();
        assert_eq!(web.asked().len(), 0, "{cache_control}");
        process.clock.advance(Duration::from_secs(2));
        let hosts: Vec<_> = peer.asked().into_iter().map(|asked| asked.host).collect();
        assert_eq!(hosts, vec![format!("matrix.hs1.example:{}", peer.port); 2], "{cache_control}");
    }
    // An outage of the web server moves nobody, until the last answer is too old.
    web.script(|_| answer(503, ""));
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), format!("matrix.hs1.example:{}", peer.port));
    process.clock.advance(HOUR * 49);
    call(&town, "hs1.example").await.unwrap();
    assert_eq!(host(&peer), "hs1.example");
}

#[tokio::test]
async fn redirects_of_a_well_known_file_are_followed_within_bounds() {
    let (process, peer, town) = stage(&["hs1.example", "matrix.hs1.example"]).await;
    process.internet.serve("_matrix-fed._tcp.hs1.example", &[("up.example", peer.port)]);
    let web = web(&process, "").await;
    let file = format!(r#"{{"m.server":"matrix.hs1.example:{}"}}"#, peer.port);
    let turns = |last: usize, file: String| {
        move |asked: &crate::peer::Asked| {
            let turn: usize = asked.uri.rsplit_once('/').and_then(|(_, turn)| turn.parse().ok()).unwrap_or(0);
            let mut response = answer(if turn == last { 200 } else { 301 }, &file);
            response.headers_mut().insert("location", format!("/turn/{}", turn + 1).parse().unwrap());
            response
        }
    };
    web.script(turns(5, file.clone()));
    call(&town, "hs1.example").await.unwrap();
    assert_eq!((host(&peer), web.asked().len()), (format!("matrix.hs1.example:{}", peer.port), 6));
    process.clock.advance(HOUR * 49);
    web.script(turns(usize::MAX, file));
    call(&town, "hs1.example").await.unwrap();
    assert_eq!((host(&peer), web.asked().len()), ("hs1.example".to_owned(), 6));
    // To plain http, or inwards, it leads nowhere.
    for location in
        ["http://hs1.example/", "https://10.0.0.1/", "https://user:secret@hs1.example/", "ftp://hs1.example/"]
    {
        process.clock.advance(HOUR * 2);
        web.script(move |_| {
            let mut response = answer(302, "");
            response.headers_mut().insert("location", location.parse().unwrap());
            response
        });
        call(&town, "hs1.example").await.unwrap();
        assert_eq!((host(&peer), web.asked().len()), ("hs1.example".to_owned(), 1), "{location}");
    }
}

#[tokio::test]
async fn no_record_and_no_file_leads_into_the_town_s_own_network() {
    let (process, peer, town) = stage(&["hs1.example"]).await;
    for (index, address) in
        ["10.0.0.1", "169.254.169.254", "192.168.1.1", "fd00::1", "::ffff:127.0.0.1"].iter().enumerate()
    {
        let target = format!("inside{index}.example");
        process.internet.place(&target, address);
        process.internet.serve("_matrix-fed._tcp.hs1.example", &[(&target, peer.port)]);
        assert!(matches!(call(&town, "hs1.example").await, Err(RemoteError::Unreachable(_))), "{address}");
        process.internet.serve("_matrix-fed._tcp.hs1.example", &[(address, peer.port)]);
        assert!(matches!(call(&town, "hs1.example").await, Err(RemoteError::Unreachable(_))), "{address}");
        process.internet.place("hs1.example", address);
        let with_port = format!("hs1.example:{}", peer.port);
        assert!(matches!(call(&town, &with_port).await, Err(RemoteError::Unreachable(_))), "{address}");
    }
    process.clock.advance(HOUR * 2);
    for target in ["10.0.0.1", "169.254.169.254:80", "[fd00::1]:8448", "inside0.example:80"] {
        web(&process, &format!(r#"{{"m.server":"{target}"}}"#)).await;
        assert!(matches!(call(&town, "hs1.example").await, Err(RemoteError::Unreachable(_))), "{target}");
        process.clock.advance(HOUR * 49);
    }
    assert_eq!(peer.connections(), 0);
}
