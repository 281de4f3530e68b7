//! Ways back to a relying party: 303 with the parameters in the query, as ProConnect does.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};

use super::params::with_query;

/// 303 to a URI of the mock itself or one that is registered.
pub(super) fn see_other(uri: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    match header::HeaderValue::from_str(uri) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
        }
        // A registered URI with characters that no header carries.
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// 303 to the relying party's callback, with `iss` (RFC 9207) after the other parameters.
pub(super) fn callback(uri: &str, params: &[(&str, &str)], issuer: &str) -> Response {
    let mut all = params.to_vec();
    all.push(("iss", issuer));
    see_other(&with_query(uri, &all))
}
