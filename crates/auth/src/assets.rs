//! The pages' style sheet: small, of our own (the law keeps the DSFR to the State), with ProConnect's button.

use std::sync::Arc;

use http::{HeaderValue, header};
use web::{Body, Response, Visit};

use crate::{Town, problem::Problem};

const STYLE: &str = include_str!("../templates/style.css");

/// `GET /auth/style.css`
pub(crate) async fn style(_: Arc<Town>, _: Visit) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(STYLE));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
