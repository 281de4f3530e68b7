//! What this server never does, refused in words that a person can act on: ProConnect is the only way in (DESIGN §5).

use std::sync::Arc;

use http::Method;
use kernel::Kind;
use serde::de::IgnoredAny;
use web::{Access, Json, Visit};

use super::account_page;
use crate::Town;

const REGISTRATION: [(Method, &str); 5] = [
    (Method::POST, "/_matrix/client/v3/register"),
    (Method::GET, "/_matrix/client/v3/register/available"),
    (Method::POST, "/_matrix/client/v3/register/email/requestToken"),
    (Method::POST, "/_matrix/client/v3/register/msisdn/requestToken"),
    (Method::GET, "/_matrix/client/v1/register/m.login.registration_token/validity"),
];

const PASSWORDS: [&str; 3] = [
    "/_matrix/client/v3/account/password",
    "/_matrix/client/v3/account/password/email/requestToken",
    "/_matrix/client/v3/account/password/msisdn/requestToken",
];

const IDENTIFIERS: [&str; 7] = [
    "/_matrix/client/v3/account/3pid",
    "/_matrix/client/v3/account/3pid/add",
    "/_matrix/client/v3/account/3pid/bind",
    "/_matrix/client/v3/account/3pid/delete",
    "/_matrix/client/v3/account/3pid/unbind",
    "/_matrix/client/v3/account/3pid/email/requestToken",
    "/_matrix/client/v3/account/3pid/msisdn/requestToken",
];

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    for (method, path) in REGISTRATION {
        routes.json(method, path, Access::Public, no_registration);
    }
    for path in PASSWORDS {
        routes.json(Method::POST, path, Access::Public, no_passwords);
    }
    for path in IDENTIFIERS {
        routes.json(Method::POST, path, Access::Public, no_identifiers);
    }
    routes.json(Method::POST, "/_matrix/client/v3/account/deactivate", Access::Public, in_the_account_page);
}

async fn no_registration(_: Arc<Town>, _: Option<web::Caller>, visit: Visit) -> web::Result<Json> {
    Err(refusal(&visit, "Accounts are made by signing in with ProConnect, not by registration"))
}

async fn no_passwords(_: Arc<Town>, _: Option<web::Caller>, visit: Visit) -> web::Result<Json> {
    Err(refusal(&visit, "Accounts have no password here: sign in with ProConnect"))
}

async fn no_identifiers(_: Arc<Town>, _: Option<web::Caller>, visit: Visit) -> web::Result<Json> {
    Err(refusal(&visit, "E-mail addresses and telephone numbers are not managed here"))
}

async fn in_the_account_page(town: Arc<Town>, _: Option<web::Caller>, visit: Visit) -> web::Result<Json> {
    let page = account_page(&town);
    Err(refusal(&visit, format!("An account is closed in the account page or by an administrator: {page}")))
}

/// A body that is no JSON is told so first, as at every other endpoint.
fn refusal(visit: &Visit, message: impl Into<String>) -> web::Error {
    visit.json::<IgnoredAny>().err().unwrap_or_else(|| web::Error::new(Kind::Forbidden, message))
}
