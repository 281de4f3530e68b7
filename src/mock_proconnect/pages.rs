//! Pages of the mock: plain HTML that a keyboard and a script can use, and that nobody takes for ProConnect's own.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::agents::Agent;

#[derive(Template)]
#[template(path = "mock_proconnect/choose.html")]
struct Choose<'a> {
    client: &'a str,
    choices: Vec<Choice<'a>>,
}

/// A button of the page.
pub(super) struct Choice<'a> {
    key: &'a str,
    name: String,
    email: &'a str,
    organization: &'a str,
    acr: &'a str,
    /// Named by `login_hint`: comes first and has the focus.
    hinted: bool,
}

impl<'a> Choice<'a> {
    pub(super) fn new(key: &'a str, agent: &'a Agent, hinted: bool) -> Self {
        Self {
            key,
            name: format!("{} {}", agent.given_name, agent.usual_name),
            email: &agent.email,
            organization: agent.organizations.first().map_or("", |organization| &organization.label),
            acr: &agent.acr,
            hinted,
        }
    }
}

#[derive(Template)]
#[template(path = "mock_proconnect/error.html")]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Template)]
#[template(path = "mock_proconnect/signed_out.html")]
struct SignedOut;

pub(super) fn choose(client: &str, choices: Vec<Choice<'_>>) -> Response {
    html(StatusCode::OK, &Choose { client, choices })
}

pub(super) fn error(code: &str, message: &str) -> Response {
    html(StatusCode::BAD_REQUEST, &Error { code, message })
}

pub(super) fn signed_out() -> Response {
    html(StatusCode::OK, &SignedOut)
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    // Rendering into a string fails only if a value's own Display does, and these are strings.
    let mut response = Response::new(Body::from(page.render().unwrap_or_default()));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
