//! Errors of the OAuth endpoints: `{"error", "error_description"}` (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 8628 §3.5).

use http::{HeaderValue, StatusCode, header};
use kernel::{Fault, Kind};
use serde_json::json;
use web::{Json, Response};

use crate::Error;

/// What a client's program is told. 4xx makes clients sign out, 5xx makes them try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OauthError {
    pub(crate) const fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    pub(crate) const fn request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    pub(crate) const fn grant(description: &'static str) -> Self {
        Self::bad("invalid_grant", description)
    }

    pub(crate) const fn metadata(description: &'static str) -> Self {
        Self::bad("invalid_client_metadata", description)
    }

    pub(crate) const fn redirect(description: &'static str) -> Self {
        Self::bad("invalid_redirect_uri", description)
    }

    pub(crate) const fn client() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: "no such client is registered" }
    }

    pub(crate) fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        no_store(Json::text(body.to_string()).status(self.status))
    }
}

/// JSON that no cache may keep (RFC 6749 §5.1).
pub(crate) fn no_store(json: Json) -> Response {
    let mut response = Response::from(json);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl From<Error> for OauthError {
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Unavailable | Kind::Conflict => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: "temporarily_unavailable",
                description: "try again",
            },
            Kind::Internal => {
                tracing::error!(%error, "an OAuth request failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self { status, error: "server_error", description: "Internal server error" }
            }
            Kind::TooLarge => Self::request("too much, or too many"),
            // Of accounts and tokens nothing else is told: a stranger learns the same whatever the reason.
            _ => Self::grant("the grant is not valid, or not any more"),
        }
    }
}

impl From<accounts::Error> for OauthError {
    fn from(error: accounts::Error) -> Self {
        Error::from(error).into()
    }
}
