//! Tokens by which somebody proves to a third party who they are (spec, "OpenID").

use std::time::Duration;

use kernel::id::{OwnedUserId, UserId};

use crate::{
    Accounts, Error, Result,
    tables::{EXPIRIES, Expiring, LoginTokenRow, OPENID_TOKENS},
    tokens,
};

/// As the specification's example has it.
const LIFETIME: Duration = Duration::from_secs(3600);

impl Accounts {
    /// A token that tells whoever shows it to this server that `user` gave it to them, and how long it does. It opens
    /// nothing here.
    ///
    /// # Errors
    /// `NoSuchUser`, `Deactivated`.
    pub async fn openid_token(&self, user: &UserId) -> Result<(String, Duration)> {
        self.living(user)?;
        let token = tokens::one_use_token(self.random(), "bfo_");
        let (hash, expires) = (tokens::hash(&token), self.now().plus(LIFETIME));
        let mut batch = self.scope().batch();
        batch.put(&OPENID_TOKENS, (hash,), &LoginTokenRow { user: user.to_owned(), expires });
        batch.put(&EXPIRIES, (expires, hash), &Expiring::OpenidToken);
        self.commit(batch).await?;
        Ok((token, LIFETIME))
    }

    /// Whose token it is; it may be shown again until it expires.
    ///
    /// # Errors
    /// `UnknownToken` when it is unknown or too old, or its user is no more.
    pub fn openid_user(&self, token: &str) -> Result<OwnedUserId> {
        let unknown = Error::UnknownToken { soft_logout: false };
        let Some(hash) = tokens::presented(token) else { return Err(unknown) };
        match self.scope().get(&OPENID_TOKENS, (hash,))? {
            Some(row) if self.now() < row.expires && self.is_active(&row.user)? => Ok(row.user),
            _ => Err(unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sweeper, testing::town};
    use kernel::Worker;

    #[tokio::test]
    async fn a_token_names_its_user_until_it_expires_or_they_are_gone() {
        let town = town();
        let (alice, bob) = (town.person("alice").await, town.person("bob").await);
        let (token, lifetime) = town.accounts.openid_token(&alice).await.unwrap();
        let (of_bob, _) = town.accounts.openid_token(&bob).await.unwrap();
        assert!(town.tables_with(&token).is_empty(), "only its hash is kept");
        let town = town.restart();
        let owner = |token: &str| town.accounts.openid_user(token);
        assert_eq!((owner(&token).unwrap(), owner(&token).unwrap()), (alice.clone(), alice));
        town.accounts.deactivate(&bob).await.unwrap();
        for unknown in ["", "x", &of_bob] {
            assert!(matches!(owner(unknown), Err(Error::UnknownToken { soft_logout: false })));
        }
        // It is no access token.
        assert!(town.accounts.authenticate(&token).await.is_err());
        town.advance(lifetime);
        assert!(owner(&token).is_err());
        let sweeper = Sweeper(town.accounts.clone());
        while sweeper.work().await.unwrap() == kernel::Progress::Busy {}
        assert!(!town.rows().iter().any(|(table, ..)| *table == OPENID_TOKENS.number()));
    }
}
