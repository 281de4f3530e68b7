//! An authorization request that passed ProConnect's checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{claims, client::Client, params::Params, refusal::Refusal};

/// `state` and `nonce`, in characters, as the partners' documentation demands.
const SECRET_LENGTH_MIN: usize = 32;
const NONCE_LENGTH_MAX: usize = 512;
/// RFC 7636 §4.2.
const CHALLENGE_LENGTH_MIN: usize = 43;
const SIRET_LENGTH: usize = 14;
/// Only a new passage at the identity provider gives these levels.
const NEVER_FROM_A_SESSION: [&str; 2] = ["eidas2", "eidas3"];

#[derive(Debug)]
pub(super) struct Request {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    /// Known and granted, in the order asked for.
    pub(super) scopes: Vec<String>,
    /// PKCE, always S256.
    pub(super) code_challenge: Option<String>,
    /// `prompt=none`: no page may be shown.
    pub(super) silent: bool,
    /// `prompt=login`: an earlier session does not count.
    pub(super) fresh: bool,
    pub(super) login_hint: Option<String>,
    pub(super) siret_hint: Option<String>,
    /// Of `claims`: levels of which one is essential; empty when none is.
    acr_values: Vec<String>,
    /// Of `claims`: `amr` in the id token.
    pub(super) wants_amr: bool,
    /// Of `claims`: claims of userinfo by name.
    pub(super) userinfo_claims: Vec<String>,
}

/// The `claims` parameter (OpenID Connect Core §5.5), as far as it is understood.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimsParam {
    id_token: BTreeMap<String, Value>,
    userinfo: BTreeMap<String, Value>,
}

/// A relying party whose callback is known to be its own.
struct Asker<'a> {
    client: &'a Client,
    redirect_uri: &'a str,
    state: &'a str,
}

impl Asker<'_> {
    fn refuse(&self, error: &'static str, description: &'static str) -> Refusal {
        Refusal::Callback { uri: self.redirect_uri.to_owned(), state: self.state.to_owned(), error, description }
    }
}

impl Request {
    /// Unknown parameters are ignored, and so are `acr_values`, `response_mode`, `max_age` and `idp_hint`: there is one
    /// identity provider.
    pub(super) fn check(clients: &BTreeMap<String, Client>, params: &Params) -> Result<Self, Refusal> {
        let state = secret(params, "state")?;
        let nonce = secret(params, "nonce")?;
        if !nonce.is_ascii() || nonce.len() > NONCE_LENGTH_MAX {
            return Err(Refusal::bad_request("nonce must be at most 512 ASCII characters"));
        }
        let asker = asker(clients, params, state)?;
        hints(params)?;
        match params.get("response_type") {
            None => return Err(asker.refuse("invalid_request", "missing required parameter")),
            Some("code") => {}
            Some(_) => return Err(asker.refuse("unsupported_response_type", "unsupported response_type requested")),
        }
        let scopes = scopes(params, &asker)?;
        let code_challenge = code_challenge(params, &asker)?;
        let (silent, fresh) = prompt(params, &asker)?;
        let asked: ClaimsParam = match params.get("claims").map(serde_json::from_str) {
            None => ClaimsParam::default(),
            Some(Ok(claims)) => claims,
            Some(Err(_)) => return Err(asker.refuse("invalid_request", "could not parse the claims parameter JSON")),
        };
        Ok(Self {
            client_id: asker.client.client_id.clone(),
            redirect_uri: asker.redirect_uri.to_owned(),
            state: state.to_owned(),
            nonce: nonce.to_owned(),
            scopes,
            code_challenge,
            silent,
            fresh,
            login_hint: params.get("login_hint").map(str::to_owned),
            siret_hint: params.get("siret_hint").map(str::to_owned),
            acr_values: essential_levels(&asked),
            wants_amr: asked.id_token.contains_key("amr"),
            userinfo_claims: asked.userinfo.into_keys().collect(),
        })
    }

    /// Whether an agent with this level may go on.
    pub(super) fn is_satisfied_by(&self, acr: &str) -> bool {
        self.acr_values.is_empty() || self.acr_values.iter().any(|value| value == acr)
    }

    /// Whether a session of this level spares the agent a new passage.
    pub(super) fn accepts_session(&self, acr: &str) -> bool {
        self.is_satisfied_by(acr) && (self.acr_values.is_empty() || !NEVER_FROM_A_SESSION.contains(&acr))
    }
}

