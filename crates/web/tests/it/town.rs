//! A small edge: a tenant, a few ruma requests, handlers, and ways to call them.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header};
use kernel::{
    Clock, SystemClock,
    id::{OwnedServerName, OwnedUserId, ServerName},
};
use serde_json::Value;
use web::{
    Access, Caller, Error, Hosts, Identity, Json, Limiter, Limits, Origin, Peer, Proxies, Rate, Response, Routes,
    Session, SessionKind, Shutdown, Site, Town, Upload, Visit,
};

pub use crate::town::asks::{send, set_state, whoami};

/// Knows the tokens `{town}_{person}` of its own people.
pub struct TestTown {
    pub name: OwnedServerName,
    /// Requests that reached a handler.
    pub handled: AtomicUsize,
    /// Handlers of `/slow` that ended, or were dropped before their end.
    pub finished: AtomicUsize,
    pub dropped: AtomicUsize,
    pub shutdown: Shutdown,
}

impl TestTown {
    pub fn new(name: &str) -> Arc<Self> {
        let name = ServerName::parse(name).unwrap();
        Arc::new(Self {
            name,
            handled: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            shutdown: Shutdown::new(),
        })
    }

    pub fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.handled.fetch_add(1, Ordering::SeqCst);
    }
}

impl Town for TestTown {
    fn server_name(&self) -> &ServerName {
        &self.name
    }

    async fn authenticate(&self, token: &str) -> web::Result<Caller> {
        let label = self.name.as_str().split('.').next().unwrap_or_default();
        let person = token.strip_prefix(label).and_then(|rest| rest.strip_prefix('_'));
        let person = person.ok_or_else(|| Error::unknown_token(false))?;
        if person == "expired" {
            return Err(Error::unknown_token(true));
        }
        let user: OwnedUserId = format!("@{person}:{}", self.name).try_into().unwrap();
        Ok(Caller::new(Identity {
            user,
            device: Some("DEVICE".into()),
            session: Session { id: person.to_owned(), kind: SessionKind::Legacy },
            is_admin: person == "admin",
            is_suspended: person == "suspended",
        }))
    }
}

async fn whoami(town: Arc<TestTown>, caller: Caller, _: whoami::Request) -> web::Result<whoami::Response> {
    town.count();
    Ok(whoami::Response { user_id: caller.user.clone(), device_id: caller.device()?.to_owned() })
}

async fn send(town: Arc<TestTown>, _: Caller, ask: send::Request, from: Origin) -> web::Result<Json> {
    town.count();
    let address = from.address.to_string();
    Json::of(&serde_json::json!({ "room": ask.room_id, "type": ask.event_type, "body": ask.body, "address": address }))
}

async fn set_state(town: Arc<TestTown>, _: Caller, ask: set_state::Request) -> web::Result<Json> {
    town.count();
    Json::of(&serde_json::json!({ "type": ask.event_type, "state_key": ask.state_key }))
}

async fn greet(town: Arc<TestTown>, caller: Option<Caller>, visit: Visit) -> web::Result<Json> {
    town.count();
    let user = caller.map(|caller| caller.user.clone());
    Json::of(&serde_json::json!({ "name": visit.param("name"), "user": user, "town": town.name }))
}

async fn page(town: Arc<TestTown>, visit: Visit) -> web::Result<Response> {
    town.count();
    match visit.param("section") {
        "panic" => panic!("as asked for"),
        section => Ok(Response::new(format!("<h1>{section}</h1>").into())),
    }
}

/// Waits until the town shuts down, as a long poll does.
async fn wait(town: Arc<TestTown>, _: Visit) -> web::Result<Response> {
    town.count();
    town.shutdown.begun().await;
    Ok(Response::new("waited".into()))
}

