//! `/control`: every fault spoils what it says, and only that.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kernel::{SystemClock, SystemRandom};
use openidconnect::core::CoreJwsSigningAlgorithm;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    super::{Algorithm, Client, Down, MockProConnect, Switches, UserinfoFormat, Wrong, keys},
    harness::{STATE, World, client, json_of, world},
};

#[tokio::test]
async fn it_listens_on_loopback_only_and_stops_when_told() {
    let start = async |addr: [u8; 4], clients| {
        let addr = SocketAddr::from((addr, 0));
        MockProConnect::start(addr, clients, Arc::new(SystemClock), Arc::new(SystemRandom)).await
    };
    for refused in [[0, 0, 0, 0], [192, 0, 2, 1]] {
        assert_eq!(start(refused, vec![]).await.err().unwrap().kind(), std::io::ErrorKind::InvalidInput);
    }
    let twice = vec![client(), client()];
    assert_eq!(start([127, 0, 0, 1], twice).await.err().unwrap().kind(), std::io::ErrorKind::InvalidInput);
    let world = world(vec![client()]).await;
    assert!(world.mock.register(client()).is_err());
    assert_eq!(world.get_json("/control").await, json!(Switches::default()));
    let (http, url) = (world.http.clone(), world.at("/control"));
    world.mock.shutdown().await;
    assert!(http.get(url).send().await.is_err());
}

#[tokio::test]
async fn switches_are_set_whole_or_not_at_all() {
    let world = world(vec![client()]).await;
    let set = r#"{"wrong":["bad_nonce","userinfo_alg_none"],"userinfo":"RS256","auto":true,"slow_ms":1}"#;
    assert_eq!(world.control("/control", set).await, StatusCode::OK);
    let now = world.get_json("/control").await;
    assert_eq!(now["wrong"], json!(["bad_nonce", "userinfo_alg_none"]));
    assert_eq!((&now["userinfo"], &now["down"]), (&json!("RS256"), &json!("no")));
    for refused in [r#"{"wrong":["no_such_fault"]}"#, r#"{"slow":1}"#, r#"{"userinfo":"ES384"}"#, "{"] {
        assert_eq!(world.control("/control", refused).await, StatusCode::BAD_REQUEST, "{refused}");
    }
    let form = world.http.post(world.at("/control")).header(header::CONTENT_TYPE, "text/plain").body("{}");
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "what another origin may send");
    assert_eq!(world.get_json("/control").await, now);
    assert_eq!(world.control("/control", "{}").await, StatusCode::OK);
    assert_eq!(world.get_json("/control").await, json!(Switches::default()));
}

