//! `/account/`: what people may do about their own account (MSC4191): see it, sign devices out, reset cross-signing.

pub(crate) mod devices;
pub(crate) mod reset;

use std::sync::Arc;

use askama::Template;
use serde::Deserialize;
use web::{Response, Visit};

use crate::{
    Town,
    browser::Session,
    flow::Flow,
    pages::{self, Frame},
    problem::{Message, Problem},
};

#[derive(Template)]
#[template(path = "account.html")]
struct Account<'a> {
    frame: Frame,
    name: String,
    user: &'a str,
    email: String,
    devices: Vec<devices::Shown>,
    csrf: String,
}

#[derive(Deserialize)]
struct Query {
    action: Option<String>,
    device_id: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    csrf: String,
}

/// `GET /account/?action=…&device_id=…`
pub(crate) async fn show(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let query: Query = visit.query()?;
    let action = query.action.unwrap_or_default();
    let Some(session) = town.session(&visit)? else {
        let device = query.device_id.iter().map(|device| ("device_id", &**device));
        let pairs = [("action", &*action)].into_iter().chain(device);
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        return town.sign_in_first(Flow::page(format!("/account/?{query}")));
    };
    let device = query.device_id.unwrap_or_default();
    match &*action {
        "org.matrix.device_view" | "org.matrix.session_view" => devices::view(&town, &visit, &session, &device, false),
        "org.matrix.device_delete" | "org.matrix.session_end" => devices::view(&town, &visit, &session, &device, true),
        "org.matrix.cross_signing_reset" => reset::show(&town, &visit, &session),
        "org.matrix.account_deactivate" => deactivation(&town, &visit),
        _ => overview(&town, &visit, &session),
    }
}

/// `org.matrix.profile`, `org.matrix.devices_list`, and whatever is not known.
fn overview(town: &Town, visit: &Visit, session: &Session) -> Result<Response, Problem> {
    let user = &session.signed_in.user;
    let email = town.accounts.user(user)?.and_then(|user| user.email).unwrap_or_default();
    let page = Account {
        frame: Frame::of(town, visit),
        name: town.shown_name(user)?,
        user: user.as_str(),
        email,
        devices: devices::list(town, user)?,
        csrf: session.csrf(),
    };
    pages::page(&page)
}

/// The employer's administrator ends accounts, not the person.
fn deactivation(town: &Town, visit: &Visit) -> Result<Response, Problem> {
    let frame = Frame::of(town, visit);
    let lang = frame.lang;
    let message = Message {
        title: lang.pick("Fermer votre compte", "Close your account"),
        paragraphs: vec![lang.pick(
            "Votre compte est géré par votre employeur. Adressez votre demande à votre administrateur.",
            "Your account is managed by your employer. Ask your administrator.",
        )],
        code: None,
        ask_contact: true,
        link: Some(("/account/", lang.pick("Revenir au compte", "Back to the account"))),
        frame,
    };
    pages::page(&message)
}

/// `POST /account/sign-out`: out of this browser and of ProConnect; signed-in devices stay.
pub(crate) async fn sign_out(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    town.session_of_form(&visit, &form.csrf)?;
    town.depart(&visit, None).await
}
