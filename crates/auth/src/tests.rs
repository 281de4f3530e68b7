//! The edge as browsers and clients meet it: through the whole site, with a ProConnect of the tests' own.

mod account;
mod admission;
mod barred;
mod client;
mod dialects;
mod legacy;
mod limits;
mod logout;
mod logs;
mod oauth;
mod outage;
mod pages;
mod provider;
mod stage;
mod tokens;
mod upstream;
