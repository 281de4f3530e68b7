//! What the `beffroi` binary is made of, as a library so that tests may start its parts.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod loopback;
pub mod mock_proconnect;
pub mod serve;
mod signing_keys;
pub mod telemetry;
pub mod tenants;
mod workers;
