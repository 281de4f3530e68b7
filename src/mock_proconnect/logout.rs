//! `GET /api/v2/session/end`: logout started by the relying party, through the browser. Nobody else is told.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use super::{
    BASE,
    authorize::session_cookie,
    client::Client,
    keys, pages,
    params::{Params, with_query},
    provider::{Desk, Provider},
    redirect,
    refusal::Refusal,
};

pub(super) async fn get(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let mut desk = provider.desk.lock();
    let checked = Params::parse(query.unwrap_or_default().as_bytes())
        .ok_or_else(|| Refusal::bad_request("a parameter is repeated"))
        .and_then(|params| way_back(&provider, &desk, &params));
    let mut response = match checked {
        Ok(Some(uri)) => redirect::see_other(&uri),
        Ok(None) => pages::signed_out(),
        Err(refusal) => return refusal.into_response(&provider.issuer),
    };
    if let Some(cookie) = session_cookie(&provider, &headers) {
        desk.end_session(cookie, provider.now());
    }
    let forget = format!("{}=; Path={BASE}; HttpOnly; SameSite=Lax; Max-Age=0", provider.cookie);
    if let Ok(forget) = HeaderValue::from_str(&forget) {
        response.headers_mut().insert(header::SET_COOKIE, forget);
    }
    response
}

/// Where the browser goes next, with `state`; `None` when the relying party does not say.
fn way_back(provider: &Provider, desk: &Desk, params: &Params) -> Result<Option<String>, Refusal> {
    let client = client(provider, desk, params)?;
    let Some(uri) = params.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    if !client.is_some_and(|client| client.post_logout_redirect_uris.iter().any(|one| one == uri)) {
        let message = "post_logout_redirect_uri not registered".to_owned();
        return Err(Refusal::Page { code: "Y030111", message });
    }
    let state: Vec<(&str, &str)> = params.get("state").map(|state| ("state", state)).into_iter().collect();
    Ok(Some(with_query(uri, &state)))
}

/// The client that the hint was issued to, or that names itself; the two must agree.
fn client<'a>(provider: &Provider, desk: &'a Desk, params: &Params) -> Result<Option<&'a Client>, Refusal> {
    let named = params.get("client_id").map(str::to_owned);
    let Some(hint) = params.get("id_token_hint") else {
        return Ok(named.and_then(|id| desk.clients.get(&id)));
    };
    let hinted = keys::peek(hint).and_then(|claims| desk.clients.get(claims["aud"].as_str()?));
    hinted
        .filter(|client| provider.keys.open(hint, &client.client_secret).is_some())
        .filter(|client| named.is_none_or(|id| id == client.client_id))
        .map(Some)
        .ok_or_else(|| Refusal::bad_request("could not validate id_token_hint"))
}
