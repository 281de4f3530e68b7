//! The edge as browsers and clients meet it: through the whole site, with a ProConnect of the tests' own.

#![allow(
    dead_code,
    clippy::wrong_self_convention,
    reason = "the stage is set for the suites of refusals, which come next"
)]

mod account;
mod dialects;
mod legacy;
mod logs;
mod oauth;
mod pages;
mod provider;
mod stage;
mod tokens;
mod upstream;
