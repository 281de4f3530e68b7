//! The table of endpoints that an edge writes, one line each.

use std::{borrow::Cow, marker::PhantomData, sync::Arc};

use http::{HeaderValue, Method};
use kernel::limits;
use ruma_common::api::{Metadata, path_builder::PathBuilder as _};

use crate::{
    Caller, Homeserver, Json, Rate, Response, Result, Town, Upload, Visit,
    handler::{Endpoint, Handler, JsonCall, Known, Lifted, Page, Streamed, Typed},
};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; a token is not looked at.
    Public,
    /// Anybody, known or not; a wrong token is refused.
    Optional,
    /// Anybody signed in.
    User,
    /// Anybody signed in and not suspended.
    Active,
    /// An administrator of the tenant.
    Admin,
    /// Another homeserver, which signs its requests. Never counted by rate: the town bounds what it answers each at once.
    Server,
}

/// What a route does with the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Read whole and checked to be a JSON object (or empty).
    Json,
    /// Read whole.
    Bytes,
    /// Left to the handler to read.
    Stream,
}

/// The endpoints of an edge.
pub struct Routes<T> {
    routes: Vec<Route<T>>,
}

/// One endpoint. Its methods refine it: `routes.active(send).limited(Rate::Message)`.
pub struct Route<T> {
    pub(crate) method: Method,
    pub(crate) paths: Vec<Cow<'static, str>>,
    pub(crate) access: Access,
    pub(crate) rate: Rate,
    pub(crate) intake: Intake,
    pub(crate) body_bytes_max: usize,
    pub(crate) open_to_origins: bool,
    /// The handler runs to its end even if the client has left.
    pub(crate) is_finished: bool,
    pub(crate) expose: Option<HeaderValue>,
    pub(crate) endpoint: Box<dyn Endpoint<T>>,
}

impl<T> Route<T> {
    fn new(method: Method, paths: Vec<Cow<'static, str>>, access: Access, endpoint: Box<dyn Endpoint<T>>) -> Self {
        Self {
            is_finished: !matches!(method, Method::GET | Method::HEAD),
            method,
            paths,
            access,
            rate: Rate::Other,
            intake: Intake::Json,
            body_bytes_max: limits::BODY_BYTES_MAX,
            open_to_origins: true,
            expose: None,
            endpoint,
        }
    }

    /// Counts it in this class instead of [`Rate::Other`].
    pub fn limited(&mut self, rate: Rate) -> &mut Self {
        self.rate = rate;
        self
    }

    /// Takes bodies of up to this many bytes instead of [`limits::BODY_BYTES_MAX`].
    pub fn body_max(&mut self, bytes: usize) -> &mut Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Takes a body that is not JSON (ruma's `raw_body`).
    pub fn bytes(&mut self) -> &mut Self {
        self.intake = Intake::Bytes;
        self
    }

    /// Serves it under one more path, with the same `{names}` in the same order, fewer at the end if the type allows it:
    /// `.also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}")`.
    pub fn also(&mut self, path: impl Into<Cow<'static, str>>) -> &mut Self {
        self.paths.push(path.into());
        self
    }

    /// Lets web pages of other sites read these headers of the answer: `"ETag, Location"`.
    pub fn expose(&mut self, headers: &'static str) -> &mut Self {
        self.expose = Some(HeaderValue::from_static(headers));
        self
    }

    /// Stops the handler when the client leaves, as for `GET`: for a long poll by `POST`. Handlers of other methods run to
    /// their end, so that no change is left half made.
    pub fn while_client_waits(&mut self) -> &mut Self {
        self.is_finished = false;
        self
    }

    /// Lets web pages of other sites call it, as they may call all but pages.
    pub fn cors(&mut self) -> &mut Self {
        self.open_to_origins = true;
        self
    }
}

/// One line of the table, for tests and documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    pub method: Method,
    /// With `{names}`; the paths that ruma or the edge gives, then the aliases.
    pub path: String,
    pub access: Access,
    pub rate: Rate,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<T: Town> Routes<T> {
    pub fn new() -> Self {
        Self::default()
    }

    /// `async fn(Arc<T>, R[, Origin]) -> Result<_>`, for anybody.
    pub fn public<H: Handler<T, (), M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        self.typed(Access::Public, handler)
    }

