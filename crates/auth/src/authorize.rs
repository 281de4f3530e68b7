//! `GET /authorize`: a client sends its person here (RFC 6749 §4.1.1, PKCE by S256 only).
//!
//! A mistake in `client_id` or `redirect_uri` is shown to the person, never sent on; any other goes back to the client.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;
use web::{Response, Visit};

use crate::{
    Town,
    client_metadata::{AUTHORIZATION_CODE, ClientMetadata},
    flow::{Flow, Purpose},
    oauth_error::OauthError,
    pages,
    problem::Problem,
    redirect_uri,
    scope::Scope,
};

const STATE_BYTES_MAX: usize = 2_048;
const NONCE_BYTES_MAX: usize = 512;
const HINT_BYTES_MAX: usize = 254;
/// base64url of SHA-256, without padding.
const CHALLENGE_LENGTH: usize = 43;

/// What a client asked, once it is known to be well-formed.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) client: ClientMetadata,
    pub(crate) back: WayBack,
    pub(crate) grant: Grant,
    /// The client wants the person to be asked again.
    pub(crate) ask_again: bool,
}

/// What the exchange of the code is checked against; kept with the code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) scope: Scope,
    pub(crate) nonce: Option<String>,
}

/// How the client hears of the outcome.
#[derive(Clone, Debug)]
pub(crate) struct WayBack {
    pub(crate) uri: Url,
    mode: Mode,
    state: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Query,
    Fragment,
}

#[derive(Deserialize)]
struct Query {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    response_mode: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    prompt: Option<String>,
    login_hint: Option<String>,
    request: Option<String>,
    request_uri: Option<String>,
}

pub(crate) async fn authorize(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Query = visit.query()?;
    let client_id = query.client_id.clone().unwrap_or_default();
    let client = town.client(&client_id)?.ok_or(Problem::UnknownClient)?;
    let back = way_back(&query, &client)?;
    let prompt = query.prompt.clone().unwrap_or_default();
    let prompts: Vec<&str> = prompt.split_ascii_whitespace().collect();
    let signed_in = town.session(&visit)?.is_some();
    let grant = match check(&query, &client, &prompts) {
        Ok(grant) => grant,
        Err((error, description)) => return back.refuse(error, description),
    };
    let request = AuthorizationRequest { client_id, client, back, grant, ask_again: prompts.contains(&"consent") };
    let login_hint = query.login_hint.filter(|hint| hint.len() <= HINT_BYTES_MAX);
    let flow = Flow { purpose: Purpose::Authorize(Box::new(request)), fresh: false, login_hint };
    let id = town.flows.start(flow, town.random.as_ref(), town.now());
    // `login`: the client wants its person to see who signs in, even if the browser knows.
    let page = if signed_in && !prompts.contains(&"login") { "consent" } else { "sign-in" };
    pages::see_other(&town.url(&format!("/{page}/{id}")))
}

fn way_back(query: &Query, client: &ClientMetadata) -> Result<WayBack, Problem> {
    let given = query.redirect_uri.as_deref().unwrap_or_default();
    let registered = client.redirect_uris.iter().any(|registered| redirect_uri::is_same(registered, given));
    if !registered {
        return Err(Problem::BadRedirect);
    }
    let uri = redirect_uri::parse(given).map_err(|_| Problem::BadRedirect)?;
    let mode = match query.response_mode.as_deref() {
        None | Some("query") => Mode::Query,
        Some("fragment") => Mode::Fragment,
        Some(_) => return Err(Problem::BadRequest),
    };
    let state = query.state.clone();
    if state.as_ref().is_some_and(|state| state.len() > STATE_BYTES_MAX) {
        return Err(Problem::BadRequest);
    }
    Ok(WayBack { uri, mode, state })
}

/// # Errors
/// `error` and `error_description` for the client.
fn check(query: &Query, client: &ClientMetadata, prompts: &[&str]) -> Result<Grant, (&'static str, &'static str)> {
    let invalid = |description| Err(("invalid_request", description));
    if query.request.is_some() || query.request_uri.is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if query.response_type.as_deref() != Some("code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    if !client.may(AUTHORIZATION_CODE) {
        return Err(("unauthorized_client", "the client did not register the authorization code grant"));
    }
    if query.code_challenge_method.as_deref() != Some("S256") {
        return invalid("code_challenge_method must be S256");
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let challenge = query.code_challenge.clone().unwrap_or_default();
    if challenge.len() != CHALLENGE_LENGTH || !challenge.bytes().all(is_base64url) {
        return invalid("code_challenge is not that of a SHA-256");
    }
    if query.nonce.as_ref().is_some_and(|nonce| nonce.len() > NONCE_BYTES_MAX) {
        return invalid("the nonce is too long");
    }
    if prompts.contains(&"none") {
        return Err(("interaction_required", "nobody can be signed in without being asked"));
    }
    let scope = Scope::parse(query.scope.as_deref().unwrap_or_default());
    let scope = scope.map_err(|description| ("invalid_scope", description))?;
    let redirect_uri = query.redirect_uri.clone().unwrap_or_default();
    Ok(Grant { redirect_uri, challenge, scope, nonce: query.nonce.clone() })
}

impl WayBack {
    pub(crate) fn with_code(&self, code: &str) -> Result<Response, Problem> {
        self.go(&[("code", code)])
    }

    pub(crate) fn refuse(&self, error: &str, description: &str) -> Result<Response, Problem> {
        self.go(&[("error", error), ("error_description", description)])
    }

    fn go(&self, answer: &[(&str, &str)]) -> Result<Response, Problem> {
        let state = self.state.as_deref().map(|state| ("state", state));
        let pairs = answer.iter().copied().chain(state);
        let mut uri = self.uri.clone();
        match self.mode {
            Mode::Query => {
                uri.query_pairs_mut().extend_pairs(pairs);
            }
            Mode::Fragment => {
                let fragment = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                uri.set_fragment(Some(&fragment));
            }
        }
        pages::see_other(uri.as_str())
    }
}

impl Grant {
    /// Kept as text in the code's record.
    pub(crate) fn to_text(&self) -> Result<String, crate::Error> {
        serde_json::to_string(self).map_err(|_| crate::Error::Unwritten("a grant"))
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, OauthError> {
        serde_json::from_str(text).map_err(|_| crate::Error::Unwritten("a stored grant").into())
    }
}
