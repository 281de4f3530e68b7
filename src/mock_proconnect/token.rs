//! `POST /api/v2/token`: a code, or a refresh token, for tokens.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer::{self, OAuthError},
    client::Client,
    client_auth, id_token,
    params::Params,
    provider::{ACCESS_LIFETIME, Desk, Grant, Provider},
    request::Request,
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn post(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    match exchange(&provider, &headers, &body) {
        Ok(tokens) => answer::json(StatusCode::OK, &tokens),
        Err(error) => error.into_response(),
    }
}

fn exchange(provider: &Provider, headers: &HeaderMap, body: &[u8]) -> Result<Value, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with(FORM) {
        let description = "only application/x-www-form-urlencoded content-type bodies are supported on POST /token";
        return Err(OAuthError::bad("invalid_request", description));
    }
    let form = Params::parse(body).ok_or(OAuthError::bad("invalid_request", "a parameter is repeated"))?;
    let now = provider.now();
    let mut desk = provider.desk.lock();
    let client = client_auth::client(&mut desk, headers, &form, &provider.issuer, now)?;
    match form.get("grant_type") {
        Some("authorization_code") => {
            let grant = redeem(&mut desk, &client, &form, now)?;
            let refresh_token = provider.token();
            desk.refresh_tokens.insert(refresh_token.clone(), grant.clone(), now);
            tokens(provider, &mut desk, &client, grant, &refresh_token, now)
        }
        Some("refresh_token") => {
            let refresh_token = form.get("refresh_token").ok_or(OAuthError::GRANT)?;
            let grant = desk.refresh_tokens.get(refresh_token, now).filter(|grant| is_for(grant, &client)).cloned();
            tokens(provider, &mut desk, &client, grant.ok_or(OAuthError::GRANT)?, refresh_token, now)
        }
        Some(_) => Err(OAuthError::bad("unsupported_grant_type", "unsupported grant_type requested")),
        None => Err(OAuthError::bad("invalid_request", "missing required parameter(s) (grant_type)")),
    }
}

fn is_for(grant: &Grant, client: &Client) -> bool {
    grant.request.client_id == client.client_id
}

/// What the code stands for. Each code is good once: a second use also takes back what the first one gave.
fn redeem(desk: &mut Desk, client: &Client, form: &Params, now: Timestamp) -> Result<Grant, OAuthError> {
    let code = form.get("code").and_then(|code| desk.codes.get_mut(code, now)).ok_or(OAuthError::GRANT)?;
    if !is_for(&code.grant, client) {
        return Err(OAuthError::GRANT);
    }
    if code.used {
        let id = code.grant.id.clone();
        desk.revoke(&id);
        return Err(OAuthError::GRANT);
    }
    code.used = true;
    let request = &code.grant.request;
    if form.get("redirect_uri") != Some(&*request.redirect_uri) || !is_verified(request, form) {
        return Err(OAuthError::GRANT);
    }
    Ok(code.grant.clone())
}

/// PKCE (RFC 7636 §4.6); a verifier without a challenge is a mistake too.
fn is_verified(request: &Request, form: &Params) -> bool {
    let challenge = form.get("code_verifier").map(|verifier| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    challenge == request.code_challenge
}

/// The answer, of six members, whatever was exchanged.
fn tokens(
    provider: &Provider,
    desk: &mut Desk,
    client: &Client,
    grant: Grant,
    refresh_token: &str,
    now: Timestamp,
) -> Result<Value, OAuthError> {
    let access_token = provider.token();
    let id_token = id_token::issue(provider, &desk.switches, client, &grant, &access_token, now)
        .map_err(|_| OAuthError::bad("server_error", "the id token could not be signed"))?;
    let scope = grant.request.scopes.join(" ");
    desk.access_tokens.insert(access_token.clone(), grant, now);
    Ok(json!({
        "access_token": access_token,
        "refresh_token": refresh_token,
        "id_token": id_token,
        "scope": scope,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
    }))
}
