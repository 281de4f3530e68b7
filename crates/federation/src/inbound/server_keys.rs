//! `GET /_matrix/key/v2/server`: the keys that this town signs with, and signed with.

use std::sync::Arc;

use ruma_federation_api::discovery::get_server_keys::v2::Request;
use web::Json;

use crate::Town;

pub(super) async fn server_keys(town: Arc<Town>, _: Request) -> web::Result<Json> {
    Ok(Json::text(town.peers.own_keys().document()?))
}
