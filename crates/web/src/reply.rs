//! Answers: what handlers return, and the headers that every answer carries.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ruma_common::api::{IncomingRequest, OutgoingBody, OutgoingResponse};
use serde::Serialize;

use crate::{Body, Error, Response, Result};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the handler of a request `R` may return: ruma's response to it, [`Json`] that is already text, or [`Raw`].
pub trait Reply<R>: Send + 'static {
    fn into_response(self) -> Result<Response>;
}

impl<R, A> Reply<R> for A
where
    R: IncomingRequest<OutgoingResponse = A>,
    A: OutgoingResponse + Send + 'static,
{
    fn into_response(self) -> Result<Response> {
        let (mut parts, body) = self.try_into_http_response_inner().map_err(Error::internal)?.into_parts();
        if let Some(content_type) = body.content_type() {
            parts.headers.entry(header::CONTENT_TYPE).or_insert(content_type);
        }
        let bytes: Vec<u8> = body.try_into_buf().map_err(|error| Error::internal(error.into()))?;
        Ok(http::Response::from_parts(parts, Body::from(bytes)))
    }
}

/// A JSON answer that is text already.
pub struct Json(Response);

impl Json {
    /// 200 with a value's JSON.
    ///
    /// # Errors
    /// 500 if the value cannot be JSON (a map with keys that are no strings).
    pub fn of(value: &impl Serialize) -> Result<Self> {
        serde_json::to_vec(value).map(Self::text).map_err(Error::internal)
    }

    /// 200 with text that is JSON.
    pub fn text(text: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Body::from(text));
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        Self(response)
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        *self.0.status_mut() = status;
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

impl From<Json> for Response {
    fn from(json: Json) -> Self {
        json.0
    }
}

impl<R> Reply<R> for Json {
    fn into_response(self) -> Result<Response> {
        Ok(self.0)
    }
}

/// An answer of any form to a request that ruma types, such as a file streamed from disk.
pub struct Raw(pub Response);

impl<R> Reply<R> for Raw {
    fn into_response(self) -> Result<Response> {
        Ok(self.0)
    }
}

/// A Matrix error as an answer. 429 and 503 say when to come back, and not the same second to all.
pub(crate) fn refusal(error: &Error) -> Response {
    let text = serde_json::to_vec(error.body()).unwrap_or_default();
    let mut response = Response::from(Json::text(text).status(error.status_code()));
    let retry_after = match error.retry_after() {
        Some(wait) => Some(wait.as_millis().div_ceil(1_000).max(1)),
        None if error.status_code() == StatusCode::SERVICE_UNAVAILABLE => Some(u128::from(next_spread())),
        None => None,
    };
    if let Some(value) = retry_after.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// 2 to 9 seconds, each in turn.
fn next_spread() -> u64 {
    static TURN: AtomicU64 = AtomicU64::new(0);
    2 + TURN.fetch_add(1, Ordering::Relaxed) % 8
}

/// What every answer says unless its handler says otherwise: it is what its type says, and nobody else's to keep.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Lets every web page call the API (spec, "Web Browser Clients"). No cookie is ever read by it, so `*` gives nothing away.
pub(crate) fn allow_origins(headers: &mut HeaderMap, expose: Option<&HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("X-Requested-With, Content-Type, Authorization, Date, If-Match, If-None-Match"),
    );
    if let Some(expose) = expose {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
    }
}

/// The answer to a browser's preflight question, for any path.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow_origins(response.headers_mut(), None);
    response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
