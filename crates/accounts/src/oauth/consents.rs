//! What people allowed to which client, so that they are asked once.

use kernel::{Timestamp, id::UserId};

use crate::{
    Accounts, Error, Result,
    accounts::check_length,
    tables::{CONSENTS, ConsentRow},
};

const CLIENT_ID_BYTES_MAX: usize = 255;
const SCOPE_BYTES_MAX: usize = 2_048;
/// Clients that one user may have allowed.
const CONSENTS_MAX: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub client_id: String,
    pub scope: String,
    pub given: Timestamp,
}

impl Accounts {
    pub fn consent(&self, user: &UserId, client_id: &str) -> Result<Option<Consent>> {
        if client_id.len() > CLIENT_ID_BYTES_MAX {
            return Ok(None);
        }
        let row = self.scope().get(&CONSENTS, (user, client_id))?;
        Ok(row.map(|row| Consent { client_id: client_id.to_owned(), scope: row.scope, given: row.given }))
    }

    pub fn consents(&self, user: &UserId) -> Result<Vec<Consent>> {
        let rows = self.scope().scan(&CONSENTS, (user,)).limit(CONSENTS_MAX).rows()?.into_iter();
        Ok(rows.map(|((_, client_id), row)| Consent { client_id, scope: row.scope, given: row.given }).collect())
    }

    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `TooLarge`, `TooMany`.
    pub async fn give_consent(&self, user: &UserId, client_id: &str, scope: &str) -> Result<()> {
        check_length(client_id, "a client id", CLIENT_ID_BYTES_MAX)?;
        check_length(scope, "a scope", SCOPE_BYTES_MAX)?;
        let _changing = self.change(user).await;
        self.living(user)?;
        if self.consents(user)?.len() >= CONSENTS_MAX && !self.scope().has(&CONSENTS, (user, client_id))? {
            return Err(Error::TooMany { what: "consents", limit: CONSENTS_MAX });
        }
        let mut batch = self.scope().batch();
        batch.put(&CONSENTS, (user, client_id), &ConsentRow { scope: scope.to_owned(), given: self.now() });
        self.commit(batch).await?;
        Ok(())
    }

    /// No error if none was given. The client's sessions are not ended.
    pub async fn withdraw_consent(&self, user: &UserId, client_id: &str) -> Result<()> {
        check_length(client_id, "a client id", CLIENT_ID_BYTES_MAX)?;
        let _changing = self.change(user).await;
        let mut batch = self.scope().batch();
        batch.delete(&CONSENTS, (user, client_id));
        self.commit(batch).await?;
        Ok(())
    }
}
