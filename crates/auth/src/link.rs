//! `/link`: a person types or follows the code that a device shows, and allows the device (RFC 8628 §3.3).

use std::sync::Arc;

use accounts::Decision;
use askama::Template;
use serde::Deserialize;
use web::{Response, Visit};

use crate::{
    Town,
    flow::Flow,
    pages::{self, Frame},
    problem::{Message, Problem},
    scope::Scope,
};

/// Eight letters, and what people put between them.
const CODE_BYTES_MAX: usize = 32;

#[derive(Template)]
#[template(path = "link.html")]
struct Ask {
    frame: Frame,
    /// The code that was tried is not known, or not any more.
    unknown: bool,
}

#[derive(Template)]
#[template(path = "link_confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    client: &'a str,
    host: &'a str,
    device: &'a str,
    code: &'a str,
    name: String,
    csrf: String,
}

#[derive(Deserialize)]
struct Query {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
    code: String,
    decision: String,
}

pub(crate) async fn show(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Query = visit.query()?;
    let code = query.code.filter(|code| !code.is_empty() && code.len() <= CODE_BYTES_MAX);
    let Some(session) = town.session(&visit)? else {
        let code = code.iter().map(|code| ("code", code));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(code).finish();
        return town.sign_in_first(Flow::page(format!("/link?{query}")));
    };
    let frame = Frame::of(&town, &visit);
    let Some(code) = code else { return pages::page(&Ask { frame, unknown: false }) };
    let grant = town.accounts.device_grant(&code)?.filter(|grant| !grant.decided);
    let client = match &grant {
        Some(grant) => town.client(&grant.client_id)?,
        None => None,
    };
    let (Some(grant), Some(client)) = (grant, client) else { return pages::page(&Ask { frame, unknown: true }) };
    let scope: Scope = serde_json::from_str(&grant.details).map_err(|_| crate::Error::Unwritten("a stored scope"))?;
    let page = Confirm {
        frame,
        client: client.shown_name(),
        host: &client.shown_host(),
        device: scope.device.as_str(),
        code: &code,
        name: town.shown_name(&session.signed_in.user)?,
        csrf: session.csrf(),
    };
    pages::page(&page)
}

pub(crate) async fn decide(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    let session = town.session_of_form(&visit, &form.csrf)?;
    let frame = Frame::of(&town, &visit);
    let (decision, title) = match &*form.decision {
        "allow" => {
            let title = frame.lang.pick("Appareil connecté", "Device signed in");
            (Decision::Approve { user: session.signed_in.user.clone() }, title)
        }
        "deny" => (Decision::Deny, frame.lang.pick("Appareil refusé", "Device refused")),
        _ => return Err(Problem::BadRequest),
    };
    match town.accounts.decide_device_grant(&form.code, decision).await {
        Err(accounts::Error::Conflict) => return Err(Problem::Expired),
        other => other?,
    }
    let text = frame.lang.pick("Vous pouvez fermer cette page.", "You may close this page.");
    let message = Message { frame, title, paragraphs: vec![text], code: None, ask_contact: false, link: None };
    pages::page(&message)
}
