//! `GET /_matrix/federation/v1/version`: what serves here.

use std::sync::Arc;

use ruma_federation_api::discovery::get_server_version::v1::{Request, Response, Server};

use crate::Town;

pub(super) async fn version(_: Arc<Town>, _: Request) -> web::Result<Response> {
    let mut server = Server::new();
    server.name = Some("Beffroi".to_owned());
    server.version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let mut response = Response::new();
    response.server = Some(server);
    Ok(response)
}
