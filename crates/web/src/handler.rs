//! Handlers: the plain `async fn`s of an edge, and how they lose their types so that one dispatcher serves all.

use std::{marker::PhantomData, sync::Arc};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use http::request::Parts;
use ruma_common::api::IncomingRequest;

use crate::{
    Caller, Error, Homeserver, Json, Origin, Reply, Response, Result, Town, Upload, Visit, ask, ask::Params,
    town::AnyTown,
};

/// An `async fn` that answers a ruma request. `C` is what it learns of the caller: a [`Caller`], an `Option<Caller>`, a
/// [`Homeserver`], or `()` for public routes, whose functions leave the argument out. The last argument, `from: Origin`, may be left out:
///
/// `async fn(Arc<T>, Caller, R) -> Result<R::OutgoingResponse>` or `async fn(Arc<T>, R, Origin) -> Result<Json>`, and so on.
///
/// `M` only tells these forms apart.
pub trait Handler<T, C, M>: Send + Sync + 'static {
    type Ask: IncomingRequest;

    fn handle(&self, town: Arc<T>, caller: C, ask: Self::Ask, from: Origin) -> BoxFuture<'static, Result<Response>>;
}

/// `fn(town, caller, ask)`.
pub struct WithCaller<R, A>(PhantomData<(R, A)>);
/// `fn(town, caller, ask, from)`.
pub struct WithCallerAndOrigin<R, A>(PhantomData<(R, A)>);
/// `fn(town, ask)`.
pub struct Public<R, A>(PhantomData<(R, A)>);
/// `fn(town, ask, from)`.
pub struct PublicWithOrigin<R, A>(PhantomData<(R, A)>);

async fn reply<R, A: Reply<R>>(answer: impl Future<Output = Result<A>>) -> Result<Response> {
    answer.await?.into_response()
}

impl<T, C, R, A, F, Fut> Handler<T, C, WithCaller<R, A>> for F
where
    F: Fn(Arc<T>, C, R) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A>> + Send + 'static,
    R: IncomingRequest + 'static,
    A: Reply<R>,
{
    type Ask = R;

    fn handle(&self, town: Arc<T>, caller: C, ask: R, _: Origin) -> BoxFuture<'static, Result<Response>> {
        reply(self(town, caller, ask)).boxed()
    }
}

impl<T, C, R, A, F, Fut> Handler<T, C, WithCallerAndOrigin<R, A>> for F
where
    F: Fn(Arc<T>, C, R, Origin) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A>> + Send + 'static,
    R: IncomingRequest + 'static,
    A: Reply<R>,
{
    type Ask = R;

    fn handle(&self, town: Arc<T>, caller: C, ask: R, from: Origin) -> BoxFuture<'static, Result<Response>> {
        reply(self(town, caller, ask, from)).boxed()
    }
}

impl<T, R, A, F, Fut> Handler<T, (), Public<R, A>> for F
where
    F: Fn(Arc<T>, R) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A>> + Send + 'static,
    R: IncomingRequest + 'static,
    A: Reply<R>,
{
    type Ask = R;

    fn handle(&self, town: Arc<T>, (): (), ask: R, _: Origin) -> BoxFuture<'static, Result<Response>> {
        reply(self(town, ask)).boxed()
    }
}

impl<T, R, A, F, Fut> Handler<T, (), PublicWithOrigin<R, A>> for F
where
    F: Fn(Arc<T>, R, Origin) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A>> + Send + 'static,
    R: IncomingRequest + 'static,
    A: Reply<R>,
{
    type Ask = R;

    fn handle(&self, town: Arc<T>, (): (), ask: R, from: Origin) -> BoxFuture<'static, Result<Response>> {
        reply(self(town, ask, from)).boxed()
    }
}

/// Who makes a request, as far as its route wants to know.
pub(crate) enum Asker {
    Nobody,
    Person(Caller),
    Server(Homeserver),
}

/// What a handler may learn of the caller.
pub(crate) trait Known: Sized + Send + 'static {
    fn known(asker: Asker) -> Result<Self>;
}

impl Known for () {
    fn known(_: Asker) -> Result<()> {
        Ok(())
    }
}

impl Known for Option<Caller> {
    fn known(asker: Asker) -> Result<Self> {
        match asker {
            Asker::Person(caller) => Ok(Some(caller)),
            Asker::Nobody | Asker::Server(_) => Ok(None),
        }
    }
}

impl Known for Caller {
    fn known(asker: Asker) -> Result<Self> {
        Option::known(asker)?.ok_or_else(Error::missing_token)
    }
}

impl Known for Homeserver {
    fn known(asker: Asker) -> Result<Self> {
        match asker {
            Asker::Server(server) => Ok(server),
            Asker::Nobody | Asker::Person(_) => {
                Err(Error::internal("a route of servers was called by nobody's server"))
            }
        }
    }
}

