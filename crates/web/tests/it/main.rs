//! The kit as edges and clients see it: through a site, and through real sockets.
#![expect(unreachable_pub, reason = "`pub` here means that another module of these tests uses it")]

mod certificates;
mod hosts;
mod json;
mod limits;
mod listener;
mod outbound;
mod routes;
mod secrets;
mod servers;
mod tls;
mod tokens;
mod town;
