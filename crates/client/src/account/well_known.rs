//! `/.well-known/matrix/…`: where a client that knows only the server name finds the town, its sign-in and its help.

use std::sync::Arc;

use ruma_client_api::discovery::{discover_homeserver, discover_support};
use serde_json::json;
use web::Json;

use super::{account_page, not_found};
use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.public(client);
    routes.public(support);
}

/// With the sign-in's place as Element before the end of 2025 looks for it (MSC2965), which ruma has no field for.
async fn client(town: Arc<Town>, _: discover_homeserver::Request) -> web::Result<Json> {
    let base_url = &town.settings.base_url;
    Json::of(&json!({
        "m.homeserver": { "base_url": base_url },
        "org.matrix.msc2965.authentication": { "issuer": format!("{base_url}/"), "account": account_page(&town) },
    }))
}

async fn support(town: Arc<Town>, _: discover_support::Request) -> web::Result<Json> {
    match town.settings.support.as_deref() {
        Some(page) if page.starts_with("https://") || page.starts_with("http://") => {
            Json::of(&json!({ "support_page": page }))
        }
        Some(email) => Json::of(&json!({ "contacts": [{ "role": "m.role.admin", "email_address": email }] })),
        None => Err(not_found("This town names no contact")),
    }
}
