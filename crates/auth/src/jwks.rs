//! `GET /oauth2/keys.json`: the public half of the tenant's signing key (RFC 7517).

use std::sync::Arc;

use serde_json::json;
use web::{Caller, Json, Result, Visit};

use crate::Town;

pub(crate) async fn keys(town: Arc<Town>, _: Option<Caller>, _: Visit) -> Result<Json> {
    let key = town.signing.key().await?;
    Json::of(&json!({ "keys": [key.public()] }))
}
