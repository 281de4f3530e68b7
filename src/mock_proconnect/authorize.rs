//! `GET /api/v2/authorize`: where a relying party sends the browser.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};
use kernel::Timestamp;

use super::{
    BASE,
    params::Params,
    provider::{Desk, Provider, Session},
    redirect,
    refusal::Refusal,
    request::Request,
    sign_in,
};

pub(super) async fn get(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let now = provider.now();
    let mut desk = provider.desk.lock();
    let checked = Params::parse(query.unwrap_or_default().as_bytes())
        .ok_or_else(|| Refusal::bad_request("a parameter is repeated"))
        .and_then(|params| Request::check(&desk.clients, &params));
    let request = match checked {
        Ok(request) => Arc::new(request),
        Err(refusal) => return refusal.into_response(&provider.issuer),
    };
    if let Some(session) = session(&provider, &desk, &headers, &request, now) {
        return sign_in::with_code(&provider, &mut desk, request, session, now);
    }
    if request.silent {
        let refusal = Refusal::Callback {
            uri: request.redirect_uri.clone(),
            state: request.state.clone(),
            error: "login_required",
            description: "End-User authentication is required",
        };
        return refusal.into_response(&provider.issuer);
    }
    if let Some(agent) = short_cut(&desk, &request) {
        return sign_in::agent(&provider, &mut desk, request, &agent, now);
    }
    let id = provider.token();
    desk.interactions.insert(id.clone(), request, now);
    redirect::see_other(&format!("{BASE}/interaction/{id}"))
}

/// The value of the mock's session cookie.
pub(super) fn session_cookie<'a>(provider: &Provider, headers: &'a HeaderMap) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == provider.cookie).then_some(value))
}

/// The browser's session, if it spares the choice.
fn session(
    provider: &Provider,
    desk: &Desk,
    headers: &HeaderMap,
    request: &Request,
    now: Timestamp,
) -> Option<Session> {
    let session = desk.sessions.get(session_cookie(provider, headers)?, now)?;
    let spared = !request.fresh && request.accepts_session(&session.identity.acr);
    (spared && sign_in::is_welcome(desk, &session.identity)).then(|| session.clone())
}

/// The agent whom `auto` signs in without a page.
fn short_cut(desk: &Desk, request: &Request) -> Option<String> {
    if !desk.switches.auto {
        return None;
    }
    let hinted = request.login_hint.as_deref().and_then(|email| desk.agents.key_of_email(email));
    hinted.or(desk.switches.agent.as_deref()).map(str::to_owned)
}
