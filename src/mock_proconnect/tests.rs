//! The mock over real HTTP, as a relying party and a browser see it.

mod authorize;
mod control;
mod harness;
mod sessions;
mod tokens;
