//! Servers that do not answer are left alone, and are back with the first sign of life.

use std::time::Duration;

use bytes::Bytes;
use federation::Call;
use http::{Method, Response};
use rooms::{RemoteError, RemoteResult};

use crate::{
    peer::{Peer, answer},
    town::{Process, TestTown},
};

async fn call(town: &TestTown, peer: &Peer) -> RemoteResult<Bytes> {
    let call = Call {
        to: &peer.name,
        method: Method::POST,
        uri: "/_matrix/federation/v1/user/keys/query?c4n4ry".to_owned(),
        body: Some(r#"{"secret":"c4n4ry"}"#.to_owned()),
        deadline: Duration::from_secs(5),
        bytes_max: 1_000,
    };
    town.peers.call(call).await
}

async fn friend(process: &Process) -> (Peer, TestTown) {
    let peer = Peer::start("friend.example:{port}", process.authority.server(&["friend.example"])).await;
    (peer, process.town("metz.example", &["friend.example:*"]))
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_again_until_its_time_has_come() {
    let process = Process::new();
    let (friend, town) = friend(&process).await;
    let mut back = town.peers.back();
    friend.script(|_| answer(502, ""));
    assert!(matches!(call(&town, &friend).await, Err(RemoteError::Unreachable(_))));
    friend.script(|_| answer(200, "{}"));
    friend.asked();
    assert!(matches!(call(&town, &friend).await, Err(RemoteError::Unreachable(_))));
    assert!(friend.asked().is_empty(), "it was not asked");
    let retry_at = town.peers.retry_at(&friend.name).unwrap();
    process.clock.set(retry_at);
    assert_eq!(call(&town, &friend).await.unwrap(), "{}");
    assert_eq!((town.peers.retry_at(&friend.name), back.try_recv().unwrap()), (None, friend.name.clone()));

    friend.script(|_| answer(503, ""));
    call(&town, &friend).await.unwrap_err();
    friend.script(|_| answer(200, "{}"));
    town.peers.alive(&friend.name);
    call(&town, &friend).await.unwrap();
    assert_eq!(back.try_recv().unwrap(), friend.name);
}

#[tokio::test]
async fn a_signed_request_is_a_sign_of_life_and_a_forged_one_is_none() {
    let process = Process::new();
    let (friend, town) = friend(&process).await;
    friend.script(|_| answer(502, ""));
    call(&town, &friend).await.unwrap_err();
    friend.serve_keys(friend.document(process.now().plus(Duration::from_hours(1))), "{}");
    let echo = crate::town::ECHO;
    let forged = friend.sign("GET", echo, &town.name, Some("{}"));
    assert_eq!(town.ask(Method::GET, echo, &[&forged], "").await.0, 401);
    assert!(call(&town, &friend).await.is_ok(), "its keys were fetched: it answers");
    friend.script(|_| answer(502, ""));
    call(&town, &friend).await.unwrap_err();
    assert_eq!(town.ask(Method::GET, echo, &[&forged], "").await.0, 401);
    assert!(town.peers.retry_at(&friend.name).is_some());
    let signed = friend.sign("GET", echo, &town.name, None);
    assert_eq!(town.ask(Method::GET, echo, &[&signed], "").await.0, 200);
    assert_eq!(town.peers.retry_at(&friend.name), None);
}

#[tokio::test]
async fn a_server_with_too_much_to_do_is_given_the_rest_it_asks_for() {
    let process = Process::new();
    let (friend, town) = friend(&process).await;
    friend.script(|_| answer(429, r#"{"errcode":"M_LIMIT_EXCEEDED","error":"x","retry_after_ms":30000}"#));
    assert!(matches!(call(&town, &friend).await, Err(RemoteError::Refused { status: 429, .. })));
    let rest = town.peers.retry_at(&friend.name).unwrap().since(process.now());
    assert_eq!(rest, Duration::from_secs(30));
}

/// Hazards F14 and F15.
#[tokio::test]
async fn what_goes_wrong_tells_nothing_of_the_request_and_is_never_the_client_s_own() {
    let process = Process::new();
    let (friend, town) = friend(&process).await;
    let redirect = || Response::builder().status(302).header("location", "https://c4n4ry.example/").body(Bytes::new());
    let long = "x".repeat(2_000);
    let answers: Vec<Box<dyn Fn() -> Response<Bytes> + Send>> = vec![
        Box::new(|| answer(401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown token","soft_logout":true}"#)),
        Box::new(|| answer(403, r#"{"errcode":"M_FORBIDDEN","error":"No"}"#)),
        Box::new(|| answer(404, r#"{"errcode":"M_NOT_FOUND","error":"No"}"#)),
        Box::new(|| answer(500, "<html>")),
        Box::new(|| answer(502, "")),
        Box::new(move || redirect().unwrap()),
        Box::new(move || answer(200, &long)),
        Box::new(|| {
            let mut packed = answer(200, "{}");
            packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            packed
        }),
    ];
    for (index, script) in answers.into_iter().enumerate() {
        friend.script(move |_| script());
        let error = call(&town, &friend).await.unwrap_err();
        town.peers.alive(&friend.name);
        let shown = format!("{error} {error:?} {}", kernel::Fault::public(&error));
        assert!(!shown.contains("c4n4ry"), "{index}: {shown}");
        let refusal = web::Error::from(error);
        assert!(![401, 200].contains(&refusal.status_code().as_u16()), "{index}: {refusal}");
        assert_ne!(refusal.errcode(), "M_UNKNOWN_TOKEN", "{index}");
    }
    assert_eq!(friend.asked().len(), 8, "no redirect is followed, nothing is sent twice");
}
