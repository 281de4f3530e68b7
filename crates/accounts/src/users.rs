//! People and service accounts: creation, identities, and what administrators decide about them.

mod erase;
mod status;

use kernel::{
    Timestamp,
    id::{OwnedUserId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::{
    Accounts, Change, Error, Result,
    accounts::{announce, check_length},
    tables::{IDENTITIES, PRECREATED, PROFILES, ProfileRow, USERS, UserIdRow, UserRow},
};

/// Longest issuer and subject.
const ISSUER_BYTES_MAX: usize = 512;
const SUBJECT_BYTES_MAX: usize = 512;
/// Longest display name, as `policy` makes them.
const NAME_BYTES_MAX: usize = 255;
/// Accounts of one page of [`Accounts::list`].
const PAGE_MAX: usize = 1_000;

/// Who stands behind a user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserKind {
    /// An agent, who signs in through the identity provider.
    Person,
    /// A program of the administrator's.
    Service,
}

/// A person as the identity provider knows them: the issuer's URL and its `sub`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

#[derive(Clone, Debug)]
pub struct NewUser {
    /// The part between `@` and `:`, of the specification's strict grammar.
    pub localpart: String,
    pub display_name: Option<String>,
    pub kind: UserKind,
    /// `None`: created by an administrator, to be linked at the first sign-in.
    pub identity: Option<Identity>,
    pub email: Option<String>,
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: OwnedUserId,
    pub kind: UserKind,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
    pub identity: Option<Identity>,
    pub email: Option<String>,
    pub admin: bool,
    /// May do nothing until unlocked; sessions stay.
    pub locked: bool,
    /// May sign in, read and leave rooms, not write (spec, "Account suspension").
    pub suspended: bool,
    /// For ever: nothing of the account is left but its id and identity.
    pub deactivated: bool,
    pub created: Timestamp,
    /// When the person last passed the identity provider.
    pub signed_in_at: Timestamp,
}

impl User {
    fn from_rows(id: OwnedUserId, row: UserRow, profile: Option<ProfileRow>) -> Self {
        let profile = profile.unwrap_or_default();
        Self {
            id,
            kind: row.kind,
            display_name: profile.display_name,
            avatar_url: profile.avatar_url,
            identity: row.identity,
            email: row.email,
            admin: row.admin,
            locked: row.locked,
            suspended: row.suspended,
            deactivated: row.deactivated,
            created: row.created,
            signed_in_at: row.signed_in_at,
        }
    }
}

impl Accounts {
    /// # Errors
    /// `InvalidUsername`, `InvalidParam`, `UserInUse`, `IdentityInUse` (the identity belongs to another account, or the
    /// address is that of another pre-created one).
    pub async fn create_user(&self, new: NewUser) -> Result<OwnedUserId> {
        let user = self.new_user_id(&new.localpart)?;
        let email = new.email.as_deref().map(normal_email).transpose()?;
        let name = new.display_name.as_deref().map(normal_name).transpose()?;
        let now = self.now();
        let mut batch = self.scope().batch();
        batch.expect(&USERS, (&*user,), None);
        let id = UserIdRow(user.clone());
        if let Some(identity) = &new.identity {
            check_identity(identity)?;
            let key = (identity.issuer.as_str(), identity.subject.as_str());
            batch.expect(&IDENTITIES, key, None);
            batch.put(&IDENTITIES, key, &id);
        } else if let Some(email) = email.as_deref().filter(|_| new.kind == UserKind::Person) {
            batch.expect(&PRECREATED, (email,), None);
            batch.put(&PRECREATED, (email,), &id);
        }
        let row = UserRow {
            kind: new.kind,
            identity: new.identity.clone(),
            email: email.clone(),
            admin: false,
            locked: false,
            suspended: false,
            deactivated: false,
            created: now,
            signed_in_at: now,
        };
        batch.put(&USERS, (&*user,), &row);
        if name.is_some() {
            let profile = ProfileRow { display_name: name, ..ProfileRow::default() };
            batch.put(&PROFILES, (&*user,), &profile);
        }
        announce(&mut batch, &Change::User { user: user.clone() });
        match self.commit(batch).await {
            Ok(_) => Ok(user),
            Err(Error::Conflict) if self.scope().has(&USERS, (&*user,))? => Err(Error::UserInUse),
            Err(Error::Conflict) if new.identity.is_some() => {
                Err(Error::IdentityInUse("This identity belongs to another account"))
            }
            Err(Error::Conflict) => Err(Error::IdentityInUse("Another account waits for this e-mail address")),
            Err(error) => Err(error),
        }
    }

    fn new_user_id(&self, localpart: &str) -> Result<OwnedUserId> {
        let wrong = Error::InvalidUsername("A user name has only the characters a-z, 0-9, and . _ = - / +");
        if localpart.is_empty() || localpart.contains([':', '@']) {
            return Err(wrong);
        }
        let Ok(user) = UserId::parse(format!("@{localpart}:{}", self.inner.server_name)) else { return Err(wrong) };
        if user.validate_strict().is_err() {
            return Err(wrong);
        }
        Ok(user)
    }

    pub fn user(&self, user: &UserId) -> Result<Option<User>> {
        let Some(row) = self.scope().get(&USERS, (user,))? else { return Ok(None) };
        Ok(Some(User::from_rows(user.to_owned(), row, self.scope().get(&PROFILES, (user,))?)))
    }

    /// Whether the user id is an account of this server that can receive: it exists and is not deactivated.
    pub fn is_active(&self, user: &UserId) -> Result<bool> {
        Ok(self.scope().get(&USERS, (user,))?.is_some_and(|row| !row.deactivated))
    }

    /// The account of this identity, whatever its status: callers refuse deactivated and locked ones.
    pub fn by_identity(&self, issuer: &str, subject: &str) -> Result<Option<User>> {
        match self.scope().get(&IDENTITIES, (issuer, subject))? {
            Some(UserIdRow(user)) => self.user(&user),
            None => Ok(None),
        }
    }

    /// An account that an administrator created for this address and that has no identity yet. An e-mail address is never
    /// an identity by itself: once linked, an account is not found here any more.
    pub fn precreated_by_email(&self, email: &str) -> Result<Option<User>> {
        let Ok(email) = normal_email(email) else { return Ok(None) };
        let Some(UserIdRow(user)) = self.scope().get(&PRECREATED, (email,))? else { return Ok(None) };
        Ok(self.user(&user)?.filter(|user| user.identity.is_none() && !user.deactivated))
    }

    /// Gives a pre-created account its identity.
    ///
    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `IdentityInUse` when the account has an identity already, is a service, or the identity
    /// belongs to another account.
    pub async fn link_identity(&self, user: &UserId, identity: Identity) -> Result<()> {
        check_identity(&identity)?;
        let _changing = self.change(user).await;
        let mut row = self.living(user)?;
        if row.identity.is_some() || row.kind != UserKind::Person {
            return Err(Error::IdentityInUse("This account has an identity already"));
        }
        let mut batch = self.scope().batch();
        let key = (identity.issuer.as_str(), identity.subject.as_str());
        batch.expect(&IDENTITIES, key, None);
        batch.put(&IDENTITIES, key, &UserIdRow(user.to_owned()));
        if let Some(email) = &row.email {
            batch.delete(&PRECREATED, (email.as_str(),));
        }
        row.identity = Some(identity.clone());
        batch.put(&USERS, (user,), &row);
        announce(&mut batch, &Change::User { user: user.to_owned() });
        match self.commit(batch).await {
            Err(Error::Conflict) => Err(Error::IdentityInUse("This identity belongs to another account")),
            other => other.map(|_| ()),
        }
    }

    /// At most `limit` accounts after this one, in a fixed order.
    pub fn list(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<User>> {
        let mut scan = self.scope().scan(&USERS, ()).limit(limit.min(PAGE_MAX));
        if let Some(after) = after {
            scan = scan.after((after,));
        }
        let rows = scan.rows()?;
        let keys: Vec<_> = rows.iter().map(|((user,), _)| (user.clone(),)).collect();
        let profiles = self.scope().multi_get(&PROFILES, &keys)?;
        let users = rows.into_iter().zip(profiles);
        Ok(users.map(|(((user,), row), profile)| User::from_rows(user, row, profile)).collect())
    }

    /// The row of an account that is not deactivated.
    pub(crate) fn living(&self, user: &UserId) -> Result<UserRow> {
        match self.scope().get(&USERS, (user,))? {
            Some(row) if row.deactivated => Err(Error::Deactivated),
            Some(row) => Ok(row),
            None => Err(Error::NoSuchUser),
        }
    }
}

fn check_identity(identity: &Identity) -> Result<()> {
    if identity.issuer.is_empty() || identity.subject.is_empty() {
        return Err(Error::InvalidParam("An identity needs an issuer and a subject".to_owned()));
    }
    check_length(&identity.issuer, "an issuer", ISSUER_BYTES_MAX)?;
    check_length(&identity.subject, "a subject", SUBJECT_BYTES_MAX)
}

/// The address in lower case, if no two programs could read it differently (hazard A17).
fn normal_email(email: &str) -> Result<String> {
    let email = policy::Email::parse(email).map_err(|error| Error::InvalidParam(error.to_string()))?;
    Ok(email.to_string())
}

/// The display name without surrounding space; no control characters, not empty.
fn normal_name(name: &str) -> Result<String> {
    let name = name.trim();
    check_length(name, "a display name", NAME_BYTES_MAX)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Error::InvalidUsername("This is no display name"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;
