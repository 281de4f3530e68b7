//! `/sync`: what changed for a user since a token. Deltas come from the owners; here they are joined and formatted.

mod device_lists;
mod left;
mod response;
mod rooms;
mod state;
mod token;
mod v3;
mod wait;

pub(crate) use device_lists::device_lists;
pub(crate) use token::Token;
pub use wait::Sync;

use crate::Town;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    routes.json(http::Method::GET, "/_matrix/client/v3/sync", web::Access::User, v3::sync);
}

#[cfg(test)]
mod tests;
