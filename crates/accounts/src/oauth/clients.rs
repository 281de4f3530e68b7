//! Registered OAuth clients (RFC 7591). Clients register at each sign-in: equal metadata is one client.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::Timestamp;
use store::Batch;

use crate::{
    Accounts, Error, Result, json,
    tables::{EXPIRIES, Expiring, OAUTH_CLIENTS, OauthClientRow},
    tokens,
};

const METADATA_BYTES_MAX: usize = 32_768;
/// Clients of one tenant.
const CLIENTS_MAX: usize = 5_000;
/// A client with which nobody has signed in by then is forgotten.
const UNUSED_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Bytes of the hash of the metadata that make the client's id.
const ID_BYTES: usize = 16;
/// Longer ids are none of ours.
const ID_LENGTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthClient {
    pub id: String,
    /// The metadata as JSON, checked by `auth`.
    pub metadata: String,
    /// The last time that it was registered.
    pub registered: Timestamp,
}

impl Accounts {
    /// Registers a client and returns its id, which is the same for the same metadata (a JSON object, whose order of
    /// members does not matter).
    ///
    /// # Errors
    /// `BadJson`, `TooLarge`, `TooMany`.
    pub async fn register_client(&self, metadata: &str) -> Result<OauthClient> {
        let metadata = json::compact_object(metadata, "client metadata", METADATA_BYTES_MAX)?;
        let hash = tokens::hash(&metadata);
        let id = URL_SAFE_NO_PAD.encode(hash.get(..ID_BYTES).unwrap_or(&hash));
        let now = self.now();
        let client = OauthClient { id: id.clone(), metadata: metadata.clone(), registered: now };
        let before = self.scope().get(&OAUTH_CLIENTS, (id.as_str(),))?;
        match &before {
            Some(row) if row.used => return Ok(client),
            Some(_) => {}
            None if self.scope().scan(&OAUTH_CLIENTS, ()).limit(CLIENTS_MAX).keys()?.len() >= CLIENTS_MAX => {
                return Err(Error::TooMany { what: "OAuth clients", limit: CLIENTS_MAX });
            }
            None => {}
        }
        let mut batch = self.scope().batch();
        batch.expect(&OAUTH_CLIENTS, (id.as_str(),), before.as_ref());
        batch.put(&OAUTH_CLIENTS, (id.as_str(),), &OauthClientRow { metadata, registered: now, used: false });
        batch.put(&EXPIRIES, (now.plus(UNUSED_LIFETIME), hash), &Expiring::OauthClient { id });
        match self.commit(batch).await {
            // The same client registers, or is used, at this very moment: it is there.
            Err(Error::Conflict) => Ok(client),
            other => other.map(|_| client),
        }
    }

    pub fn oauth_client(&self, id: &str) -> Result<Option<OauthClient>> {
        if id.len() > ID_LENGTH_MAX {
            return Ok(None);
        }
        let row = self.scope().get(&OAUTH_CLIENTS, (id,))?;
        Ok(row.map(|row| OauthClient { id: id.to_owned(), metadata: row.metadata, registered: row.registered }))
    }

    /// Forgets a client that nobody signed in with since it last registered.
    pub(crate) fn expire_client(&self, batch: &mut Batch, id: &str) -> Result<()> {
        let Some(row) = self.scope().get(&OAUTH_CLIENTS, (id,))? else { return Ok(()) };
        if !row.used && row.registered.plus(UNUSED_LIFETIME) <= self.now() {
            batch.expect(&OAUTH_CLIENTS, (id,), Some(&row));
            batch.delete(&OAUTH_CLIENTS, (id,));
        }
        Ok(())
    }
}
