//! `POST /oauth2/revoke`: a client signs out (RFC 7009). Either token ends the session and deletes its device.

use std::sync::Arc;

use accounts::SessionKind;
use serde::Deserialize;
use web::{Json, Response, Visit};

use crate::{
    Town,
    oauth_error::{OauthError, no_store},
};

#[derive(Deserialize)]
struct Form {
    token: Option<String>,
    client_id: Option<String>,
}

/// Answers `{}`, which js-sdk 42 parses, also for a token that is not known (RFC 7009 §2.2).
pub(crate) async fn revoke(town: Arc<Town>, visit: Visit) -> Result<Response, OauthError> {
    let form: Form = visit.form().map_err(|_| OauthError::request("the form cannot be read"))?;
    let token = form.token.ok_or_else(|| OauthError::request("token is missing"))?;
    if let Some((.., SessionKind::Oauth { client_id, .. })) = town.accounts.token_owner(&token)? {
        if form.client_id.is_some_and(|given| given != client_id) {
            return Err(OauthError::bad("unauthorized_client", "the token is another client's"));
        }
        town.accounts.revoke(&token).await?;
    }
    Ok(no_store(Json::text("{}")))
}
