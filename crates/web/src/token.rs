//! The access token of a request (spec, "Using access tokens").

use http::{HeaderMap, Uri, header};

use crate::{Error, Result};

/// Longest token that is looked up; ours have under 100 bytes.
pub const TOKEN_BYTES_MAX: usize = 1_024;

/// The token of `Authorization: Bearer` or else of `?access_token=`; None if the request has neither.
///
/// # Errors
/// 401 `M_UNKNOWN_TOKEN` for a token that cannot be one: too long, control characters, two headers.
pub fn find<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Result<Option<std::borrow::Cow<'a, str>>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::unknown_token(false));
    }
    let token = match first.map(http::HeaderValue::as_bytes) {
        Some(value) => bearer(value)?.map(std::borrow::Cow::Borrowed),
        None => None,
    };
    let token = token.or_else(|| uri.query().and_then(|query| crate::ask::query_value(query, "access_token")));
    match token {
        None => Ok(None),
        Some(token) if token.is_empty() => Ok(None),
        Some(token) if token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Error::unknown_token(false))
        }
        Some(token) => Ok(Some(token)),
    }
}

/// The token after `Bearer` (its case does not matter, RFC 9110 §11.1); None for another scheme or nothing after it.
fn bearer(value: &[u8]) -> Result<Option<&str>> {
    let (scheme, rest) = value.split_at_checked(6).unwrap_or((value, b""));
    if !scheme.eq_ignore_ascii_case(b"bearer") || rest.first().is_some_and(|byte| *byte != b' ') {
        return Ok(None);
    }
    let token = std::str::from_utf8(rest).map_err(|_| Error::unknown_token(false))?.trim();
    Ok(Some(token).filter(|token| !token.is_empty()))
}