    /// `async fn(Arc<T>, Option<Caller>, R[, Origin]) -> Result<_>`, for anybody; a wrong token is refused.
    pub fn optional<H: Handler<T, Option<Caller>, M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        self.typed(Access::Optional, handler)
    }

    /// `async fn(Arc<T>, Caller, R[, Origin]) -> Result<_>`, for the signed in, suspended or not.
    pub fn user<H: Handler<T, Caller, M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        self.typed(Access::User, handler)
    }

    /// As `user`, but the suspended are refused with `M_USER_SUSPENDED`.
    pub fn active<H: Handler<T, Caller, M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        self.typed(Access::Active, handler)
    }

    /// As `active`, but for administrators of the tenant only.
    pub fn admin<H: Handler<T, Caller, M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        self.typed(Access::Admin, handler)
    }

    /// `async fn(Arc<T>, Homeserver, R[, Origin]) -> Result<_>`, for other homeservers; closed to other sites' scripts.
    pub fn server<H: Handler<T, Homeserver, M>, M: 'static>(&mut self, handler: H) -> &mut Route<T> {
        let route = self.typed(Access::Server, handler);
        route.open_to_origins = false;
        route
    }

    fn typed<C, M, H>(&mut self, access: Access, handler: H) -> &mut Route<T>
    where
        C: Known,
        M: 'static,
        H: Handler<T, C, M>,
    {
        let paths = H::Ask::PATH_BUILDER.all_paths().map(Cow::Borrowed).collect();
        let endpoint = Typed(handler, PhantomData::<fn(C, M)>);
        self.add(Route::new(H::Ask::METHOD, paths, access, Box::new(endpoint)))
    }

    /// A page for browsers, public, closed to other sites' scripts: `async fn(Arc<T>, Visit) -> Result<Response>`.
    pub fn page<H, Fut>(&mut self, method: Method, path: &'static str, handler: H) -> &mut Route<T>
    where
        H: Fn(Arc<T>, Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let mut route = Route::new(method, vec![path.into()], Access::Public, Box::new(Page(handler)));
        route.intake = Intake::Bytes;
        route.open_to_origins = false;
        self.add(route)
    }

    /// A JSON endpoint that ruma has no type for: `async fn(Arc<T>, Option<Caller>, Visit) -> Result<Json>`. The caller is
    /// known for every access but `Public` and, sometimes, `Optional`. Its body is read by `visit.json()` or `visit.form()`.
    pub fn json<H, Fut>(&mut self, method: Method, path: &'static str, access: Access, handler: H) -> &mut Route<T>
    where
        H: Fn(Arc<T>, Option<Caller>, Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json>> + Send + 'static,
    {
        let endpoint = JsonCall(handler, PhantomData::<fn(Option<Caller>)>);
        let mut route = Route::new(method, vec![path.into()], access, Box::new(endpoint));
        route.intake = Intake::Bytes;
        self.add(route)
    }

    /// As `server`, for requests and answers of which a ruma type would lose something:
    /// `async fn(Arc<T>, Homeserver, Visit) -> Result<Json>`. Its body is JSON that nobody has checked yet.
    pub fn server_json<H, Fut>(&mut self, method: Method, path: &'static str, handler: H) -> &mut Route<T>
    where
        H: Fn(Arc<T>, Homeserver, Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json>> + Send + 'static,
    {
        let endpoint = JsonCall(handler, PhantomData::<fn(Homeserver)>);
        let mut route = Route::new(method, vec![path.into()], Access::Server, Box::new(endpoint));
        route.intake = Intake::Bytes;
        route.open_to_origins = false;
        self.add(route)
    }

    /// An endpoint that reads its body piece by piece or answers with a stream (files):
    /// `async fn(Arc<T>, Option<Caller>, Visit<Upload>) -> Result<Response>`.
    pub fn stream<H, Fut>(&mut self, method: Method, path: &'static str, access: Access, handler: H) -> &mut Route<T>
    where
        H: Fn(Arc<T>, Option<Caller>, Visit<Upload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let mut route = Route::new(method, vec![path.into()], access, Box::new(Streamed(handler)));
        route.intake = Intake::Stream;
        self.add(route)
    }

    fn add(&mut self, route: Route<T>) -> &mut Route<T> {
        let position = self.routes.len();
        self.routes.push(route);
        &mut self.routes[position]
    }
}

impl<T: Send + Sync + 'static> Routes<T> {
    /// The same routes for a listener that knows a tenant by a handle `A` which holds this edge's handle.
    pub fn lift<A: Send + Sync + 'static>(self, pick: fn(&A) -> &Arc<T>) -> Routes<A> {
        let lift = |route: Route<T>| Route {
            method: route.method,
            paths: route.paths,
            access: route.access,
            rate: route.rate,
            intake: route.intake,
            body_bytes_max: route.body_bytes_max,
            open_to_origins: route.open_to_origins,
            is_finished: route.is_finished,
            expose: route.expose,
            endpoint: Box::new(Lifted { inner: route.endpoint, pick }) as Box<dyn Endpoint<A>>,
        };
        Routes { routes: self.routes.into_iter().map(lift).collect() }
    }
}

impl<T> Routes<T> {
    /// These routes and those of another edge.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        self
    }

    /// Every path of every route, aliases included, sorted.
    pub fn list(&self) -> Vec<RouteInfo> {
        let line = |route: &Route<T>, path: &str| RouteInfo {
            method: route.method.clone(),
            path: path.to_owned(),
            access: route.access,
            rate: route.rate,
        };
        let own = self.routes.iter().flat_map(|route| route.paths.iter().map(move |path| line(route, path)));
        let mut lines: Vec<_> = own.collect();
        for route in &self.routes {
            for alias in route.paths.iter().flat_map(|path| aliases(path)) {
                if !lines.iter().any(|known| known.method == route.method && known.path == alias) {
                    lines.push(line(route, &alias));
                }
            }
        }
        lines.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
        lines
    }

    pub(crate) fn into_vec(self) -> Vec<Route<T>> {
        self.routes
    }
}

/// The older paths of a current one that clients still use: classic Element calls `r0` for nearly everything and `unstable`
/// for keys and relations, Hydrogen `r0` alone.
pub(crate) fn aliases(path: &str) -> impl Iterator<Item = String> {
    const CURRENT: [(&str, &[&str]); 2] = [
        ("/_matrix/client/v3/", &["/_matrix/client/r0/", "/_matrix/client/unstable/"]),
        ("/_matrix/media/v3/", &["/_matrix/media/r0/", "/_matrix/media/v1/"]),
    ];
    CURRENT
        .iter()
        .filter_map(|(current, older)| Some((path.strip_prefix(current)?.to_owned(), *older)))
        .flat_map(|(rest, older)| older.iter().map(move |prefix| format!("{prefix}{rest}")))
}
