//! What changes about an account once it is there: administrators' decisions, the computed name, the sign-in.

use kernel::id::UserId;

use super::{normal_email, normal_name};
use crate::{
    Accounts, Change, Error, Result, UserKind,
    accounts::announce,
    tables::{PRECREATED, PROFILES, USERS, UserIdRow, UserRow},
};

impl Accounts {
    pub async fn set_admin(&self, user: &UserId, admin: bool) -> Result<()> {
        self.alter(user, |row| row.admin = admin).await
    }

    /// Shuts the account until it is unlocked; its sessions stay and answer `Locked`.
    pub async fn lock(&self, user: &UserId) -> Result<()> {
        self.alter(user, |row| row.locked = true).await
    }

    pub async fn unlock(&self, user: &UserId) -> Result<()> {
        self.alter(user, |row| row.locked = false).await
    }

    pub async fn suspend(&self, user: &UserId) -> Result<()> {
        self.alter(user, |row| row.suspended = true).await
    }

    pub async fn unsuspend(&self, user: &UserId) -> Result<()> {
        self.alter(user, |row| row.suspended = false).await
    }

    /// The person passed the identity provider just now: their sessions live for another sign-in age.
    pub async fn renew_sign_in(&self, user: &UserId) -> Result<()> {
        let now = self.now();
        self.alter(user, |row| row.signed_in_at = now).await
    }

    /// Sets the e-mail address, as the identity provider or an administrator gives it.
    ///
    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `InvalidParam`, `IdentityInUse` when another pre-created account waits for it.
    pub async fn set_email(&self, user: &UserId, email: Option<&str>) -> Result<()> {
        let email = email.map(normal_email).transpose()?;
        let _changing = self.change(user).await;
        let mut row = self.living(user)?;
        if row.email == email {
            return Ok(());
        }
        let mut batch = self.scope().batch();
        if row.identity.is_none() && row.kind == UserKind::Person {
            if let Some(old) = &row.email {
                batch.delete(&PRECREATED, (old.as_str(),));
            }
            if let Some(new) = &email {
                batch.expect(&PRECREATED, (new.as_str(),), None);
                batch.put(&PRECREATED, (new.as_str(),), &UserIdRow(user.to_owned()));
            }
        }
        row.email = email;
        batch.put(&USERS, (user,), &row);
        announce(&mut batch, &Change::User { user: user.to_owned() });
        match self.commit(batch).await {
            Err(Error::Conflict) => Err(Error::IdentityInUse("Another account waits for this e-mail address")),
            other => other.map(|_| ()),
        }
    }

    /// Sets the computed display name; called at sign-in only (DESIGN §6). Returns whether it is another than before.
    pub async fn rename(&self, user: &UserId, display_name: &str) -> Result<bool> {
        let name = normal_name(display_name)?;
        let _changing = self.change(user).await;
        self.living(user)?;
        let mut profile = self.scope().get(&PROFILES, (user,))?.unwrap_or_default();
        if profile.display_name.as_ref() == Some(&name) {
            return Ok(false);
        }
        profile.display_name = Some(name);
        let mut batch = self.scope().batch();
        batch.put(&PROFILES, (user,), &profile);
        announce(&mut batch, &Change::Profile { user: user.to_owned() });
        self.commit(batch).await?;
        Ok(true)
    }

    /// Changes the account's row, if `alter` makes it another.
    async fn alter(&self, user: &UserId, alter: impl FnOnce(&mut UserRow)) -> Result<()> {
        let _changing = self.change(user).await;
        let before = self.living(user)?;
        let mut row = before.clone();
        alter(&mut row);
        if row == before {
            return Ok(());
        }
        let mut batch = self.scope().batch();
        batch.put(&USERS, (user,), &row);
        announce(&mut batch, &Change::User { user: user.to_owned() });
        self.commit(batch).await?;
        Ok(())
    }
}
