//! `GET /account/3pid`: e-mail addresses are ProConnect's affair, never an identifier that clients manage.

use std::sync::Arc;

use ruma_client_api::account::get_3pids::v3::Request;
use web::Json;

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(list);
}

/// As text, for ruma leaves an empty list out and clients look for it.
async fn list(_: Arc<Town>, _: web::Caller, _: Request) -> web::Result<Json> {
    Ok(Json::text(r#"{"threepids":[]}"#))
}
