//! The end of a login: an agent is known, the relying party gets a code or a refusal.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use kernel::Timestamp;

use super::{
    BASE,
    claims::Identity,
    provider::{Code, Desk, Grant, Provider, SESSION_LIFETIME, Session},
    redirect,
    refusal::Refusal,
    request::Request,
    switches::Wrong,
};

/// Opens a session for this agent and goes back with a code.
pub(super) fn agent(
    provider: &Provider,
    desk: &mut Desk,
    request: Arc<Request>,
    key: &str,
    now: Timestamp,
) -> Response {
    let Some(identity) = identity(desk, &request, key) else {
        let refusal = Refusal::Page { code: "Y500001", message: format!("no identity provider knows {key}") };
        return refusal.into_response(&provider.issuer);
    };
    if !is_welcome(desk, &identity) {
        let message = format!("The user's roles are: [{}]", identity.roles().join(", "));
        return Refusal::Page { code: "Y500015", message }.into_response(&provider.issuer);
    }
    if !request.is_satisfied_by(&identity.acr) {
        let refusal = Refusal::Callback {
            uri: request.redirect_uri.clone(),
            state: request.state.clone(),
            error: "access_denied",
            description: "requested ACRs could not be satisfied",
        };
        return refusal.into_response(&provider.issuer);
    }
    let session = Session { sid: provider.token(), identity: Arc::new(identity), auth_time: now };
    let id = provider.token();
    desk.sessions.insert(id.clone(), session.clone(), now);
    let mut response = with_code(provider, desk, request, session, now);
    let lifetime = SESSION_LIFETIME.as_secs();
    let cookie = format!("{}={id}; Path={BASE}; HttpOnly; SameSite=Lax; Max-Age={lifetime}", provider.cookie);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Goes back with a code.
pub(super) fn with_code(
    provider: &Provider,
    desk: &mut Desk,
    request: Arc<Request>,
    session: Session,
    now: Timestamp,
) -> Response {
    let code = provider.token();
    let state = if desk.switches.is(Wrong::BadState) { provider.token() } else { request.state.clone() };
    let uri = request.redirect_uri.clone();
    let grant = Grant { id: provider.token(), session, request };
    desk.codes.insert(code.clone(), Code { grant, used: false }, now);
    redirect::callback(&uri, &[("code", &code), ("state", &state)], &provider.issuer)
}

/// Whether ProConnect lets this agent through to a relying party that is for public agents only.
pub(super) fn is_welcome(desk: &Desk, identity: &Identity) -> bool {
    !desk.switches.public_only || identity.roles().iter().any(|role| role.starts_with("agent_public"))
}

fn identity(desk: &mut Desk, request: &Request, key: &str) -> Option<Identity> {
    let in_turn = desk.switches.siret_changes;
    let organization = desk.agents.organization(key, request.siret_hint.as_deref(), in_turn)?.clone();
    desk.agents.get(key).map(|agent| Identity::new(agent, &organization))
}
