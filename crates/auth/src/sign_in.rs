//! `GET /sign-in/{flow}`: the page with ProConnect's button, the only way in.

use std::sync::Arc;

use askama::Template;
use web::{Response, Visit};

use crate::{
    Town,
    flow::{Flow, Purpose},
    pages::{self, Frame},
    problem::Problem,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    /// The application that asks, by its own name and by its host.
    client: Option<(String, String)>,
    /// Who is signed in already, and where they go on.
    known: Option<(String, String)>,
    fresh: bool,
    /// Where the button leads.
    start: String,
}

pub(crate) async fn show(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let id = visit.param("flow");
    let flow = town.flows.get(id, town.now()).ok_or(Problem::Expired)?;
    let known = if flow.fresh { None } else { town.session(&visit)? };
    let known = match known {
        Some(session) => Some((town.shown_name(&session.signed_in.user)?, flow.next(id))),
        None => None,
    };
    let page = SignIn {
        frame: Frame::of(&town, &visit),
        client: client(&flow),
        known,
        fresh: flow.fresh,
        start: format!("/upstream/authorize/{id}"),
    };
    pages::page(&page)
}

fn client(flow: &Flow) -> Option<(String, String)> {
    match &flow.purpose {
        Purpose::Authorize(request) => Some((request.client.shown_name().to_owned(), request.client.shown_host())),
        Purpose::Sso(_) | Purpose::Page(_) => None,
    }
}

impl Town {
    /// The name that people know a user by.
    pub(crate) fn shown_name(&self, user: &kernel::id::UserId) -> Result<String, crate::Error> {
        let name = self.accounts.user(user)?.and_then(|user| user.display_name);
        Ok(name.unwrap_or_else(|| user.to_string()))
    }

    /// Has the person pass ProConnect, then come to `path`.
    pub(crate) fn sign_in_first(&self, flow: Flow) -> Result<Response, Problem> {
        let id = self.flows.start(flow, self.random.as_ref(), self.now());
        pages::see_other(&self.url(&format!("/sign-in/{id}")))
    }
}
