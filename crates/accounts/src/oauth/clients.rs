//! Registered OAuth clients (RFC 7591). Clients register at each sign-in: equal metadata is one client.

use kernel::Timestamp;

use crate::{Accounts, Result, accounts::later};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthClient {
    pub id: String,
    /// The metadata as JSON, checked by `auth`.
    pub metadata: String,
    pub registered: Timestamp,
}

impl Accounts {
    /// Registers a client and returns its id, which is the same for the same metadata (JSON, canonicalised here).
    pub async fn register_client(&self, _metadata: &str) -> Result<OauthClient> {
        later()
    }

    pub fn oauth_client(&self, _id: &str) -> Result<Option<OauthClient>> {
        later()
    }
}