/// Waits likewise, and counts whether it came to its end.
async fn slow(town: Arc<TestTown>, _: Visit) -> web::Result<Response> {
    struct End {
        town: Arc<TestTown>,
        is_finished: bool,
    }
    impl Drop for End {
        fn drop(&mut self) {
            let count = if self.is_finished { &self.town.finished } else { &self.town.dropped };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
    town.count();
    let mut end = End { town: Arc::clone(&town), is_finished: false };
    town.shutdown.begun().await;
    end.is_finished = true;
    Ok(Response::new("done".into()))
}

async fn upload(town: Arc<TestTown>, _: Option<Caller>, mut visit: Visit<Upload>) -> web::Result<Response> {
    town.count();
    let mut bytes = 0;
    while let Some(chunk) = visit.body.chunk().await? {
        bytes += chunk.len();
    }
    Ok(Json::of(&serde_json::json!({ "bytes": bytes }))?.into())
}

pub fn routes() -> Routes<TestTown> {
    let mut routes = Routes::new();
    routes.user(whoami);
    routes.active(send).limited(Rate::Message);
    routes
        .admin(set_state)
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}")
        .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}/");
    routes.json(Method::GET, "/hello/{name}", Access::Public, greet);
    routes.json(Method::POST, "/hello/{name}", Access::Optional, greet).expose("ETag").limited(Rate::Login);
    routes.page(Method::GET, "/page/{section}", page);
    routes.page(Method::GET, "/wait", wait);
    routes.page(Method::GET, "/slow", slow);
    routes.page(Method::POST, "/slow", slow);
    routes.page(Method::PUT, "/slow", slow).while_client_waits();
    routes.stream(Method::POST, "/_matrix/media/v3/upload", Access::User, upload).body_max(3_000_000);
    routes
}

/// A site for `metz.example` and `nancy.example`, and what a test turns.
pub struct Fixture {
    pub site: Arc<Site<TestTown>>,
    pub metz: Arc<TestTown>,
    pub nancy: Arc<TestTown>,
    pub hosts: Arc<Hosts<TestTown>>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(Limits::off(), Arc::new(SystemClock))
    }

    pub fn with(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let (metz, nancy) = (TestTown::new("metz.example"), TestTown::new("nancy.example"));
        let hosts = Arc::new(Hosts::new());
        hosts.insert("metz.example", Arc::clone(&metz));
        hosts.insert("nancy.example", Arc::clone(&nancy));
        let limiter = Arc::new(Limiter::new(limits, clock));
        let proxies = Proxies::parse(["10.0.0.0/8"]).unwrap();
        let site = Site::new(Arc::clone(&hosts), routes(), limiter, proxies).unwrap();
        Self { site: Arc::new(site), metz, nancy, hosts }
    }

    /// Asks as a client at 192.0.2.1.
    pub async fn ask(&self, request: Request<Bytes>) -> Answer {
        self.ask_from("192.0.2.1", request).await
    }

    pub async fn ask_from(&self, address: &str, request: Request<Bytes>) -> Answer {
        let address: IpAddr = address.parse().unwrap();
        self.ask_as(&Peer::plain(address), request).await
    }

    pub async fn ask_as(&self, peer: &Peer, request: Request<Bytes>) -> Answer {
        let (parts, body) = self.site.answer(request, peer).await.into_parts();
        Answer { parts, body: body.into_bytes().await.unwrap() }
    }

    pub fn handled(&self) -> usize {
        self.metz.handled() + self.nancy.handled()
    }
}

/// An answer, read.
pub struct Answer {
    pub parts: http::response::Parts,
    pub body: Bytes,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.parts.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    /// Status and errcode.
    pub fn refusal(&self) -> (u16, String) {
        (self.status(), self.json()["errcode"].as_str().unwrap_or_default().to_owned())
    }
}

/// A request to metz.example, with a token unless it is empty.
pub fn request(method: Method, path: &str, token: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "metz.example");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(body.into()).unwrap()
}

pub fn get(path: &str, token: &str) -> Request<Bytes> {
    request(Method::GET, path, token, "")
}

pub const WHOAMI: &str = "/_matrix/client/v3/account/whoami";
pub const SEND: &str = "/_matrix/client/v3/rooms/!a:metz.example/send/m.room.message/1";

