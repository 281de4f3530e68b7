//! `POST /oauth2/device`: a device that has no browser asks for a code to show (RFC 8628 §3.1).

use std::sync::Arc;

use accounts::NewDeviceGrant;
use serde::Deserialize;
use serde_json::json;
use web::{Json, Response, Visit};

use crate::{
    Error, Town,
    client_metadata::DEVICE_CODE,
    oauth_error::{OauthError, no_store},
    scope::Scope,
};

#[derive(Deserialize)]
struct Form {
    client_id: Option<String>,
    scope: Option<String>,
}

pub(crate) async fn start(town: Arc<Town>, visit: Visit) -> Result<Response, OauthError> {
    let form: Form = visit.form().map_err(|_| OauthError::request("the form cannot be read"))?;
    let client_id = form.client_id.unwrap_or_default();
    let client = town.client(&client_id)?.ok_or_else(OauthError::client)?;
    if !client.may(DEVICE_CODE) {
        return Err(OauthError::bad("unauthorized_client", "the client did not register the device grant"));
    }
    let scope = Scope::parse(form.scope.as_deref().unwrap_or_default());
    let scope = scope.map_err(|description| OauthError::bad("invalid_scope", description))?;
    let details = serde_json::to_string(&scope).map_err(|_| Error::Unwritten("a scope"))?;
    let grant = town.accounts.start_device_grant(NewDeviceGrant { client_id, details }).await?;
    let answer = json!({
        "device_code": grant.device_code,
        "user_code": grant.user_code,
        "verification_uri": town.url("/link"),
        "verification_uri_complete": town.url(&format!("/link?code={}", grant.user_code)),
        "expires_in": grant.expires_in.as_secs(),
        "interval": grant.interval.as_secs(),
    });
    Ok(no_store(Json::text(answer.to_string())))
}
