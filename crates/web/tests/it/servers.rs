//! Routes for other homeservers: who signed is asked before anything else, with the very bytes that came.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use kernel::{
    SystemClock,
    id::{OwnedServerName, ServerName},
};
use serde_json::json;
use web::{
    Access, Arrival, Caller, Error, Homeserver, Hosts, Json, Limiter, Limits, Peer, Proxies, Rate, Routes, Rule, Site,
    Town, Visit,
};

use crate::town::{Answer, whoami};

const SEND: &str = "/_matrix/federation/v1/send/{txn}";

/// Knows who signed by a header that repeats all that a signature covers.
struct FederatedTown {
    name: OwnedServerName,
    handled: AtomicUsize,
    /// Requests whose place has not been given back.
    places: Arc<AtomicUsize>,
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn signature(origin: &str, method: &str, uri: &str, body: &str) -> String {
    format!("Signed {origin} {method} {uri} {body}")
}

impl Town for FederatedTown {
    fn server_name(&self) -> &ServerName {
        &self.name
    }

    async fn authenticate(&self, _: &str) -> web::Result<Caller> {
        panic!("a server has no token")
    }

    async fn authenticate_server(&self, request: &mut Arrival<'_>) -> web::Result<Homeserver> {
        let refused = || Error::custom(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", "Not signed");
        let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.ok_or_else(refused)?.to_owned();
        let origin = header.split(' ').nth(1).ok_or_else(refused)?;
        if origin == "denied.example" {
            return Err(Error::custom(StatusCode::FORBIDDEN, "M_FORBIDDEN", "Not a friend"));
        }
        let body = String::from_utf8(request.body().await?.to_vec()).unwrap();
        let uri = request.uri().path_and_query().unwrap().as_str();
        if header != signature(origin, request.method().as_str(), uri, &body) {
            return Err(refused());
        }
        self.places.fetch_add(1, Ordering::SeqCst);
        Ok(Homeserver::new(ServerName::parse(origin).unwrap(), Place(Arc::clone(&self.places))))
    }
}

async fn send(town: Arc<FederatedTown>, origin: Homeserver, visit: Visit) -> web::Result<Json> {
    town.handled.fetch_add(1, Ordering::SeqCst);
    let places = town.places.load(Ordering::SeqCst);
    let body = String::from_utf8_lossy(&visit.body);
    Json::of(&json!({ "origin": origin.as_str(), "txn": visit.param("txn"), "places": places, "body": body }))
}

async fn typed(_: Arc<FederatedTown>, origin: Homeserver, _: whoami::Request) -> web::Result<Json> {
    Json::of(&json!({ "origin": origin.as_str() }))
}

fn fixture() -> (Site<FederatedTown>, Arc<FederatedTown>) {
    let name = ServerName::parse("metz.example").unwrap();
    let town = Arc::new(FederatedTown { name, handled: AtomicUsize::new(0), places: Arc::default() });
    let mut routes = Routes::new();
    routes.server_json(Method::PUT, SEND, send).body_max(100);
    routes.server(typed);
    assert!(routes.list().iter().all(|route| route.access == Access::Server));
    // Not even one request a second: servers are not counted by rate.
    let limits = Limits::off().with(Rate::Other, Rule::new((0.001, 1), (0.001, 1)));
    let limiter = Arc::new(Limiter::new(limits, Arc::new(SystemClock)));
    let site = Site::new(Arc::new(Hosts::only(Arc::clone(&town))), routes, limiter, Proxies::default()).unwrap();
    (site, town)
}

async fn ask(site: &Site<FederatedTown>, method: Method, uri: &str, signed: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).header(header::HOST, "metz.example");
    let request = request.header(header::AUTHORIZATION, signed).body(Bytes::from(body.to_owned())).unwrap();
    let (parts, body) = site.answer(request, &Peer::plain([192, 0, 2, 1].into())).await.into_parts();
    Answer { parts, body: body.into_bytes().await.unwrap() }
}

#[tokio::test]
async fn what_was_signed_is_what_came_and_its_place_is_kept_while_it_is_answered() {
    let (site, town) = fixture();
    let (uri, body) = ("/_matrix/federation/v1/send/a%2Fb?x=%7e", r#"{"pdus": [1.0]}"#);
    let signed = signature("hs1", "PUT", uri, body);
    for _ in 0..3 {
        let answer = ask(&site, Method::PUT, uri, &signed, body).await;
        assert_eq!(answer.json(), json!({ "origin": "hs1", "txn": "a/b", "places": 1, "body": body }));
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "", "no page of another site may call it");
    }
    assert_eq!(town.places.load(Ordering::SeqCst), 0);
    let uri = "/_matrix/client/v3/account/whoami";
    let answer = ask(&site, Method::GET, uri, &signature("hs1", "GET", uri, ""), "").await;
    assert_eq!(answer.json(), json!({ "origin": "hs1" }));
}

#[tokio::test]
async fn who_is_not_known_reaches_no_handler() {
    let (site, town) = fixture();
    let (uri, body) = ("/_matrix/federation/v1/send/1", "{}");
    let cases = [
        (signature("hs1", "PUT", uri, "{ }"), body, (401, "M_UNAUTHORIZED")),
        (signature("hs1", "POST", uri, body), body, (401, "M_UNAUTHORIZED")),
        (signature("hs1", "PUT", "/_matrix/federation/v1/send/2", body), body, (401, "M_UNAUTHORIZED")),
        ("Bearer metz_alice".to_owned(), body, (401, "M_UNAUTHORIZED")),
        (String::new(), body, (401, "M_UNAUTHORIZED")),
        // Refused by name: a body that is too long for the route is not looked at.
        (signature("denied.example", "PUT", uri, body), &"x".repeat(101), (403, "M_FORBIDDEN")),
        (signature("hs1", "PUT", uri, body), &"x".repeat(101), (413, "M_TOO_LARGE")),
    ];
    for (signed, body, (status, errcode)) in cases {
        let answer = ask(&site, Method::PUT, uri, &signed, body).await;
        assert_eq!(answer.refusal(), (status, errcode.to_owned()), "{signed}");
    }
    assert_eq!(town.handled.load(Ordering::SeqCst), 0);
}
