//! Who calls `/token`: `client_secret_post` or `private_key_jwt`, as registered, and nothing else.

use axum::http::{HeaderMap, header};
use kernel::Timestamp;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde_json::Value;

use super::{
    answer::OAuthError,
    client::Client,
    keys,
    params::Params,
    provider::{ASSERTION_LIFETIME, Desk},
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client that proved to be itself. A PKCE verifier alone proves nothing: clients are confidential.
pub(super) fn client(
    desk: &mut Desk,
    headers: &HeaderMap,
    form: &Params,
    issuer: &str,
    now: Timestamp,
) -> Result<Client, OAuthError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(OAuthError::CLIENT);
    }
    let claimed = match form.get("client_assertion") {
        Some(assertion) => keys::peek(assertion).and_then(|claims| claims["sub"].as_str().map(str::to_owned)),
        None => form.get("client_id").map(str::to_owned),
    };
    let client = claimed.and_then(|id| desk.clients.get(&id)).cloned().ok_or(OAuthError::CLIENT)?;
    if form.get("client_id").is_some_and(|id| id != client.client_id) {
        return Err(OAuthError::CLIENT);
    }
    let proven = match &client.jwks {
        Some(jwks) => asserted(desk, &client, jwks, form, issuer, now),
        None => form.get("client_secret") == Some(&*client.client_secret),
    };
    if proven { Ok(client) } else { Err(OAuthError::CLIENT) }
}

/// RFC 7523 §3: signed by the client, about itself, for this server, not expired, not seen before.
fn asserted(
    desk: &mut Desk,
    client: &Client,
    jwks: &CoreJsonWebKeySet,
    form: &Params,
    issuer: &str,
    now: Timestamp,
) -> bool {
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return false;
    }
    let keys: Vec<&CoreJsonWebKey> = jwks.keys().iter().collect();
    let Some(claims) = form.get("client_assertion").and_then(|assertion| keys::open(assertion, &keys)) else {
        return false;
    };
    let for_us = |audience: &Value| audience == issuer || audience == &Value::from(format!("{issuer}/token"));
    let audience = &claims["aud"];
    let for_us = for_us(audience) || audience.as_array().is_some_and(|all| all.iter().any(for_us));
    let about_itself = claims["iss"] == *client.client_id && claims["sub"] == *client.client_id;
    let expires = claims["exp"].as_u64().unwrap_or_default();
    let in_time = expires > now.as_secs() && expires <= now.plus(ASSERTION_LIFETIME).as_secs();
    let Some(id) = claims["jti"].as_str().map(|jti| format!("{} {jti}", client.client_id)) else {
        return false;
    };
    let seen = desk.assertions.get(&id, now).is_some();
    desk.assertions.insert(id, (), now);
    for_us && about_itself && in_time && !seen
}
