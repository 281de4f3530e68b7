//! Every endpoint of the client-server API, by folder.

use crate::{Town, account, keys, media, rooms, sync};

/// The table of this edge.
pub fn routes() -> web::Routes<Town> {
    let mut routes = web::Routes::new();
    account::routes(&mut routes);
    keys::routes(&mut routes);
    media::routes(&mut routes);
    rooms::routes(&mut routes);
    sync::routes(&mut routes);
    routes
}
