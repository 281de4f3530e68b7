//! `POST /oauth2/token`: a code, an approved device code or a refresh token, for tokens.

use std::sync::Arc;

use accounts::{NewSession, Poll, SessionKind, Tokens};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::id::UserId;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use web::{Json, Response, Visit};

use crate::{
    Town,
    authorize::Grant,
    client_metadata::{AUTHORIZATION_CODE, ClientMetadata, DEVICE_CODE, REFRESH_TOKEN},
    expiring,
    oauth_error::{OauthError, no_store},
    scope::Scope,
};

/// RFC 7636 §4.1.
const VERIFIER_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;
/// An id token is looked at once, when it comes.
const ID_TOKEN_SECS: u64 = 3_600;

#[derive(Deserialize)]
struct Form {
    grant_type: String,
    client_id: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    device_code: Option<String>,
}

pub(crate) async fn token(town: Arc<Town>, visit: Visit) -> Result<Response, OauthError> {
    let form: Form = visit.form().map_err(|_| OauthError::request("the form cannot be read"))?;
    let client_id = form.client_id.as_deref().unwrap_or_default();
    let client = town.client(client_id)?.ok_or_else(OauthError::client)?;
    if ![AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE].contains(&&*form.grant_type) {
        return Err(OauthError::bad("unsupported_grant_type", "grant_type is not one of those in the metadata"));
    }
    if !client.may(&form.grant_type) {
        return Err(OauthError::bad("unauthorized_client", "the client did not register this grant_type"));
    }
    let answer = match &*form.grant_type {
        AUTHORIZATION_CODE => by_code(&town, &form, client_id, &client).await?,
        REFRESH_TOKEN => by_refresh_token(&town, &form, client_id).await?,
        _ => by_device_code(&town, &form, client_id, &client).await?,
    };
    Ok(no_store(Json::text(answer.to_string())))
}

async fn by_code(town: &Town, form: &Form, client_id: &str, client: &ClientMetadata) -> Result<Value, OauthError> {
    let invalid = || OauthError::grant("the code is not valid, or not any more");
    let code = form.code.as_deref().ok_or_else(|| OauthError::request("code is missing"))?;
    let record = town.accounts.authorization_code(code)?.ok_or_else(invalid)?;
    let grant = Grant::from_text(&record.details)?;
    let session = new_session(town, client_id, client, record.user.clone(), &grant.scope);
    // A code that comes twice was seen by somebody else: accounts ends what it gave (RFC 6749 §4.1.2; hazard A13).
    if !record.used {
        if record.client_id != client_id {
            return Err(invalid());
        }
        if form.redirect_uri.as_deref() != Some(&*grant.redirect_uri) {
            return Err(OauthError::grant("redirect_uri is not that of the request"));
        }
        check_verifier(form.code_verifier.as_deref(), &grant.challenge)?;
        check_account(town, &record.user)?;
    }
    let tokens = town.accounts.exchange_code(code, session).await?;
    answer(town, &tokens, client_id, grant.nonce.as_deref()).await
}

/// PKCE (RFC 7636 §4.6), S256 only (hazard A12).
fn check_verifier(verifier: Option<&str>, challenge: &str) -> Result<(), OauthError> {
    let wrong = || OauthError::grant("code_verifier does not fit");
    let verifier = verifier.filter(|verifier| VERIFIER_LENGTH.contains(&verifier.len())).ok_or_else(wrong)?;
    let computed = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    if expiring::hash(&computed) == expiring::hash(challenge) { Ok(()) } else { Err(wrong()) }
}

/// The suspended may go on where they are signed in, and sign in nowhere new (hazard A4). Accounts sees to the others.
fn check_account(town: &Town, user: &UserId) -> Result<(), OauthError> {
    let user = town.accounts.user(user)?;
    if user.is_some_and(|user| !user.suspended && !user.locked && !user.deactivated) {
        Ok(())
    } else {
        Err(OauthError::grant("the account may not sign in"))
    }
}

