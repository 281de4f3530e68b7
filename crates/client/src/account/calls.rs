//! `GET /voip/turnServer`: relays for one-to-one calls. None is configured, which clients read from an empty object.

use std::sync::Arc;

use ruma_client_api::voip::get_turn_server_info::v3::Request;
use web::Json;

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(turn_server);
}

async fn turn_server(_: Arc<Town>, _: web::Caller, _: Request) -> web::Result<Json> {
    Ok(Json::text("{}"))
}
