//! `GET /versions`: what a client may rely on, before it knows anything else of this server.

use std::sync::Arc;

use ruma_client_api::discovery::get_supported_versions::{Request, Response};

use crate::Town;

/// Every version whose endpoints are served. Clients read `v1.11` as "media needs a token" and `v1.15` as "OAuth metadata is here".
const VERSIONS: [&str; 23] = [
    "r0.0.1", "r0.1.0", "r0.2.0", "r0.3.0", "r0.4.0", "r0.5.0", "r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4",
    "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11", "v1.12", "v1.13", "v1.14", "v1.15",
];

/// What clients ask for beyond the versions. A flag is here only while it is true.
const FEATURES: [&str; 8] = [
    // Older Element and Tchap set up cross-signing only if they see this.
    "org.matrix.e2e_cross_signing",
    // Private read receipts.
    "org.matrix.msc2285.stable",
    // Threads.
    "org.matrix.msc3440.stable",
    // Rooms in the directory by type.
    "org.matrix.msc3827.stable",
    // Relations of relations.
    "org.matrix.msc3981",
    "uk.half-shot.msc2666.query_mutual_rooms",
    // Profile fields beside name and avatar.
    "uk.tcpip.msc4133",
    "uk.tcpip.msc4133.stable",
];

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.public(versions);
}

async fn versions(_: Arc<Town>, _: Request) -> web::Result<Response> {
    let mut response = Response::new(VERSIONS.map(str::to_owned).to_vec());
    response.unstable_features = FEATURES.map(|feature| (feature.to_owned(), true)).into();
    Ok(response)
}
