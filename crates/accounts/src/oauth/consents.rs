//! What people allowed to which client, so that they are asked once.

use kernel::{Timestamp, id::UserId};

use crate::{Accounts, Result, accounts::later};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub client_id: String,
    pub scope: String,
    pub given: Timestamp,
}

impl Accounts {
    pub fn consent(&self, _user: &UserId, _client_id: &str) -> Result<Option<Consent>> {
        later()
    }

    pub async fn give_consent(&self, _user: &UserId, _client_id: &str, _scope: &str) -> Result<()> {
        later()
    }

    pub async fn withdraw_consent(&self, _user: &UserId, _client_id: &str) -> Result<()> {
        later()
    }
}
