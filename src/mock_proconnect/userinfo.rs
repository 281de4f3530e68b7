//! `GET /api/v2/userinfo`: who the agent is, as JSON or as a signed JWT.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    answer::{self, OAuthError},
    client::{Algorithm, Client, UserinfoFormat},
    keys,
    provider::{Grant, Provider},
    switches::{Switches, Wrong},
};

pub(super) async fn get(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else {
        return OAuthError::bad("invalid_request", "no access token provided").into_response();
    };
    let desk = provider.desk.lock();
    let Some(grant) = desk.access_tokens.get(token, provider.now()) else {
        return unauthorized();
    };
    let Some(client) = desk.clients.get(&grant.request.client_id) else {
        return unauthorized();
    };
    answer(&provider, &desk.switches, client, grant)
}

fn answer(provider: &Provider, switches: &Switches, client: &Client, grant: &Grant) -> Response {
    let mut claims =
        Value::from(grant.session.identity.userinfo(&grant.request.scopes, &grant.request.userinfo_claims));
    if switches.is(Wrong::SubMismatch) {
        claims["sub"] = json!("00000000-0000-4000-8000-000000000000");
    }
    match switches.userinfo.unwrap_or(client.userinfo_alg) {
        UserinfoFormat::Signed(algorithm) if !switches.is(Wrong::UnsignedUserinfo) => {
            jwt(provider, switches, client, algorithm, claims)
        }
        _ => answer::json(StatusCode::OK, &claims),
    }
}

fn jwt(provider: &Provider, switches: &Switches, client: &Client, algorithm: Algorithm, mut claims: Value) -> Response {
    let issuer =
        if switches.is(Wrong::UserinfoWrongIss) { "https://proconnect.invalid/api/v2" } else { &provider.issuer };
    let audience = if switches.is(Wrong::UserinfoWrongAud) { "another-client" } else { &client.client_id };
    claims["iss"] = json!(issuer);
    claims["aud"] = json!(audience);
    let token = match provider.keys.sign(algorithm, &client.client_secret, &claims) {
        Ok(_) if switches.is(Wrong::UserinfoAlgNone) => keys::unsigned(&claims),
        Ok(token) if switches.is(Wrong::UserinfoBadSignature) => keys::with_a_bad_signature(&token),
        Ok(token) => token,
        Err(_) => return OAuthError::bad("server_error", "userinfo could not be signed").into_response(),
    };
    answer::body(StatusCode::OK, "application/jwt; charset=utf-8", token)
}

fn unauthorized() -> Response {
    let error = json!({ "error": "invalid_token", "error_description": "invalid token provided" });
    let mut response = answer::json(StatusCode::UNAUTHORIZED, &error);
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
