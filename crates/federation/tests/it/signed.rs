//! Who is believed to have asked (hazard F19): only the server whose key signed exactly this request, to exactly this town.

use std::time::Duration;

use http::Method;
use kernel::{Timestamp, id::ServerName};

use crate::{
    peer::{Peer, signer},
    town::{ECHO, NOW, Process},
};

const HOUR: Duration = Duration::from_hours(1);

async fn friend(process: &Process, valid_until: Timestamp) -> Peer {
    let peer = Peer::start("friend.example:{port}", process.authority.server(&["friend.example"])).await;
    peer.serve_keys(peer.document(valid_until), "{}");
    peer
}

#[tokio::test]
async fn a_request_is_its_signer_s_and_nobody_else_s() {
    let process = Process::new();
    let friend = friend(&process, NOW.plus(HOUR)).await;
    let (metz, nancy) =
        (process.town("metz.example", &["friend.example:*"]), process.town("nancy.example", &["*.example"]));
    let body = r#"{"a": [1.5, "é"], "b": {}}"#;
    let put = |uri: &str, to: &ServerName| friend.sign("PUT", uri, to, Some(body));
    let signed = put(ECHO, &metz.name);

    let (status, answer) = metz.ask(Method::PUT, ECHO, &[&signed], body).await;
    assert_eq!(
        (status, answer["origin"].as_str(), answer["body"].as_str()),
        (200, Some(friend.name.as_str()), Some(body))
    );
    let get = friend.sign("GET", ECHO, &metz.name, None);
    assert_eq!(metz.ask(Method::GET, ECHO, &[&get], "").await.0, 200);
    let odd = format!("{ECHO}?b=%7e&a=%2F");
    assert_eq!(metz.ask(Method::PUT, &odd, &[&put(&odd, &metz.name)], body).await.0, 200);
    assert_eq!(process.echoed(), 3);

    let without_destination = signed.replace(&format!("destination=\"{}\",", metz.name), "");
    assert!(!without_destination.contains("destination"));
    let other_key_id = signed.replace("ed25519:a", "ed25519:b");
    let other_key = {
        let stranger = signer(&friend.name, "a", 77);
        let destination = &*metz.name;
        let to_sign = events::RequestToSign { method: "PUT", uri: ECHO, destination, content: Some(body) };
        stranger.sign_request(&to_sign).unwrap()
    };
    let to_nancy = put(ECHO, &nancy.name);
    let claims_metz = to_nancy.replace("nancy.example", "metz.example");
    let in_capitals = signed.replace("metz.example", "METZ.example");
    let other_uri = put("/_matrix/federation/v1/echo/y", &metz.name);
    let with_query = put(&format!("{ECHO}?x"), &metz.name);
    let refused: [(&str, &[&str], &str); 15] = [
        ("no header", &[], body),
        ("an empty one", &[""], body),
        ("a token", &["Bearer metz_alice"], body),
        ("two headers", &[&signed, &signed], body),
        ("a wrong one before it", &["X-Matrix origin=\"a\"", &signed], body),
        ("no destination", &[&without_destination], body),
        ("another destination", &[&to_nancy], body),
        ("a destination that was not signed", &[&claims_metz], body),
        ("a destination in capitals", &[&in_capitals], body),
        ("another body", &[&signed], r#"{"a": [1.5, "e"], "b": {}}"#),
        ("no body", &[&signed], ""),
        ("another path", &[&other_uri], body),
        ("another query", &[&with_query], body),
        ("a key that it does not have", &[&other_key_id], body),
        ("somebody else's key", &[&other_key], body),
    ];
    for (what, headers, body) in refused {
        let (status, refusal) = metz.ask(Method::PUT, ECHO, headers, body).await;
        assert_eq!((status, refusal["errcode"].as_str()), (401, Some("M_UNAUTHORIZED")), "{what}");
    }
    let (status, _) = metz.ask(Method::POST, ECHO, &[&signed], body).await;
    assert_eq!(status, 401, "another method");
    let (status, _) = nancy.ask(Method::PUT, ECHO, &[&signed], body).await;
    assert_eq!(status, 401, "signed for Metz, shown to Nancy");
    // From ourselves, by our own key.
    let own = signer(&metz.name, "town", 200);
    let to_sign = events::RequestToSign { method: "PUT", uri: ECHO, destination: &metz.name, content: Some(body) };
    let (status, _) = metz.ask(Method::PUT, ECHO, &[&own.sign_request(&to_sign).unwrap()], body).await;
    assert_eq!(status, 403);
    assert_eq!(process.echoed(), 3, "none of these reached its handler");
}

#[tokio::test]
async fn a_signature_counts_as_long_as_its_key_does() {
    let process = Process::new();
    let friend = friend(&process, NOW.plus(HOUR)).await;
    let metz = process.town("metz.example", &["friend.example:*"]);
    let signed = friend.sign("GET", ECHO, &metz.name, None);
    for _ in 0..3 {
        assert_eq!(metz.ask(Method::GET, ECHO, &[&signed], "").await.0, 200);
    }
    assert_eq!(friend.asked_paths(), ["/_matrix/key/v2/server"], "its keys are fetched once");
    process.clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(metz.ask(Method::GET, ECHO, &[&signed], "").await.0, 401, "what it says now has expired as well");
    friend.serve_keys(friend.document(NOW.plus(HOUR * 3)), "{}");
    process.clock.advance(Duration::from_mins(2));
    assert_eq!(metz.ask(Method::GET, ECHO, &[&signed], "").await.0, 200);
    // The key is listed as old now: it signs no more requests.
    process.clock.advance(HOUR * 3);
    let successor = signer(&friend.name, "b", 2);
    let old = [("ed25519:a".to_owned(), friend.signer.public_key(), process.now())];
    friend.serve_keys(successor.key_document(NOW.plus(HOUR * 9), &[], &old).unwrap(), "{}");
    assert_eq!(metz.ask(Method::GET, ECHO, &[&signed], "").await.0, 401);
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_long_is_refused() {
    let process = Process::new();
    let friend = friend(&process, NOW.plus(HOUR)).await;
    let metz = process.town("metz.example", &["friend.example:*"]);
    let signed = friend.sign("PUT", ECHO, &metz.name, Some("{}"));
    for body in ["{", "[1", "\u{feff}{}", "a=b"] {
        let (status, refusal) = metz.ask(Method::PUT, ECHO, &[&signed], body).await;
        assert_eq!((status, refusal["errcode"].as_str()), (400, Some("M_NOT_JSON")), "{body}");
    }
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(kernel::limits::BODY_BYTES_MAX));
    let signed = friend.sign("PUT", ECHO, &metz.name, Some(&long));
    let (status, refusal) = metz.ask(Method::PUT, ECHO, &[&signed], &long).await;
    assert_eq!((status, refusal["errcode"].as_str()), (413, Some("M_TOO_LARGE")));
    assert_eq!(process.echoed(), 0);
    // Large ones within the bound are verified elsewhere, and are no different.
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(500_000));
    let signed = friend.sign("PUT", ECHO, &metz.name, Some(&large));
    assert_eq!(metz.ask(Method::PUT, ECHO, &[&signed], &large).await.0, 200);
}