#[tokio::test]
async fn agents_are_changed_and_added() {
    let world = world(vec![client()]).await;
    assert_eq!(world.control("/control/agents/marie", r#"{"usual_name":"Péguy"}"#).await, StatusCode::OK);
    assert_eq!(world.control("/control/agents/marie", r#"{"name":"Péguy"}"#).await, StatusCode::BAD_REQUEST);
    assert_eq!(world.control("/control/agents/nobody", "{}").await, StatusCode::NOT_FOUND);
    let mut agent = world.get_json("/control/agents").await["marie"].clone();
    assert_eq!(agent["usual_name"], "Péguy");
    agent["sub"] = json!("a-new-sub");
    let put = async |agent: &Value| {
        let request = world.http.put(world.at("/control/agents/charge-1"));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(agent.to_string());
        request.send().await.unwrap().status()
    };
    assert_eq!([put(&agent).await, put(&agent).await], [StatusCode::CREATED, StatusCode::OK]);
    let tokens = world.log_in("charge-1", &[]).await;
    assert_eq!(keys::peek(tokens["id_token"].as_str().unwrap()).unwrap()["sub"], "a-new-sub");
    agent["organizations"] = json!([]);
    assert_eq!(put(&agent).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn it_goes_down_and_slow_but_for_its_control() {
    let world = world(vec![client()]).await;
    let jwks = async || world.http.get(world.at("/api/v2/jwks")).send().await;
    world.mock.switch(Switches { down: Down::Unavailable, ..Switches::default() });
    assert_eq!(jwks().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.control("/control", r#"{"down":"closed"}"#).await, StatusCode::OK);
    assert!(jwks().await.is_err());
    assert_eq!(world.control("/control", r#"{"slow_ms":40}"#).await, StatusCode::OK);
    let before = Instant::now();
    assert_eq!(jwks().await.unwrap().status(), StatusCode::OK);
    assert!(before.elapsed() >= Duration::from_millis(40));
}

/// The first thing of a login that a careful relying party finds wrong.
async fn finding(world: &World) -> Option<&'static str> {
    let back = world.browser().choose("marie", &[]).await.params;
    if back["state"] != STATE {
        return Some("state");
    }
    let tokens = world.token(&[("code", &back["code"])]).await.1;
    let id_token = tokens["id_token"].as_str().unwrap();
    if world.verify(id_token, CoreJwsSigningAlgorithm::EcdsaP256Sha256).await.is_err() {
        return Some("id_token");
    }
    let claims = keys::peek(id_token).unwrap();
    if claims["acr"] != "eidas1-mfa" {
        return Some("acr");
    }
    if claims["at_hash"] == "AAAAAAAAAAAAAAAAAAAAAA" {
        return Some("at_hash");
    }
    let (_, content_type, body) = world.userinfo(tokens["access_token"].as_str().unwrap()).await;
    if !content_type.starts_with("application/jwt") {
        return Some("userinfo form");
    }
    let jwks = serde_json::from_value(world.get_json("/api/v2/jwks").await).unwrap();
    let jwks: openidconnect::core::CoreJsonWebKeySet = jwks;
    let Some(userinfo) = keys::open(&body, &jwks.keys().iter().collect::<Vec<_>>()) else {
        return Some("userinfo signature");
    };
    if userinfo["iss"] != world.mock.issuer || userinfo["aud"] != "beffroi" {
        return Some("userinfo iss or aud");
    }
    (userinfo["sub"] != claims["sub"]).then_some("sub")
}

#[tokio::test]
async fn every_fault_is_there_to_be_found() {
    let signed = Client { userinfo_alg: UserinfoFormat::Signed(Algorithm::Es256), ..client() };
    let world = world(vec![signed]).await;
    assert_eq!(finding(&world).await, None);
    let faults = [
        (Wrong::BadState, "state"),
        (Wrong::BadNonce, "id_token"),
        (Wrong::NoNonce, "id_token"),
        (Wrong::WrongIss, "id_token"),
        (Wrong::WrongAud, "id_token"),
        (Wrong::AlgNone, "id_token"),
        (Wrong::BadSignature, "id_token"),
        (Wrong::Expired, "id_token"),
        (Wrong::BadAtHash, "at_hash"),
        (Wrong::NoAcr, "acr"),
        (Wrong::LowAcr, "acr"),
        (Wrong::UnsignedUserinfo, "userinfo form"),
        (Wrong::UserinfoAlgNone, "userinfo signature"),
        (Wrong::UserinfoBadSignature, "userinfo signature"),
        (Wrong::UserinfoWrongIss, "userinfo iss or aud"),
        (Wrong::UserinfoWrongAud, "userinfo iss or aud"),
        (Wrong::SubMismatch, "sub"),
    ];
    for (wrong, found) in faults {
        world.mock.switch(Switches { wrong: [wrong].into(), ..Switches::default() });
        assert_eq!(finding(&world).await, Some(found), "{wrong:?}");
    }
    let other_port = world.http.get(world.at("/api/v2/nothing")).send().await.unwrap();
    assert_eq!(other_port.status(), StatusCode::NOT_FOUND);
    let agents = json_of(world.http.get(world.at("/control/agents")).send().await.unwrap()).await;
    assert!(agents.as_object().unwrap().len() >= 8);
}
