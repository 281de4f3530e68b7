//! Authorization codes (RFC 6749 §4.1.2): short-lived, used once; a second use ends the session that the first gave.

use std::time::Duration;

use kernel::id::OwnedUserId;

use crate::{
    Accounts, Error, NewSession, Result, Tokens,
    accounts::check_length,
    tables::{CODES, CodeRow, EXPIRIES, Expiring, SESSIONS},
    tokens,
};

/// Time from the consent to the exchange. A phone may have to wake an application in between.
const LIFETIME: Duration = Duration::from_secs(300);
/// A used code is remembered for so long after it would have expired, to notice its replay.
const REMEMBERED: Duration = Duration::from_secs(3600);
const DETAILS_BYTES_MAX: usize = 16_384;

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
    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `Locked`, `TooLarge`.
    pub async fn issue_code(&self, new: NewCode) -> Result<String> {
        check_length(&new.details, "the details of a code", DETAILS_BYTES_MAX)?;
        if self.living(&new.user)?.locked {
            return Err(Error::Locked);
        }
        let code = tokens::one_use_token(self.random(), "bfc_");
        let (hash, expires) = (tokens::hash(&code), self.now().plus(LIFETIME));
        let NewCode { client_id, user, details } = new;
        let mut batch = self.scope().batch();
        batch.put(&CODES, (hash,), &CodeRow { client_id, user, details, expires, gave: None });
        batch.put(&EXPIRIES, (expires.plus(REMEMBERED), hash), &Expiring::Code);
        self.commit(batch).await?;
        Ok(code)
    }

    /// The code's record, to check the request against before the exchange. `None`: unknown or expired.
    pub fn authorization_code(&self, code: &str) -> Result<Option<AuthorizationCode>> {
        let Some(hash) = tokens::presented(code) else { return Ok(None) };
        let Some(row) = self.scope().get(&CODES, (hash,))? else { return Ok(None) };
        let used = row.gave.is_some();
        if !used && row.expires <= self.now() {
            return Ok(None);
        }
        Ok(Some(AuthorizationCode { client_id: row.client_id, user: row.user, details: row.details, used }))
    }

    /// Uses the code up and starts the session, both or neither.
    ///
    /// # Errors
    /// `Replayed` when it was used before: the session that it gave is ended (hazard A13). `NotFound` when unknown or
    /// expired; `InvalidParam` for another user's session; those of [`Accounts::start_session`].
    pub async fn exchange_code(&self, code: &str, session: NewSession) -> Result<Tokens> {
        let unknown = || Error::NotFound("code");
        let hash = tokens::presented(code).ok_or_else(unknown)?;
        let user = self.scope().get(&CODES, (hash,))?.ok_or_else(unknown)?.user;
        let _changing = self.change(&user).await;
        let mut row = self.scope().get(&CODES, (hash,))?.ok_or_else(unknown)?;
        if let Some((device, id)) = row.gave {
            let running = self.scope().get(&SESSIONS, (&*user, &*device))?;
            if running.is_some_and(|running| running.id == id) {
                tracing::warn!(target: "audit", %user, %device, "an authorization code came twice: session ended");
                self.delete_devices_of(&user, &[device]).await?;
            }
            return Err(Error::Replayed);
        }
        if row.expires <= self.now() {
            return Err(unknown());
        }
        if session.user != user {
            return Err(Error::InvalidParam("The code is another user's".to_owned()));
        }
        let mut batch = self.scope().batch();
        let (tokens, id) = self.add_session(&mut batch, session)?;
        row.gave = Some((tokens.device.clone(), id));
        batch.put(&CODES, (hash,), &row);
        self.commit(batch).await?;
        Ok(tokens)
    }
}
