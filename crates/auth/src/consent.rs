//! `/consent/{flow}`: the person allows a client, or not.
//!
//! Asked once for a web client, whose address nobody else can have; each time for an application on a telephone or
//! computer, whose scheme any other application can take (RFC 8252 §8.6).

use std::sync::Arc;

use askama::Template;
use serde::Deserialize;
use web::{Response, Visit};

use crate::{
    Town,
    authorize::AuthorizationRequest,
    browser::Session,
    flow::{Flow, Purpose},
    pages::{self, Frame},
    problem::Problem,
    scope::Scope,
};

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'a> {
    frame: Frame,
    client: &'a str,
    host: &'a str,
    target: &'a str,
    device: &'a str,
    name: String,
    user: &'a str,
    action: String,
    switch: String,
    csrf: String,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
    decision: String,
}

pub(crate) async fn show(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let id = visit.param("flow");
    let flow = town.flows.get(id, town.now()).ok_or(Problem::Expired)?;
    let request = request(&flow)?;
    let Some(session) = town.session(&visit)? else {
        return pages::see_other(&town.url(&format!("/sign-in/{id}")));
    };
    if !request.ask_again && town.is_remembered(&session, request)? {
        return town.grant(id, &session).await;
    }
    let page = Consent {
        frame: Frame::of(&town, &visit),
        client: request.client.shown_name(),
        host: &request.client.shown_host(),
        target: request.back.uri.host_str().unwrap_or(request.back.uri.scheme()),
        device: request.grant.scope.device.as_str(),
        name: town.shown_name(&session.signed_in.user)?,
        user: session.signed_in.user.as_str(),
        action: format!("/consent/{id}"),
        switch: format!("/sign-in/{id}"),
        csrf: session.csrf(),
    };
    pages::page_leading_to(&page, Some(&request.back.uri))
}

pub(crate) async fn decide(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    let session = town.session_of_form(&visit, &form.csrf)?;
    let id = visit.param("flow");
    let flow = town.flows.get(id, town.now()).ok_or(Problem::Expired)?;
    let request = request(&flow)?;
    match &*form.decision {
        "allow" => {
            if may_be_remembered(request) {
                let scope = remembered_scope(&request.grant.scope);
                town.accounts.give_consent(&session.signed_in.user, &request.client_id, scope).await?;
            }
            town.grant(id, &session).await
        }
        "deny" => {
            town.flows.take(id, town.now()).ok_or(Problem::Expired)?;
            request.back.refuse("access_denied", "the person did not allow it")
        }
        _ => Err(Problem::BadRequest),
    }
}

fn request(flow: &Flow) -> Result<&AuthorizationRequest, Problem> {
    match &flow.purpose {
        Purpose::Authorize(request) => Ok(request),
        Purpose::Sso(_) | Purpose::Page(_) => Err(Problem::NotFound),
    }
}

fn may_be_remembered(request: &AuthorizationRequest) -> bool {
    request.back.uri.scheme() == "https"
}

/// Every sign-in is for another device: the device is not part of what is remembered.
fn remembered_scope(scope: &Scope) -> &'static str {
    if scope.openid { "openid urn:matrix:client:api:*" } else { "urn:matrix:client:api:*" }
}

impl Town {
    fn is_remembered(&self, session: &Session, request: &AuthorizationRequest) -> Result<bool, Problem> {
        if !may_be_remembered(request) {
            return Ok(false);
        }
        let consent = self.accounts.consent(&session.signed_in.user, &request.client_id)?;
        let wanted = remembered_scope(&request.grant.scope);
        Ok(consent.is_some_and(|consent| consent.scope == wanted || consent.scope.ends_with(wanted)))
    }

    /// Ends the flow with a code for the client.
    async fn grant(&self, id: &str, session: &Session) -> Result<Response, Problem> {
        let flow = self.flows.take(id, self.now()).ok_or(Problem::Expired)?;
        let request = request(&flow)?;
        let code = accounts::NewCode {
            client_id: request.client_id.clone(),
            user: session.signed_in.user.clone(),
            details: request.grant.to_text()?,
        };
        let code = self.accounts.issue_code(code).await?;
        request.back.with_code(&code)
    }
}
