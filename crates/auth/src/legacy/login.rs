//! `/_matrix/client/v3/login`: the flows, and a login token for a session (spec, "Login").

use std::sync::Arc;

use accounts::{NewSession, SessionKind, Tokens};
use http::StatusCode;
use kernel::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Caller, Error, Json, Result, Visit};

use super::sso::PROVIDER;
use crate::Town;

const DEVICE_NAME_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
struct Ask {
    #[serde(rename = "type")]
    kind: String,
    token: Option<String>,
    device_id: Option<String>,
    initial_device_display_name: Option<String>,
    #[serde(default)]
    refresh_token: bool,
}

/// Clients that can do OAuth show nothing else when told that it is preferred (MSC3824, both names).
pub(crate) async fn flows(_: Arc<Town>, _: Option<Caller>, _: Visit) -> Result<Json> {
    Json::of(&json!({
        "flows": [
            {
                "type": "m.login.sso",
                "identity_providers": [{ "id": PROVIDER, "name": "ProConnect" }],
                "oauth_aware_preferred": true,
                "org.matrix.msc3824.delegated_oidc_compatibility": true,
            },
            { "type": "m.login.token" },
        ],
    }))
}

/// Anything but a valid token gets one of two answers, whoever it is about (hazard L16).
pub(crate) async fn login(town: Arc<Town>, _: Option<Caller>, visit: Visit) -> Result<Json> {
    let ask: Ask = visit.json()?;
    if ask.kind != "m.login.token" {
        return Err(Error::custom(StatusCode::BAD_REQUEST, "M_UNKNOWN", "This type of login is not offered"));
    }
    let token = ask.token.ok_or_else(|| Error::new(Kind::MissingParam, "token is missing"))?;
    let invalid = || Error::new(Kind::Forbidden, "The login token is not valid, or not any more");
    let user = match town.accounts.redeem_login_token(&token).await {
        Err(accounts::Error::UnknownToken { .. }) => return Err(invalid()),
        other => other?,
    };
    if town.accounts.user(&user)?.is_some_and(|user| user.suspended) {
        return Err(Error::new(Kind::UserSuspended, "This account is suspended"));
    }
    let session = NewSession {
        user,
        device: ask.device_id.filter(|device| !device.is_empty()).map(Into::into),
        display_name: ask.initial_device_display_name.filter(|name| name.len() <= DEVICE_NAME_BYTES_MAX),
        kind: SessionKind::Legacy,
        access_lifetime: ask.refresh_token.then_some(town.settings.access_token_lifetime),
        refresh: ask.refresh_token,
    };
    let tokens = town.accounts.start_session(session).await?;
    let mut answer = answer(&tokens);
    answer["user_id"] = tokens.user.as_str().into();
    answer["device_id"] = tokens.device.as_str().into();
    answer["home_server"] = town.server_name.as_str().into();
    Json::of(&answer)
}

/// The tokens as the older API names them.
pub(super) fn answer(tokens: &Tokens) -> Value {
    let mut answer = json!({ "access_token": tokens.access });
    if let Some(expires_in) = tokens.expires_in {
        answer["expires_in_ms"] = u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX).into();
    }
    if let Some(refresh) = &tokens.refresh {
        answer["refresh_token"] = refresh.as_str().into();
    }
    answer
}