async fn by_refresh_token(town: &Town, form: &Form, client_id: &str) -> Result<Value, OauthError> {
    let invalid = || OauthError::grant("the refresh token is not valid, or not any more");
    let token = form.refresh_token.as_deref().ok_or_else(|| OauthError::request("refresh_token is missing"))?;
    match town.accounts.token_owner(token)? {
        Some((.., SessionKind::Oauth { client_id: owner, .. })) if owner == client_id => {}
        Some(_) => return Err(invalid()),
        // Unknown, or retired: accounts tells the two apart, and ends the session of a retired one (hazard A20).
        None => {}
    }
    let tokens = town.accounts.refresh(token).await?;
    answer(town, &tokens, client_id, None).await
}

async fn by_device_code(
    town: &Town,
    form: &Form,
    client_id: &str,
    client: &ClientMetadata,
) -> Result<Value, OauthError> {
    let code = form.device_code.as_deref().ok_or_else(|| OauthError::request("device_code is missing"))?;
    let (user, details) = match town.accounts.poll_device_grant(code, client_id)? {
        Poll::Pending => return Err(OauthError::bad("authorization_pending", "nobody has decided yet")),
        Poll::SlowDown => return Err(OauthError::bad("slow_down", "asked too soon")),
        Poll::Denied => return Err(OauthError::bad("access_denied", "the person did not allow it")),
        Poll::Expired => return Err(OauthError::bad("expired_token", "the device code is not valid, or not any more")),
        Poll::Approved { user, details } => (user, details),
    };
    let scope: Scope = serde_json::from_str(&details).map_err(|_| crate::Error::Unwritten("a stored scope"))?;
    check_account(town, &user)?;
    let session = new_session(town, client_id, client, user, &scope);
    let tokens = town.accounts.exchange_device_grant(code, session).await?;
    answer(town, &tokens, client_id, None).await
}

fn new_session(
    town: &Town,
    client_id: &str,
    client: &ClientMetadata,
    user: kernel::id::OwnedUserId,
    scope: &Scope,
) -> NewSession {
    NewSession {
        user,
        device: Some(scope.device.clone()),
        display_name: client.client_name.clone(),
        kind: SessionKind::Oauth { client_id: client_id.to_owned(), scope: scope.text.clone() },
        access_lifetime: Some(town.settings.access_token_lifetime),
        refresh: client.may(REFRESH_TOKEN),
    }
}

/// RFC 6749 §5.1, and an id token if `openid` was granted: clients of before May 2026 insist on one.
async fn answer(town: &Town, tokens: &Tokens, client_id: &str, nonce: Option<&str>) -> Result<Value, OauthError> {
    let SessionKind::Oauth { scope, .. } = &tokens.kind else {
        return Err(OauthError::grant("the token is of another API"));
    };
    let mut answer = json!({ "access_token": tokens.access, "token_type": "Bearer", "scope": scope });
    if let Some(expires_in) = tokens.expires_in {
        answer["expires_in"] = expires_in.as_secs().into();
    }
    if let Some(refresh) = &tokens.refresh {
        answer["refresh_token"] = refresh.as_str().into();
    }
    if Scope::parse(scope).is_ok_and(|scope| scope.openid) {
        answer["id_token"] = id_token(town, tokens, client_id, nonce).await?.into();
    }
    Ok(answer)
}

/// OpenID Connect Core §2 and §3.1.3.6. `sub` is the user id.
async fn id_token(town: &Town, tokens: &Tokens, client_id: &str, nonce: Option<&str>) -> Result<String, OauthError> {
    let hash = Sha256::digest(&tokens.access);
    let (left, _) = hash.split_at(hash.len() / 2);
    let now = town.now().as_secs();
    let mut claims = json!({
        "iss": town.settings.base_url,
        "sub": tokens.user,
        "aud": client_id,
        "iat": now,
        "exp": now + ID_TOKEN_SECS,
        "at_hash": BASE64_URL_SAFE_NO_PAD.encode(left),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    Ok(town.signing.key().await?.sign(&claims)?)
}