fn secret<'a>(params: &'a Params, name: &str) -> Result<&'a str, Refusal> {
    let long_enough = |value: &&str| value.chars().count() >= SECRET_LENGTH_MIN;
    params
        .get(name)
        .filter(long_enough)
        .ok_or_else(|| Refusal::bad_request(format!("{name} must have at least {SECRET_LENGTH_MIN} characters")))
}

fn asker<'a>(clients: &'a BTreeMap<String, Client>, params: &'a Params, state: &'a str) -> Result<Asker<'a>, Refusal> {
    let client = params
        .get("client_id")
        .and_then(|id| clients.get(id))
        .ok_or_else(|| Refusal::Page { code: "invalid_client", message: "client is invalid".to_owned() })?;
    let redirect_uri =
        params.get("redirect_uri").ok_or_else(|| Refusal::bad_request("redirect_uri must be an http or https URI"))?;
    if !client.redirect_uris.iter().any(|one| one == redirect_uri) {
        let message = "redirect_uri did not match any of the client's registered redirect_uris".to_owned();
        return Err(Refusal::Page { code: "Y030031", message });
    }
    Ok(Asker { client, redirect_uri, state })
}

fn hints(params: &Params) -> Result<(), Refusal> {
    let is_email = |hint: &str| {
        hint.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
            && !hint.contains(char::is_whitespace)
    };
    if params.get("login_hint").is_some_and(|hint| !is_email(hint)) {
        return Err(Refusal::bad_request("login_hint must be an email"));
    }
    if params.get("siret_hint").is_some_and(|hint| hint.chars().count() != SIRET_LENGTH) {
        return Err(Refusal::bad_request("siret_hint must have 14 characters"));
    }
    Ok(())
}

fn scopes(params: &Params, asker: &Asker<'_>) -> Result<Vec<String>, Refusal> {
    let asked = params.get("scope").ok_or_else(|| Refusal::bad_request("scope should not be empty"))?;
    let known: Vec<String> =
        asked.split_ascii_whitespace().filter(|scope| claims::is_scope(scope)).map(str::to_owned).collect();
    if !known.iter().any(|scope| scope == "openid") {
        return Err(asker.refuse("invalid_request", "openid scope must be requested for this request"));
    }
    if known.iter().any(|scope| !asker.client.scopes.contains(scope)) {
        return Err(asker.refuse("invalid_scope", "requested scope is not allowed"));
    }
    Ok(known)
}

fn code_challenge(params: &Params, asker: &Asker<'_>) -> Result<Option<String>, Refusal> {
    let refuse = |description| Err(asker.refuse("invalid_request", description));
    let Some(challenge) = params.get("code_challenge") else {
        return match params.has("code_challenge_method") {
            true => refuse("code_challenge must be provided with code_challenge_method"),
            false => Ok(None),
        };
    };
    match params.get("code_challenge_method") {
        Some("S256") => {}
        Some(_) => return refuse("not supported value of code_challenge_method"),
        None => return refuse("plain code_challenge_method fallback disabled, code_challenge_method must be provided"),
    }
    if challenge.chars().count() < CHALLENGE_LENGTH_MIN {
        return refuse("code_challenge must be a string with a minimum length of 43 characters");
    }
    if !challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return refuse("code_challenge contains invalid characters");
    }
    Ok(Some(challenge.to_owned()))
}

/// (silent, fresh).
fn prompt(params: &Params, asker: &Asker<'_>) -> Result<(bool, bool), Refusal> {
    let prompts: Vec<&str> = params.get("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    if prompts.iter().any(|prompt| !["none", "login", "consent"].contains(prompt)) {
        return Err(asker.refuse("invalid_request", "unsupported prompt value requested"));
    }
    let silent = prompts.contains(&"none");
    if silent && prompts.len() > 1 {
        return Err(asker.refuse("invalid_request", "prompt none must only be used alone"));
    }
    Ok((silent, prompts.contains(&"login")))
}

fn essential_levels(asked: &ClaimsParam) -> Vec<String> {
    let Some(acr) = asked.id_token.get("acr").filter(|acr| acr["essential"] == Value::Bool(true)) else {
        return Vec::new();
    };
    let values = acr["values"].as_array().into_iter().flatten();
    values.chain([&acr["value"]]).filter_map(Value::as_str).map(str::to_owned).collect()
}
