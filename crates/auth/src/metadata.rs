//! What the authorization server can do (RFC 8414; Matrix 1.15, "Server metadata discovery"), under all its addresses.

use std::sync::Arc;

use serde_json::{Value, json};
use web::{Caller, Json, Result, Visit};

use crate::{Town, client_metadata};

/// What `account` understands: the names of the specification, and those that clients knew before.
pub(crate) const ACCOUNT_ACTIONS: [&str; 9] = [
    "org.matrix.profile",
    "org.matrix.devices_list",
    "org.matrix.device_view",
    "org.matrix.device_delete",
    "org.matrix.cross_signing_reset",
    "org.matrix.account_deactivate",
    "org.matrix.sessions_list",
    "org.matrix.session_view",
    "org.matrix.session_end",
];

/// `GET /_matrix/client/v1/auth_metadata` and the older and standard places.
pub(crate) async fn server(town: Arc<Town>, _: Option<Caller>, _: Visit) -> Result<Json> {
    Json::of(&document(&town))
}

/// `GET /_matrix/client/unstable/org.matrix.msc2965/auth_issuer`, for Element Web before 1.11.93.
pub(crate) async fn issuer(town: Arc<Town>, _: Option<Caller>, _: Visit) -> Result<Json> {
    Json::of(&json!({ "issuer": town.settings.base_url }))
}

fn document(town: &Town) -> Value {
    json!({
        "issuer": town.settings.base_url,
        "authorization_endpoint": town.url("/authorize"),
        "token_endpoint": town.url("/oauth2/token"),
        "registration_endpoint": town.url("/oauth2/registration"),
        "revocation_endpoint": town.url("/oauth2/revoke"),
        "device_authorization_endpoint": town.url("/oauth2/device"),
        "userinfo_endpoint": town.url("/oauth2/userinfo"),
        "end_session_endpoint": town.url("/oauth2/end_session"),
        "jwks_uri": town.url("/oauth2/keys.json"),
        "account_management_uri": town.url("/account/"),
        "account_management_actions_supported": ACCOUNT_ACTIONS,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment"],
        "grant_types_supported": [
            client_metadata::AUTHORIZATION_CODE,
            client_metadata::REFRESH_TOKEN,
            client_metadata::DEVICE_CODE,
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "prompt_values_supported": ["login", "consent", "create"],
        "scopes_supported": [
            "openid",
            "urn:matrix:client:api:*",
            "urn:matrix:org.matrix.msc2967.client:api:*",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "nonce", "at_hash"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": ["fr", "en"],
    })
}
