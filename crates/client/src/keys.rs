//! Handlers of end-to-end encryption: public keys, signatures over them, the backup of room keys, messages to devices.

mod backup;
mod changes;
mod claim;
mod cross_signing;
mod query;
mod send_to_device;
mod signatures;
mod upload;

use kernel::id::ServerName;
use serde_json::{Value, json};

use crate::Town;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    backup::routes(routes);
    changes::routes(routes);
    claim::routes(routes);
    cross_signing::routes(routes);
    query::routes(routes);
    send_to_device::routes(routes);
    signatures::routes(routes);
    upload::routes(routes);
}

/// The entry of `failures` for a server whose users' keys cannot be asked for.
fn unreachable(server: &ServerName) -> (String, Value) {
    (server.to_string(), json!({ "errcode": "M_UNAVAILABLE", "error": "This server cannot be reached" }))
}

#[cfg(test)]
pub(crate) mod tests;
