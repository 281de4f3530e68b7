//! `GET /account/whoami`: whose token this is. The first request of every OAuth client, and answered from memory.

use std::sync::Arc;

use ruma_client_api::account::whoami::v3::{Request, Response};

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(whoami);
}

async fn whoami(_: Arc<Town>, caller: web::Caller, _: Request) -> web::Result<Response> {
    let mut response = Response::new(caller.user.clone(), false);
    response.device_id = caller.device.clone();
    Ok(response)
}
