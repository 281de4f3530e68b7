//! `POST /keys/device_signing/upload`: the keys by which a user vouches for their devices and for others.
//!
//! The first keys are free. To replace them, a person signs in again in the account page, which opens a window: clients
//! either repeat the request with the session of the 401 (Element Web) or without anything until it passes (Element X).

use std::sync::Arc;

use accounts::CrossSigningKeys;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use web::{Access, Rate};

use crate::{Town, account::account_page};

/// Characters of a session: it says nothing, for the window is the user's, but clients demand one.
const SESSION_LENGTH: usize = 16;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    let path = "/_matrix/client/v3/keys/device_signing/upload";
    routes.json(http::Method::POST, path, Access::User, upload).limited(Rate::Keys);
}

/// Not ruma's request, which refuses an `auth` that it cannot read: nothing that a client says there counts, and some
/// ask with an empty one what there is to do.
#[derive(Deserialize)]
struct Upload {
    master_key: Option<Box<RawValue>>,
    self_signing_key: Option<Box<RawValue>>,
    user_signing_key: Option<Box<RawValue>>,
}

async fn upload(town: Arc<Town>, caller: Option<web::Caller>, visit: web::Visit) -> web::Result<web::Json> {
    let caller = caller.ok_or_else(web::Error::missing_token)?;
    let upload: Upload = visit.json()?;
    let text = |key: Option<Box<RawValue>>| key.map(|key| key.get().to_owned());
    let keys = CrossSigningKeys {
        master: text(upload.master_key),
        self_signing: text(upload.self_signing_key),
        user_signing: text(upload.user_signing_key),
    };
    match town.accounts.upload_cross_signing(&caller.user, keys).await {
        Ok(()) => web::Json::of(&json!({})),
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
