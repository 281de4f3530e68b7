//! Authorization codes (RFC 6749 §4.1.2): short-lived, used once; a second use ends the session that the first gave.

use kernel::id::OwnedUserId;

use crate::{Accounts, NewSession, Result, Tokens, accounts::later};

#[derive(Clone, Debug)]
pub struct NewCode {
    pub client_id: String,
    pub user: OwnedUserId,
    /// What `auth` needs again at the exchange (redirect URI, PKCE challenge, scope, nonce), as it likes.
    pub details: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    pub client_id: String,
    pub user: OwnedUserId,
    pub details: String,
    /// It was exchanged already: give it to [`Accounts::exchange_code`] all the same, which then revokes.
    pub used: bool,
}

impl Accounts {
    pub async fn issue_code(&self, _new: NewCode) -> Result<String> {
        later()
    }

    /// The code's record, to check the request against before the exchange. `None`: unknown or expired.
    pub fn authorization_code(&self, _code: &str) -> Result<Option<AuthorizationCode>> {
        later()
    }

    /// Uses the code up and starts the session, both or neither.
    ///
    /// # Errors
    /// `Replayed` when it was used before: the session that it gave is ended. `NotFound` when unknown or expired. Those
    /// of [`Accounts::start_session`].
    pub async fn exchange_code(&self, _code: &str, _session: NewSession) -> Result<Tokens> {
        later()
    }
}
