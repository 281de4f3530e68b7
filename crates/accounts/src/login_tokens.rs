//! Login tokens of `m.login.token`: two minutes, one use.

use std::time::Duration;

use kernel::id::{OwnedUserId, UserId};

use crate::{
    Accounts, Error, Result,
    tables::{EXPIRIES, Expiring, LOGIN_TOKENS, LoginTokenRow},
    tokens,
};

/// What the specification proposes for `m.login.token`.
const LIFETIME: Duration = Duration::from_secs(120);

impl Accounts {
    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `Locked`.
    pub async fn issue_login_token(&self, user: &UserId) -> Result<String> {
        if self.living(user)?.locked {
            return Err(Error::Locked);
        }
        let token = tokens::one_use_token(self.random(), "bfl_");
        let (hash, expires) = (tokens::hash(&token), self.now().plus(LIFETIME));
        let mut batch = self.scope().batch();
        batch.put(&LOGIN_TOKENS, (hash,), &LoginTokenRow { user: user.to_owned(), expires });
        batch.put(&EXPIRIES, (expires, hash), &Expiring::LoginToken);
        self.commit(batch).await?;
        Ok(token)
    }

    /// Uses the token up, and says whose it was. Starting the session checks the account's status again.
    ///
    /// # Errors
    /// `UnknownToken` when it is unknown, used or too old.
    pub async fn redeem_login_token(&self, token: &str) -> Result<OwnedUserId> {
        let unknown = || Error::UnknownToken { soft_logout: false };
        let hash = tokens::presented(token).ok_or_else(unknown)?;
        let row = self.scope().get(&LOGIN_TOKENS, (hash,))?.ok_or_else(unknown)?;
        if row.expires <= self.now() {
            return Err(unknown());
        }
        let mut batch = self.scope().batch();
        batch.expect(&LOGIN_TOKENS, (hash,), Some(&row));
        batch.delete(&LOGIN_TOKENS, (hash,));
        batch.delete(&EXPIRIES, (row.expires, hash));
        match self.commit(batch).await {
            Ok(_) => Ok(row.user),
            Err(Error::Conflict) => Err(unknown()),
            Err(error) => Err(error),
        }
    }
}
