//! Signing in: the OAuth 2.0 authorization server of Matrix clients, the older SSO login, and ProConnect as the only way
//! in for people (DESIGN §5).
//!
//! One [`Town`] per tenant. People pass [`proconnect`], which leaves a session in their browser; each client that asks is
//! then allowed (`authorize`, `consent`, `link`) or given a login token (`legacy`), and all sessions are the owner's,
//! `accounts`. Nothing that is half done is stored: it waits in bounded memory and is forgotten by a restart.

mod account;
mod admission;
mod assets;
mod authorize;
mod browser;
mod client_metadata;
mod consent;
mod device_code;
mod end_session;
mod error;
mod expiring;
mod flow;
mod jwks;
mod lang;
mod legacy;
mod link;
mod metadata;
mod oauth_error;
mod pages;
mod problem;
mod proconnect;
mod redirect_uri;
mod register;
mod renamed;
mod revoke;
mod routes;
mod scope;
mod settings;
mod sign_in;
mod signing;
mod tables;
mod token;
mod town;
mod userinfo;

#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use lang::Lang;
pub use proconnect::http::{Http, HttpError};
pub use renamed::Renamed;
pub use routes::routes;
pub use settings::{Algorithm, ProConnect, Secret, Settings, TokenAuth};
pub use town::{Parts, Town};
