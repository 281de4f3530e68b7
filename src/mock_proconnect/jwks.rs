//! `GET /api/v2/jwks`: the public keys, RSA and P-256.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{answer, provider::Provider};

pub(super) async fn get(State(provider): State<Arc<Provider>>) -> Response {
    answer::json(StatusCode::OK, &provider.keys.document())
}
