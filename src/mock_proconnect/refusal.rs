//! How ProConnect says no: a page with a Y-code when the relying party cannot be trusted with the answer, else its callback.

use axum::response::Response;

use super::{pages, redirect};

#[derive(Debug)]
pub(super) enum Refusal {
    /// A page for the person, with ProConnect's own code.
    Page { code: &'static str, message: String },
    /// OAuth's `error` and `error_description`, by redirect.
    Callback { uri: String, state: String, error: &'static str, description: &'static str },
}

impl Refusal {
    /// The request itself makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::Page { code: "Y000400", message: message.into() }
    }

    pub(super) fn into_response(self, issuer: &str) -> Response {
        match self {
            Self::Page { code, message } => pages::error(code, &message),
            Self::Callback { uri, state, error, description } => {
                let params = [("error", error), ("error_description", description), ("state", &*state)];
                redirect::callback(&uri, &params, issuer)
            }
        }
    }
}
