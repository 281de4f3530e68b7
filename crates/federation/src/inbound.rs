//! What other servers ask: who they are, and the endpoints, one file each.

mod places;
mod query_keys;
mod server_keys;
mod signed;
mod version;
mod well_known;

pub use places::Places;

use http::Method;

use crate::Town;

/// Longest body of a transaction: 50 events and 100 ephemeral ones of 65,535 bytes each, and what lies between them.
#[allow(dead_code, reason = "the route of transactions takes it")]
pub(crate) const TRANSACTION_BYTES_MAX: usize = 13_000_000;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    routes.public(well_known::server);
    routes.public(version::version);
    routes.public(server_keys::server_keys);
    routes.public(query_keys::query).limited(web::Rate::Keys);
    let by_name = "/_matrix/key/v2/query/{server_name}";
    routes.json(Method::GET, by_name, web::Access::Public, query_keys::query_one).limited(web::Rate::Keys);
}