/// Bounds a wait in a test that would otherwise hang. Longer than all time limits of the server, for tests with stopped clocks.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Ruma request types as its macros make them, for the few endpoints of the tests.
mod asks {
    use ruma_common::{
        api::{
            IncomingRequest, OutgoingResponse,
            auth_scheme::AccessToken,
            error::{DeserializationError, Error, IntoHttpError},
        },
        metadata,
    };
    use serde::{Deserialize, Serialize};

    type PathError = serde::de::value::Error;

    /// For handlers that answer with ready JSON.
    pub struct NoResponse;

    impl OutgoingResponse for NoResponse {
        type Body = ruma_common::api::EmptyBody;

        fn try_into_http_response_inner(self) -> Result<http::Response<Self::Body>, IntoHttpError> {
            Ok(http::Response::new(ruma_common::api::EmptyBody))
        }
    }

    pub mod whoami {
        use ruma_common::{OwnedDeviceId, OwnedUserId, api::OutgoingBodyJson};

        use super::*;

        metadata! {
            method: GET,
            rate_limited: true,
            authentication: AccessToken,
            history: {
                1.0 => "/_matrix/client/r0/account/whoami",
                1.1 => "/_matrix/client/v3/account/whoami",
            }
        }

        pub struct Request;

        #[derive(Serialize, OutgoingBodyJson)]
        pub struct Response {
            pub user_id: OwnedUserId,
            pub device_id: OwnedDeviceId,
        }

        impl IncomingRequest for Request {
            type EndpointError = Error;
            type OutgoingResponse = Response;

            fn try_from_http_request_inner(_: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
                Ok(Self)
            }
        }

        impl OutgoingResponse for Response {
            type Body = Self;

            fn try_into_http_response_inner(self) -> Result<http::Response<Self>, IntoHttpError> {
                Ok(http::Response::new(self))
            }
        }
    }

    pub mod send {
        use ruma_common::OwnedRoomId;

        use super::*;

        metadata! {
            method: PUT,
            rate_limited: false,
            authentication: AccessToken,
            history: {
                1.0 => "/_matrix/client/r0/rooms/{room_id}/send/{event_type}/{txn_id}",
                1.1 => "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}",
            }
        }

        pub struct Request {
            pub room_id: OwnedRoomId,
            pub event_type: String,
            pub body: String,
        }

        #[derive(Deserialize)]
        struct Query {
            ts: Option<u64>,
        }

        #[derive(Deserialize)]
        struct Body {
            body: String,
        }

        impl IncomingRequest for Request {
            type EndpointError = Error;
            type OutgoingResponse = NoResponse;

            fn try_from_http_request_inner(
                request: http::Request<&[u8]>,
                path_args: &[&str],
            ) -> Result<Self, DeserializationError> {
                let path = serde::de::value::SeqDeserializer::<_, PathError>::new(path_args.iter().copied());
                let (room_id, event_type, _txn_id): (OwnedRoomId, String, String) = Deserialize::deserialize(path)?;
                let query: Query = serde_html_form::from_str(request.uri().query().unwrap_or_default())?;
                let Body { body } = serde_json::from_slice(request.body())?;
                Ok(Self { room_id, event_type, body: query.ts.map_or(body, |ts| ts.to_string()) })
            }
        }
    }

    pub mod set_state {
        use super::*;

        metadata! {
            method: PUT,
            rate_limited: false,
            authentication: AccessToken,
            history: {
                1.0 => "/_matrix/client/r0/rooms/{room_id}/state/{event_type}/{state_key}",
                1.1 => "/_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}",
            }
        }

        pub struct Request {
            pub event_type: String,
            pub state_key: String,
        }

        impl IncomingRequest for Request {
            type EndpointError = Error;
            type OutgoingResponse = NoResponse;

            fn try_from_http_request_inner(
                _: http::Request<&[u8]>,
                path_args: &[&str],
            ) -> Result<Self, DeserializationError> {
                let value = |at: usize| path_args.get(at).map(|value| (*value).to_owned()).unwrap_or_default();
                Ok(Self { event_type: value(1), state_key: value(2) })
            }
        }
    }
}
