//! What a request asks for: path, query and body turned into ruma's types, and the errors when they cannot be.

use std::{borrow::Cow, sync::Arc};

use http::{Method, header, request::Parts};
use kernel::Kind;
use percent_encoding::percent_decode_str;
use ruma_common::api::{IncomingRequest, error::DeserializationError};

use crate::{Error, Result, strict};

/// The values of a path's `{names}`, percent-decoded, in the order of the path.
#[derive(Clone, Debug, Default)]
pub struct Params {
    names: Arc<[Box<str>]>,
    values: Vec<String>,
}

impl Params {
    /// # Errors
    /// 400 `M_INVALID_PARAM` for a value that is not UTF-8 or holds NUL.
    pub(crate) fn decode<'a>(names: Arc<[Box<str>]>, raw: impl Iterator<Item = &'a str>) -> Result<Self> {
        let invalid = || Error::new(Kind::InvalidParam, "The path is not percent-encoded UTF-8");
        let decode = |raw| match percent_decode_str(raw).decode_utf8() {
            Ok(value) if !value.contains('\0') => Ok(value.into_owned()),
            _ => Err(invalid()),
        };
        Ok(Self { names, values: raw.map(decode).collect::<Result<_>>()? })
    }

    /// The value of `{name}`; empty if the path has no such name.
    pub fn get(&self, name: &str) -> &str {
        let position = self.names.iter().position(|known| **known == *name);
        position.and_then(|position| self.values.get(position)).map_or("", String::as_str)
    }
}

/// Checks a body that should be JSON; an empty one passes for `{}`.
///
/// # Errors
/// As [`strict::check_object`].
pub(crate) fn check_json(body: &[u8]) -> Result<()> {
    if body.is_empty() { Ok(()) } else { strict::check_object(body) }
}

/// Apart from these, `Content-Type` does not matter: clients send JSON under many names.
///
/// # Errors
/// 415 `M_UNRECOGNIZED` for compressed and multipart bodies.
pub(crate) fn refuse_encodings(parts: &Parts) -> Result<()> {
    let is_encoded = parts.headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let is_multipart = content_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    if is_encoded || is_multipart {
        let message = "Compressed and multipart bodies are not accepted";
        return Err(Error::new(Kind::Unrecognized, message).status(http::StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(())
}

/// The request as ruma's type.
///
/// # Errors
/// 400 `M_BAD_JSON` for a body of the wrong shape, `M_MISSING_PARAM` for a missing query parameter, `M_INVALID_PARAM` for any
/// other wrong value in path, query or header.
pub(crate) fn parse<R: IncomingRequest>(parts: Parts, params: &Params, body: &[u8]) -> Result<R> {
    let has_body = !matches!(parts.method, Method::GET | Method::HEAD);
    let body = if body.is_empty() && has_body { b"{}" } else { body };
    let values: Vec<&str> = params.values.iter().map(String::as_str).collect();
    R::try_from_http_request_inner(http::Request::from_parts(parts, body), &values).map_err(|error| explain(&error))
}

fn explain(error: &DeserializationError) -> Error {
    let kind = match error {
        DeserializationError::Json(_) => Kind::BadJson,
        // serde's words for it: there is no kind to ask for.
        DeserializationError::Query(error) if error.to_string().starts_with("missing field") => Kind::MissingParam,
        _ => Kind::InvalidParam,
    };
    Error::new(kind, error.to_string())
}

/// The first value of a query parameter, decoded.
pub(crate) fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    // Nearly every query lacks it, and decoding allocates.
    if !query.contains(name) {
        return None;
    }
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}
