//! A request that no ruma type describes: a page, a form, OAuth's JSON, a file.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header, request::Parts};
use kernel::Kind;
use serde::de::DeserializeOwned;

use crate::{Error, Origin, Result, ask::Params, strict};

/// A request as it came, with its path's values. `B` is the body: bytes, or an [`crate::Upload`] that is not read yet.
pub struct Visit<B = Bytes> {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub params: Params,
    pub from: Origin,
    pub body: B,
}

impl<B> Visit<B> {
    pub(crate) fn new(parts: Parts, params: Params, from: Origin, body: B) -> Self {
        Self { method: parts.method, uri: parts.uri, headers: parts.headers, params, from, body }
    }

    /// The decoded value of `{name}` in the route's path; empty if there is none.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name)
    }

    /// The query string, as a struct of its parameters.
    ///
    /// # Errors
    /// 400 `M_INVALID_PARAM`.
    pub fn query<Q: DeserializeOwned>(&self) -> Result<Q> {
        let query = self.uri.query().unwrap_or_default();
        serde_html_form::from_str(query).map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))
    }

    /// A header's value; empty if it is missing or not ASCII.
    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A cookie's value (RFC 6265 §4.2).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl Visit<Bytes> {
    /// An `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// 400 `M_INVALID_PARAM`.
    pub fn form<F: DeserializeOwned>(&self) -> Result<F> {
        serde_html_form::from_bytes(&self.body).map_err(|error| Error::new(Kind::InvalidParam, error.to_string()))
    }

    /// A JSON object; an empty body is `{}`.
    ///
    /// # Errors
    /// 400 `M_NOT_JSON`, `M_BAD_JSON`.
    pub fn json<J: DeserializeOwned>(&self) -> Result<J> {
        let body = if self.body.is_empty() { b"{}" } else { &self.body[..] };
        strict::check_object(body)?;
        serde_json::from_slice(body).map_err(|error| Error::new(Kind::BadJson, error.to_string()))
    }
}