/// A request that passed every check of its route.
pub(crate) struct Call {
    pub(crate) asker: Asker,
    pub(crate) parts: Parts,
    pub(crate) params: Params,
    pub(crate) from: Origin,
    pub(crate) body: CallBody,
}

pub(crate) enum CallBody {
    Read(Bytes),
    Unread(Upload),
}

/// A handler without its types. `A` is the tenant's handle that the listener knows.
pub(crate) trait Endpoint<A>: Send + Sync {
    fn town<'a>(&self, tenant: &'a A) -> &'a dyn AnyTown;
    fn call(&self, tenant: Arc<A>, call: Call) -> BoxFuture<'static, Result<Response>>;
}

pub(crate) struct Typed<H, C, M>(pub(crate) H, pub(crate) PhantomData<fn(C, M)>);

impl<T: Town, C: Known, M: 'static, H: Handler<T, C, M>> Endpoint<T> for Typed<H, C, M> {
    fn town<'a>(&self, tenant: &'a T) -> &'a dyn AnyTown {
        tenant
    }

    fn call(&self, tenant: Arc<T>, call: Call) -> BoxFuture<'static, Result<Response>> {
        let CallBody::Read(body) = call.body else { return refuse(unread()) };
        let caller = match C::known(call.asker) {
            Ok(caller) => caller,
            Err(error) => return refuse(error),
        };
        match ask::parse(call.parts, &call.params, &body) {
            Ok(ask) => self.0.handle(tenant, caller, ask, call.from),
            Err(error) => refuse(error),
        }
    }
}

/// The handlers of [`crate::Routes::page`], [`crate::Routes::json`] and [`crate::Routes::stream`].
pub(crate) struct Page<H>(pub(crate) H);
pub(crate) struct JsonCall<H, C>(pub(crate) H, pub(crate) PhantomData<fn(C)>);
pub(crate) struct Streamed<H>(pub(crate) H);

impl<T: Town, H, Fut> Endpoint<T> for Page<H>
where
    H: Fn(Arc<T>, Visit) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn town<'a>(&self, tenant: &'a T) -> &'a dyn AnyTown {
        tenant
    }

    fn call(&self, tenant: Arc<T>, call: Call) -> BoxFuture<'static, Result<Response>> {
        let CallBody::Read(body) = call.body else { return refuse(unread()) };
        self.0(tenant, Visit::new(call.parts, call.params, call.from, body)).boxed()
    }
}

impl<T: Town, C: Known, H, Fut> Endpoint<T> for JsonCall<H, C>
where
    H: Fn(Arc<T>, C, Visit) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Json>> + Send + 'static,
{
    fn town<'a>(&self, tenant: &'a T) -> &'a dyn AnyTown {
        tenant
    }

    fn call(&self, tenant: Arc<T>, call: Call) -> BoxFuture<'static, Result<Response>> {
        let CallBody::Read(body) = call.body else { return refuse(unread()) };
        let caller = match C::known(call.asker) {
            Ok(caller) => caller,
            Err(error) => return refuse(error),
        };
        let visit = Visit::new(call.parts, call.params, call.from, body);
        self.0(tenant, caller, visit).map(|answer| answer.map(Response::from)).boxed()
    }
}

impl<T: Town, H, Fut> Endpoint<T> for Streamed<H>
where
    H: Fn(Arc<T>, Option<Caller>, Visit<Upload>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn town<'a>(&self, tenant: &'a T) -> &'a dyn AnyTown {
        tenant
    }

    fn call(&self, tenant: Arc<T>, call: Call) -> BoxFuture<'static, Result<Response>> {
        let CallBody::Unread(body) = call.body else { return refuse(unread()) };
        match Option::known(call.asker) {
            Ok(caller) => self.0(tenant, caller, Visit::new(call.parts, call.params, call.from, body)).boxed(),
            Err(error) => refuse(error),
        }
    }
}

/// An edge's handler, reached through the handle of the whole tenant.
pub(crate) struct Lifted<A, T> {
    pub(crate) inner: Box<dyn Endpoint<T>>,
    pub(crate) pick: fn(&A) -> &Arc<T>,
}

impl<A: Send + Sync, T: Send + Sync + 'static> Endpoint<A> for Lifted<A, T> {
    fn town<'a>(&self, tenant: &'a A) -> &'a dyn AnyTown {
        self.inner.town((self.pick)(tenant))
    }

    fn call(&self, tenant: Arc<A>, call: Call) -> BoxFuture<'static, Result<Response>> {
        self.inner.call(Arc::clone((self.pick)(&tenant)), call)
    }
}

fn refuse(error: Error) -> BoxFuture<'static, Result<Response>> {
    ready(Err(error)).boxed()
}

/// The dispatcher reads a body as its route says; anything else is its own mistake.
fn unread() -> Error {
    Error::internal("a body was not read as its route says")
}
