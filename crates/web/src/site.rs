//! The dispatcher: host, route, caller, rate, body, handler, answer, in this order, for every request of every edge.

use std::{borrow::Cow, net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use kernel::Kind;

use crate::{
    Access, Arrival, Body, Caller, Error, Hosts, Limiter, Origin, Peer, Proxies, Response, Result, RouteError, Routes,
    Upload,
    ask::Params,
    handler::{Asker, Call},
    limit::Subject,
    record::Record,
    reply,
    route::Route,
    table::{Found, Placed, Table},
    token,
    town::AnyTown,
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

    pub(crate) async fn respond(&self, parts: Parts, body: Upload, peer: &Peer) -> Response {
        if parts.method == Method::OPTIONS {
            return reply::preflight();
        }
        let started = Instant::now();
        let (method, version) = (parts.method.clone(), parts.version);
        let (answer, reached) = match self.find(&parts, peer) {
            Ok((reached, params)) => {
                // A panic is a bug of ours, and this request's alone.
                let call = AssertUnwindSafe(self.call(&reached, params, parts, body, peer)).catch_unwind();
                (call.await.unwrap_or_else(|_| Err(panicked(&reached.placed))), Some(reached))
            }
            Err(refusal) => (Ok(refusal), None),
        };
        let mut response = answer.unwrap_or_else(|error| reply::refusal(&error));
        let route = reached.as_ref().map(|reached| &*reached.placed.route);
        if route.is_none_or(|route| route.open_to_origins) {
            reply::allow_origins(response.headers_mut(), route.and_then(|route| route.expose.as_ref()));
        }
        reply::guard(response.headers_mut());
        let reached = reached.as_ref().map(|reached| {
            let tenant = reached.placed.route.endpoint.town(&reached.tenant).server_name();
            (tenant, &reached.placed.template)
        });
        let (status, took) = (response.status(), started.elapsed());
        Record { method: &method, version, reached, status, took }.write();
        if method == Method::HEAD { without_body(response) } else { response }
    }

    /// The tenant and the route, or the answer that there is none.
    #[expect(clippy::result_large_err, reason = "the refusal is the answer itself, returned at once")]
    fn find(&self, parts: &Parts, peer: &Peer) -> Result<(Reached<A>, Result<Params>), Response> {
        let tenant = self.hosts.of_request(&parts.uri, &parts.headers, peer, &self.proxies);
        let tenant = tenant.map_err(|error| reply::refusal(&error))?;
        if parts.uri.path_and_query().is_some_and(|uri| uri.as_str().len() > URI_BYTES_MAX) {
            let error = Error::new(Kind::TooLarge, "The path and query are too long");
            return Err(reply::refusal(&error.status(StatusCode::URI_TOO_LONG)));
        }
        match self.table.find(&parts.method, parts.uri.path()) {
            Found::Route(placed, values) => {
                let params = Params::decode(Arc::clone(&placed.names), values.iter().map(|(_, value)| value));
                Ok((Reached { tenant, placed: Arc::clone(placed) }, params))
            }
            Found::OtherMethods(allow) => Err(method_not_allowed(&allow)),
            Found::Nothing => Err(reply::refusal(&Error::new(Kind::Unrecognized, "Unrecognized request"))),
        }
    }

    async fn call(
        &self,
        Reached { tenant, placed }: &Reached<A>,
        params: Result<Params>,
        parts: Parts,
        body: Upload,
        peer: &Peer,
    ) -> Result<Response> {
        let route = &*placed.route;
        let town = route.endpoint.town(tenant);
        let address = self.proxies.client_address(peer.address, &parts.headers);
        let from = Origin::new(address, parts.headers.get(header::USER_AGENT).cloned());
        let mut arrival = Arrival::new(&parts, route.intake, route.body_bytes_max, body);
        let asker = match route.access {
            Access::Server => Asker::Server(town.authenticate_server(&mut arrival).await?),
            _ => self.person(route, town, &parts, address).await?,
        };
        let params = params?;
        let body = arrival.take().await?;
        let call = Call { asker, parts, params, from, body };
        if !route.is_finished {
            return route.endpoint.call(Arc::clone(tenant), call).await;
        }
        // A task of its own goes on when the connection, and with it this future, is dropped.
        let (tenant, owned) = (Arc::clone(tenant), Arc::clone(placed));
        let task = tokio::spawn(async move { owned.route.endpoint.call(tenant, call).await });
        task.await.unwrap_or_else(|_| Err(panicked(placed)))
    }

    /// Whoever asks, by their token and within their rate.
    async fn person(&self, route: &Route<A>, town: &dyn AnyTown, parts: &Parts, address: IpAddr) -> Result<Asker> {
        let caller = match token_of(route.access, parts)? {
            Some(token) => Some(town.authenticate(&token).await?),
            None => None,
        };
        check_access(route.access, caller.as_ref())?;
        let subject = caller.as_ref().map_or(Subject::Address(address), |caller| Subject::User(&caller.user));
        self.limiter.check(route.rate, subject)?;
        Ok(caller.map_or(Asker::Nobody, Asker::Person))
    }
}

/// Where a request leads.
struct Reached<A> {
    tenant: Arc<A>,
    placed: Arc<Placed<A>>,
}

/// The token that came, if the route wants to know its caller.
fn token_of(access: Access, parts: &Parts) -> Result<Option<Cow<'_, str>>> {
    if access == Access::Public {
        return Ok(None);
    }
    match token::find(&parts.headers, &parts.uri)? {
        None if access != Access::Optional => Err(Error::missing_token()),
        token => Ok(token),
    }
}

/// Whether a caller who is known may come in.
fn check_access(access: Access, caller: Option<&Caller>) -> Result<()> {
    let Some(caller) = caller else { return Ok(()) };
    let writes = matches!(access, Access::Active | Access::Admin);
    if writes && caller.is_suspended {
        return Err(Error::new(Kind::UserSuspended, "This account is suspended"));
    }
    if access == Access::Admin && !caller.is_admin {
        return Err(Error::new(Kind::Forbidden, "Only an administrator may do this"));
    }
    Ok(())
}

fn panicked<A>(placed: &Placed<A>) -> Error {
    Error::internal(format_args!("the handler of {} panicked", placed.template))
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
