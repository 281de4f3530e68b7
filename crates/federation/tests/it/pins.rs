//! What the operator has pinned of a server: nothing is asked for it, and nothing else is believed.

use std::{sync::Arc, time::Duration};

use federation::{Alone, Call, NetworkSettings, PinnedServer};
use http::Method;
use kernel::id::{OwnedServerName, ServerName};
use rooms::{Remote, RemoteError};
use web::outbound::{KeyPin, Place};

use crate::{
    certificates::Authority,
    peer::{Peer, answer, signer},
    town::{ECHO, NOW, Process, TestTown},
};

fn hs1() -> OwnedServerName {
    ServerName::parse("hs1.example").unwrap()
}

/// Nothing but the name.
fn bare() -> PinnedServer {
    PinnedServer {
        name: hs1(),
        endpoint: None,
        tls_name: None,
        roots_pem: None,
        pins: Vec::new(),
        verify_keys: Vec::new(),
    }
}

fn process(server: PinnedServer) -> (Process, TestTown) {
    let settle = |_: &Authority, settings: &mut NetworkSettings| settings.servers.push(server);
    let process = Process::with(settle, Arc::new(Alone));
    let town = process.town("metz.example", &["*.example"]);
    (process, town)
}

async fn call(town: &TestTown) -> Result<(), RemoteError> {
    let uri = "/_matrix/federation/v1/x".to_owned();
    let (to, deadline) = (hs1(), Duration::from_secs(5));
    town.peers.alive(&to);
    town.peers
        .call(Call { to: &to, method: Method::GET, uri, body: None, deadline, bytes_max: 1_000 })
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_pinned_place_is_gone_to_without_a_question_and_its_certificate_is_of_the_pinned_name() {
    let theirs = Authority::new();
    let peer = Peer::start("hs1.example", theirs.server(&["inside.example"])).await;
    peer.script(|_| answer(200, "{}"));
    let place = |host: &str| Some(Place { host: host.to_owned(), port: peer.port });
    let roots_pem = Some(theirs.pem.clone().into_bytes());
    let pinned = PinnedServer { endpoint: place("127.0.0.1"), roots_pem, ..bare() };
    let (_, town) = process(pinned.clone());
    assert!(matches!(call(&town).await, Err(RemoteError::Unreachable(_))), "its certificate is of another name");
    assert!(peer.connections() > 0 && peer.asked().is_empty());

    let pinned = PinnedServer { tls_name: Some("inside.example".to_owned()), ..pinned };
    let (with_name, town) = process(pinned.clone());
    call(&town).await.unwrap();
    assert_eq!(peer.asked()[0].host, "hs1.example", "it is asked by its own name all the same");
    assert!(with_name.internet.questions().is_empty());
    let (with_host, town) = process(PinnedServer { endpoint: place("node.example"), ..pinned.clone() });
    call(&town).await.unwrap();
    assert_eq!(with_host.internet.questions(), ["A node.example"]);
    peer.asked();

    // Its own roots are the only ones; ours do not count for it, nor its for others.
    let ours = process(PinnedServer { roots_pem: None, ..pinned });
    assert!(matches!(call(&ours.1).await, Err(RemoteError::Unreachable(_))));
    assert!(peer.asked().is_empty());
}

#[tokio::test]
async fn a_server_whose_key_is_not_the_pinned_one_gets_no_request() {
    let (first, town) = process(bare());
    let (tls, pin) = first.authority.server_with_pin(&["hs1.example"]);
    let other = first.authority.server_with_pin(&["hs1.example"]).1;
    let roots_pem = Some(first.authority.pem.clone().into_bytes());
    drop(town);
    let peer = Peer::start("hs1.example", tls).await;
    peer.script(|_| answer(200, "{}"));
    // Without a pinned place, too: wherever its records lead.
    for endpoint in [None, Some(Place { host: "127.0.0.1".to_owned(), port: peer.port })] {
        for (pins, is_believed) in [(vec![&pin], true), (vec![&other, &pin], true), (vec![&other], false)] {
            let pins = pins.into_iter().map(|pin| KeyPin::parse(pin).unwrap()).collect();
            let (process, town) =
                process(PinnedServer { endpoint: endpoint.clone(), roots_pem: roots_pem.clone(), pins, ..bare() });
            process.internet.serve("_matrix-fed._tcp.hs1.example", &[("node.example", peer.port)]);
            assert_eq!((call(&town).await.is_ok(), peer.asked().len()), (is_believed, usize::from(is_believed)));
        }
    }
}

#[tokio::test]
async fn pinned_signing_keys_are_the_only_ones_and_are_never_asked_for() {
    let key = signer(&hs1(), "pinned", 50);
    let verify_keys = vec![("ed25519:pinned".to_owned(), key.public_key())];
    let (process, town) = process(PinnedServer { verify_keys, ..bare() });
    let wanted = ["ed25519:pinned", "ed25519:other"].map(|id| (hs1(), id.to_owned()));
    for _ in 0..2 {
        let found = town.peers.keys(&wanted, NOW).await;
        assert_eq!((found.len(), found[0].key), (1, key.public_key()));
        process.clock.advance(Duration::from_hours(24 * 365));
    }
    let sign = |signer: &events::Signer| {
        let to_sign = events::RequestToSign { method: "GET", uri: ECHO, destination: &town.name, content: None };
        signer.sign_request(&to_sign).unwrap()
    };
    assert_eq!(town.ask(Method::GET, ECHO, &[&sign(&key)], "").await.0, 200);
    assert_eq!(town.ask(Method::GET, ECHO, &[&sign(&signer(&hs1(), "other", 51))], "").await.0, 401);
    assert!(process.internet.questions().is_empty());
}
