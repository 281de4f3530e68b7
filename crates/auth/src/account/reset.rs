//! The reset of cross-signing keys: only for who passed ProConnect by hand within the last ten minutes (hazard K7), and
//! only for ten minutes more.

use std::sync::Arc;

use askama::Template;
use web::{Response, Visit};

use super::Form;
use crate::{
    Town,
    browser::Session,
    flow::{Flow, Purpose},
    pages::{self, Frame},
    problem::{Message, Problem},
};

const PATH: &str = "/account/?action=org.matrix.cross_signing_reset";

#[derive(Template)]
#[template(path = "reset.html")]
struct Page {
    frame: Frame,
    name: String,
    csrf: String,
}

pub(crate) fn show(town: &Town, visit: &Visit, session: &Session) -> Result<Response, Problem> {
    if !session.is_proven(town.now()) {
        let flow = Flow { purpose: Purpose::Page(PATH.to_owned()), fresh: true, login_hint: None };
        return town.sign_in_first(flow);
    }
    let name = town.shown_name(&session.signed_in.user)?;
    pages::page(&Page { frame: Frame::of(town, visit), name, csrf: session.csrf() })
}

/// `POST /account/reset`: opens the window.
pub(crate) async fn open(town: Arc<Town>, visit: Visit) -> Result<Response, Problem> {
    let form: Form = visit.form()?;
    let session = town.session_of_form(&visit, &form.csrf)?;
    if !session.is_proven(town.now()) {
        return pages::see_other(&town.url(PATH));
    }
    town.accounts.open_reset_window(&session.signed_in.user).await?;
    tracing::info!(target: "audit", user = %session.signed_in.user, "cross-signing reset allowed");
    let frame = Frame::of(&town, &visit);
    let lang = frame.lang;
    let message = Message {
        title: lang.pick("Réinitialisation autorisée", "Reset allowed"),
        paragraphs: vec![lang.pick(
            "Vous avez dix minutes pour revenir à votre application et terminer la réinitialisation de votre identité numérique.",
            "You have ten minutes to go back to your application and finish the reset of your cryptographic identity.",
        )],
        code: None,
        ask_contact: false,
        link: None,
        frame,
    };
    pages::page(&message)
}
