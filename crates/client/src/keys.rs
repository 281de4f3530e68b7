//! Handlers of end-to-end encryption: public keys, signatures over them, the backup of room keys, messages to devices.

mod backup;
mod changes;
mod claim;
mod cross_signing;
pub(crate) mod lists;
mod query;
mod send_to_device;
mod sharing;
mod signatures;
mod upload;

use std::time::Duration;

use kernel::id::ServerName;
use serde_json::{Value, json};

use crate::Town;

/// How long other servers have to answer, unless a client says otherwise, and at most.
const WITHIN: Duration = Duration::from_secs(10);
const WITHIN_MAX: Duration = Duration::from_secs(30);

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
