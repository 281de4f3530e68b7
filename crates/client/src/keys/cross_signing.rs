//! `POST /keys/device_signing/upload`: the keys by which a user vouches for their devices and for others.
//!
//! The first keys are free. To replace them, a person signs in again in the account page, which opens a window: clients
//! either repeat the request with the session of the 401 (Element Web) or without anything until it passes (Element X).

use std::sync::Arc;

use accounts::CrossSigningKeys;
use ruma_client_api::keys::upload_signing_keys::v3::{Request, Response};
use serde_json::{Map, Value, json};
use web::Rate;

use crate::{Town, account::account_page, stored};

/// Characters of a session: it says nothing, for the window is the user's, but clients demand one.
const SESSION_LENGTH: usize = 16;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(upload).limited(Rate::Keys);
}

async fn upload(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let keys = CrossSigningKeys {
        master: ask.master_key.as_ref().map(stored::text),
        self_signing: ask.self_signing_key.as_ref().map(stored::text),
        user_signing: ask.user_signing_key.as_ref().map(stored::text),
    };
    match town.accounts.upload_cross_signing(&caller.user, keys).await {
        Ok(()) => Ok(Response::new()),
        Err(accounts::Error::ResetNeeded) => Err(confirmation(&town)),
        Err(error) => Err(error.into()),
    }
}

/// The 401 that sends the person to the account page, in the words of the specification and in those before it.
fn confirmation(town: &Town) -> web::Error {
    let page = json!({ "url": format!("{}?action=org.matrix.cross_signing_reset", account_page(town)) });
    let stages = Map::from_iter([
        ("flows".to_owned(), json!([{ "stages": ["m.oauth"] }, { "stages": ["org.matrix.cross_signing_reset"] }])),
        ("params".to_owned(), json!({ "m.oauth": page, "org.matrix.cross_signing_reset": page })),
        ("completed".to_owned(), json!([])),
        ("session".to_owned(), Value::String(town.random.token(SESSION_LENGTH))),
        ("msg".to_owned(), json!("To replace your keys, confirm it in the account page")),
    ]);
    web::Error::uia(stages)
}
