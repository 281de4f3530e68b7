//! Bridges to other networks: this town has none (spec, "Third-party Networks").

use std::sync::Arc;

use http::Method;
use ruma_client_api::thirdparty::get_protocols;
use web::{Access, Json, Visit};

use super::not_found;
use crate::Town;

const LOOKUPS: [&str; 5] = [
    "/_matrix/client/v3/thirdparty/protocol/{protocol}",
    "/_matrix/client/v3/thirdparty/location",
    "/_matrix/client/v3/thirdparty/location/{protocol}",
    "/_matrix/client/v3/thirdparty/user",
    "/_matrix/client/v3/thirdparty/user/{protocol}",
];

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(protocols);
    for path in LOOKUPS {
        routes.json(Method::GET, path, Access::User, nothing);
    }
}

async fn protocols(
    _: Arc<Town>,
    _: web::Caller,
    _: get_protocols::v3::Request,
) -> web::Result<get_protocols::v3::Response> {
    Ok(get_protocols::v3::Response::new([].into()))
}

async fn nothing(_: Arc<Town>, _: Option<web::Caller>, _: Visit) -> web::Result<Json> {
    Err(not_found("This town has no bridges"))
}
