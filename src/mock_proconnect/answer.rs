//! JSON answers, and OAuth's errors among them (RFC 6749 §5.2).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

pub(super) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OAuthError {
    pub(super) const GRANT: Self = Self::bad("invalid_grant", "grant request is invalid");
    pub(super) const CLIENT: Self =
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: "client authentication failed" };

    pub(super) const fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    pub(super) fn into_response(self) -> Response {
        json(self.status, &json!({ "error": self.error, "error_description": self.description }))
    }
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    body(status, "application/json; charset=utf-8", value.to_string())
}

pub(super) fn body(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
