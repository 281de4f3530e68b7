//! `GET /.well-known/matrix/server`: where other servers find this town.

use std::sync::Arc;

use ruma_federation_api::discovery::discover_homeserver::{Request, Response};

use crate::Town;

pub(super) async fn server(town: Arc<Town>, _: Request) -> web::Result<Response> {
    Ok(Response::new(town.settings.delegate.clone()))
}
