//! The edge of the federation as other servers meet it: a town over a store in memory, and scripted servers on loopback.
#![expect(unreachable_pub, reason = "`pub` here means that another module of these tests uses it")]

#[path = "../../../web/tests/it/certificates.rs"]
mod certificates;
mod health;
mod inbound;
mod internet;
mod keys;
mod loopback;
mod notary;
mod peer;
mod pins;
mod resolve;
mod signed;
mod town;
mod wall;
