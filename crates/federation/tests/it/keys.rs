//! Keys of other servers: fetched as seldom as can be, believed no longer than they may (hazard F8), kept for ever; and ours.

use std::{sync::Arc, time::Duration};

use federation::OwnKeys;
use futures_util::future::join_all;
use http::Method;
use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use rooms::{Remote, RemoteKey};
use store::memory::Memory;

use crate::{
    peer::{Peer, answer, signer},
    town::{NOW, Process, TestTown},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const KEYS: &str = "/_matrix/key/v2/server";

async fn find(town: &TestTown, server: &ServerName, key_id: &str, at: Timestamp) -> Option<RemoteKey> {
    town.peers.keys(&[(server.to_owned(), key_id.to_owned())], at).await.pop()
}

async fn friend(process: &Process) -> Peer {
    let peer = Peer::start("friend.example:{port}", process.authority.server(&["friend.example"])).await;
    peer.serve_keys(peer.document(NOW.plus(DAY)), "{}");
    peer
}

#[tokio::test]
async fn callers_share_a_fetch_and_a_miss_is_not_repeated_within_a_minute() {
    let process = Process::new();
    let friend = friend(&process).await;
    let town = process.town("metz.example", &["friend.example:*"]);
    let found = join_all((0..20).map(|_| find(&town, &friend.name, "ed25519:a", NOW))).await;
    assert!(found.iter().all(|key| key.as_ref().unwrap().key == friend.signer.public_key()));
    assert_eq!(friend.asked_paths(), [KEYS]);
    // An id that it does not have: asked for once a minute at most, however often it is wanted.
    for _ in 0..5 {
        assert_eq!(find(&town, &friend.name, "ed25519:zzz", NOW).await, None);
    }
    assert!(friend.asked().is_empty());
    process.clock.advance(Duration::from_secs(61));
    for _ in 0..5 {
        assert_eq!(find(&town, &friend.name, "ed25519:zzz", NOW).await, None);
    }
    assert_eq!(friend.asked_paths(), [KEYS]);
    // A server that does not answer is no different.
    friend.script(|_| answer(500, ""));
    process.clock.advance(Duration::from_secs(61));
    join_all((0..5).map(|_| find(&town, &friend.name, "ed25519:zzz", NOW))).await;
    assert_eq!(friend.asked_paths(), [KEYS]);
    assert!(find(&town, &friend.name, "ed25519:a", NOW).await.is_some(), "what is known stays known");
}

#[tokio::test]
async fn a_key_counts_for_seven_days_at_most_and_is_asked_for_anew_when_it_has_expired() {
    let process = Process::new();
    let friend = friend(&process).await;
    let town = process.town("metz.example", &["friend.example:*"]);
    friend.serve_keys(friend.document(NOW.plus(DAY * 3650)), "{}");
    let key = find(&town, &friend.name, "ed25519:a", NOW).await.unwrap();
    assert_eq!(key.valid_until, NOW.plus(DAY * 7));
    friend.asked();
    // Within its time nothing is asked; an event from beyond it has the key asked for anew.
    process.clock.advance(DAY);
    find(&town, &friend.name, "ed25519:a", NOW.plus(DAY * 7)).await.unwrap();
    assert!(friend.asked().is_empty());
    let key = find(&town, &friend.name, "ed25519:a", NOW.plus(DAY * 8)).await.unwrap();
    assert_eq!((key.valid_until, friend.asked().len()), (NOW.plus(DAY * 8), 1));
    // A server that takes its validity back is believed.
    friend.serve_keys(friend.document(NOW.plus(HOUR)), "{}");
    process.clock.advance(DAY);
    let key = find(&town, &friend.name, "ed25519:a", NOW.plus(DAY * 9)).await.unwrap();
    assert_eq!(key.valid_until, NOW.plus(HOUR));
}

#[tokio::test]
async fn an_old_key_counts_for_what_it_signed_in_its_time() {
    let process = Process::new();
    let friend = friend(&process).await;
    let town = process.town("metz.example", &["friend.example:*"]);
    let old = signer(&friend.name, "old", 3);
    let from_the_future = signer(&friend.name, "tomorrow", 4);
    let listed = [
        ("ed25519:old".to_owned(), old.public_key(), Timestamp(1_000)),
        ("ed25519:tomorrow".to_owned(), from_the_future.public_key(), NOW.plus(DAY * 365)),
    ];
    friend.serve_keys(friend.document_with(NOW.plus(DAY), &listed), "{}");
    let key = find(&town, &friend.name, "ed25519:old", Timestamp(900)).await.unwrap();
    assert_eq!((key.key, key.valid_until), (old.public_key(), Timestamp(1_000)));
    let key = find(&town, &friend.name, "ed25519:tomorrow", NOW).await.unwrap();
    assert_eq!(key.valid_until, NOW, "a key that is old by its server's word signs nothing in the future");
}

#[tokio::test]
async fn a_document_that_proves_nothing_is_not_kept() {
    let process = Process::new();
    let friend = friend(&process).await;
    let town = process.town("metz.example", &["friend.example:*"]);
    let other: OwnedServerName = ServerName::parse("other.example").unwrap();
    let of_other = signer(&other, "a", 1).key_document(NOW.plus(DAY), &[], &[]).unwrap();
    let of_friend = friend.document(NOW.plus(DAY));
    let claims_another = of_other.replace("other.example", friend.name.as_str());
    let documents = [
        of_other.clone(),
        claims_another,
        of_friend.replace("valid_until_ts", "valid_until"),
        of_friend.replacen("\"signatures\"", "\"signature\"", 1),
        of_friend.replace("ed25519:a", "ed25519:b"),
        "{}".to_owned(),
        "[]".to_owned(),
        "<html>".to_owned(),
        format!("{{\"a\":{}}}", "[".repeat(100_000)),
        format!("{of_friend}{}", " ".repeat(2_000_000)),
    ];
    for document in documents {
        friend.serve_keys(document.clone(), "{}");
        process.clock.advance(Duration::from_secs(61));
        let shown = document.get(..200).unwrap_or(&document);
        for key_id in ["ed25519:a", "ed25519:b"] {
            assert_eq!(find(&town, &friend.name, key_id, NOW).await, None, "{shown}");
        }
        assert!(!friend.asked().is_empty(), "{shown}");
    }
    assert_eq!(find(&town, &other, "ed25519:a", NOW).await, None);
}

#[tokio::test]
async fn keys_are_known_after_a_restart_though_their_server_is_gone() {
    let process = Process::new();
    let friend = friend(&process).await;
    let engine = Memory::new();
    let allow = ["friend.example:*"];
    let town = process.town_with("metz.example", &allow, &[], &engine);
    find(&town, &friend.name, "ed25519:a", NOW).await.unwrap();
    drop(town);
    friend.script(|_| answer(502, ""));
    friend.asked();
    let town = process.town_with("metz.example", &allow, &[], &engine);
    find(&town, &friend.name, "ed25519:a", NOW).await.unwrap();
    assert!(friend.asked().is_empty());
    process.clock.advance(DAY * 30);
    let key = find(&town, &friend.name, "ed25519:a", process.now()).await.unwrap();
    assert_eq!((key.valid_until, friend.asked().len()), (NOW.plus(DAY), 1), "for what it signed in its time");
}

#[tokio::test]
async fn our_own_keys_are_published_and_one_that_is_replaced_lives_on() {
    let process = Process::new();
    let town = process.town("metz.example", &[]);
    let published = async |town: &TestTown| {
        let (status, document) = town.ask(Method::GET, KEYS, &[], "").await;
        assert_eq!(status, 200);
        events::KeyDocument::parse(&document.to_string()).unwrap()
    };
    let ids = |keys: &[(String, [u8; 32])]| keys.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let document = published(&town).await;
    assert_eq!((&*document.server, ids(&document.keys)), (&*town.name, vec!["ed25519:town".to_owned()]));
    assert_eq!(document.valid_until, NOW.plus(DAY));
    let made = town.peers.own_keys().current().signatures_made();
    published(&town).await;
    assert_eq!(town.peers.own_keys().current().signatures_made(), made, "a visitor has nothing signed anew");

    let (old, new) = (town.peers.own_keys().current(), Arc::new(signer(&town.name, "new", 201)));
    let clock = process.clock.clone();
    town.peers.own_keys().replace(OwnKeys::new(new, vec![(old.clone(), NOW)], clock));
    assert_eq!(town.peers.own_keys().current().key_id(), "ed25519:new");
    let document = published(&town).await;
    assert_eq!(ids(&document.keys), ["ed25519:new", "ed25519:town"], "both count for a while");
    process.clock.advance(Duration::from_hours(48));
    let document = published(&town).await;
    assert_eq!(
        (ids(&document.keys), document.old_keys),
        (vec!["ed25519:new".to_owned()], vec![("ed25519:town".to_owned(), old.public_key(), NOW)],)
    );
    let key = find(&town, &town.name, "ed25519:town", NOW).await.unwrap();
    assert_eq!((key.key, key.valid_until), (old.public_key(), NOW), "ours are known without a question");
}
