//! The table of this edge.

use crate::{Town, inbound};

pub fn routes() -> web::Routes<Town> {
    let mut routes = web::Routes::new();
    inbound::routes(&mut routes);
    routes
}
