//! The dispatcher: host, route, caller, rate, body, handler, answer, in this order, for every request of every edge.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use kernel::Kind;

use crate::{
    Access, Body, Caller, Error, Hosts, Limiter, Origin, Peer, Proxies, Response, Result, RouteError, Routes, Upload,
    ask::{self, Params},
    body::Upload as Unread,
    handler::{Call, CallBody},
    limit::Subject,
    record, reply,
    route::Intake,
    table::{Found, Placed, Table},
    token,
};

/// Longest path and query that is looked at.
pub const URI_BYTES_MAX: usize = 8_192;

/// All routes for all tenants: answers requests, whichever way they came.
pub struct Site<A> {
    hosts: Arc<Hosts<A>>,
    table: Table<A>,
    limiter: Arc<Limiter>,
    proxies: Proxies,
}

impl<A: Send + Sync + 'static> Site<A> {
    /// # Errors
    /// If two routes have one method and path.
    pub fn new(
        hosts: Arc<Hosts<A>>,
        routes: Routes<A>,
        limiter: Arc<Limiter>,
        proxies: Proxies,
    ) -> Result<Self, RouteError> {
        Ok(Self { hosts, table: Table::build(routes)?, limiter, proxies })
    }

    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Answers a request that is whole already: in tests, and between two tenants of one process.
    pub async fn answer(&self, request: http::Request<Bytes>, peer: &Peer) -> Response {
        let (parts, body) = request.into_parts();
        self.respond(parts, Upload::whole(body), peer).await
    }

    pub(crate) async fn respond(&self, parts: Parts, body: Unread, peer: &Peer) -> Response {
        if parts.method == Method::OPTIONS {
            return reply::preflight();
        }
        let started = Instant::now();
        let (method, version) = (parts.method.clone(), parts.version);
        let is_head = method == Method::HEAD;
        let (answer, placed) = self.dispatch(parts, body, peer).await;
        let mut response = answer.unwrap_or_else(|error| reply::refusal(&error));
        let route = placed.as_ref().map(|placed| &*placed.route);
        let headers = response.headers_mut();
        if route.is_none_or(|route| route.open_to_origins) {
            reply::allow_origins(headers, route.and_then(|route| route.expose.as_ref()));
        }
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
        let template = placed.as_ref().map(|placed| &placed.template);
        record::request(&method, template, version, response.status(), started.elapsed());
        if is_head { without_body(response) } else { response }
    }

    /// The answer, and the route that gave it where one was reached.
    async fn dispatch(&self, parts: Parts, body: Unread, peer: &Peer) -> (Result<Response>, Option<Arc<Placed<A>>>) {
        let tenant = match self.hosts.of_request(&parts.uri, &parts.headers, peer, &self.proxies) {
            Ok(tenant) => tenant,
            Err(error) => return (Err(error), None),
        };
        if parts.uri.path_and_query().is_some_and(|uri| uri.as_str().len() > URI_BYTES_MAX) {
            return (Err(too_long()), None);
        }
        let (placed, params) = match self.table.find(&parts.method, parts.uri.path()) {
            Found::Route(placed, params) => {
                let params = Params::decode(Arc::clone(&placed.names), params.iter().map(|(_, value)| value));
                (Arc::clone(placed), params)
            }
            Found::OtherMethods(allow) => return (Ok(method_not_allowed(&allow)), None),
            Found::Nothing => return (Err(Error::new(Kind::Unrecognized, "Unrecognized request")), None),
        };
        (self.call(tenant, &placed, params, parts, body, peer).await, Some(placed))
    }

    async fn call(
        &self,
        tenant: Arc<A>,
        placed: &Placed<A>,
        params: Result<Params>,
        parts: Parts,
        body: Unread,
        peer: &Peer,
    ) -> Result<Response> {
        let route = &*placed.route;
        let from = Origin::new(
            self.proxies.client_address(peer.address, &parts.headers),
            parts.headers.get(header::USER_AGENT).cloned(),
        );
        let caller = identify(route.access, |token| route.endpoint.authenticate(&tenant, token), &parts)?;
        let subject = match &caller {
            Some(caller) => Subject::User(&caller.user),
            None => Subject::Address(from.address),
        };
        self.limiter.check(route.rate, subject)?;
        let params = params?;
        let body = take(route.intake, route.body_bytes_max, &parts, body).await?;
        let answer = route.endpoint.call(tenant, Call { caller, parts, params, from, body });
        // A panic is a bug of ours, and this request's alone.
        AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(route = %placed.template, "a handler panicked");
            Err(Error::new(Kind::Internal, "Internal server error"))
        })
    }
}

/// The caller, if the route wants one, and whether it may come in.
fn identify(access: Access, authenticate: impl Fn(&str) -> Result<Caller>, parts: &Parts) -> Result<Option<Caller>> {
    if access == Access::Public {
        return Ok(None);
    }
    let caller = match token::find(&parts.headers, &parts.uri)? {
        Some(token) => authenticate(&token)?,
        None if access == Access::Optional => return Ok(None),
        None => return Err(Error::missing_token()),
    };
    let writes = matches!(access, Access::Active | Access::Admin);
    if writes && caller.is_suspended {
        return Err(Error::new(Kind::UserSuspended, "This account is suspended"));
    }
    if access == Access::Admin && !caller.is_admin {
        return Err(Error::new(Kind::Forbidden, "Only an administrator may do this"));
    }
    Ok(Some(caller))
}

/// Reads the body as the route says. `GET` has none: what came is left unread.
async fn take(intake: Intake, bytes_max: usize, parts: &Parts, body: Unread) -> Result<CallBody> {
    if matches!(parts.method, Method::GET | Method::HEAD) && intake != Intake::Stream {
        return Ok(CallBody::Read(Bytes::new()));
    }
    let body = body.bounded(bytes_max)?;
    if intake == Intake::Stream {
        return Ok(CallBody::Unread(body));
    }
    ask::refuse_encodings(parts)?;
    let bytes = body.read().await?;
    if intake == Intake::Json {
        ask::check_json(&bytes)?;
    }
    Ok(CallBody::Read(bytes))
}

fn too_long() -> Error {
    Error::new(Kind::TooLarge, "The path and query are too long").status(StatusCode::URI_TOO_LONG)
}

fn method_not_allowed(allow: &str) -> Response {
    let error = Error::new(Kind::Unrecognized, "Unrecognized request").status(StatusCode::METHOD_NOT_ALLOWED);
    let mut response = reply::refusal(&error);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// The answer to `HEAD`: everything but the body.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.whole_len() {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
