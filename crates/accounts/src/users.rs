//! People and service accounts: creation, identities, administrators' decisions.

use kernel::{
    Timestamp,
    id::{OwnedUserId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::{Accounts, Result, accounts::later};

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
    /// May read, leave rooms and sign out, not write (spec, "Account suspension").
    pub suspended: bool,
    /// For ever: nothing of the account is left but its id.
    pub deactivated: bool,
    pub created: Timestamp,
    /// When the person last passed the identity provider.
    pub signed_in_at: Timestamp,
}

impl Accounts {
    /// # Errors
    /// `InvalidUsername`, `UserInUse`, `IdentityInUse` (identity or e-mail address belongs to another account).
    pub async fn create_user(&self, _new: NewUser) -> Result<OwnedUserId> {
        later()
    }

    pub fn user(&self, _user: &UserId) -> Result<Option<User>> {
        later()
    }

    /// Whether the user id is an account of this server that can be written to: exists and is not deactivated.
    pub fn is_active(&self, _user: &UserId) -> Result<bool> {
        later()
    }

    /// The account of this identity, whatever its status: callers refuse deactivated and locked ones.
    pub fn by_identity(&self, _issuer: &str, _subject: &str) -> Result<Option<User>> {
        later()
    }

    /// An account that an administrator created for this address and that has no identity yet. An e-mail address is never
    /// an identity by itself: once linked, an account is not found here any more.
    pub fn precreated_by_email(&self, _email: &str) -> Result<Option<User>> {
        later()
    }

    /// Gives a pre-created account its identity.
    ///
    /// # Errors
    /// `IdentityInUse` when the account has one already or the identity belongs to another account; `Deactivated`.
    pub async fn link_identity(&self, _user: &UserId, _identity: Identity) -> Result<()> {
        later()
    }

    /// At most `limit` accounts after this one, in a fixed order.
    pub fn list(&self, _after: Option<&UserId>, _limit: usize) -> Result<Vec<User>> {
        later()
    }

    pub async fn set_admin(&self, _user: &UserId, _admin: bool) -> Result<()> {
        later()
    }

    pub async fn lock(&self, _user: &UserId) -> Result<()> {
        later()
    }

    pub async fn unlock(&self, _user: &UserId) -> Result<()> {
        later()
    }

    pub async fn suspend(&self, _user: &UserId) -> Result<()> {
        later()
    }

    pub async fn unsuspend(&self, _user: &UserId) -> Result<()> {
        later()
    }

    /// Ends the account for ever: sessions, devices, keys, data, profile and address are erased; the user id and the
    /// identity stay taken, so that neither can come back as somebody else.
    pub async fn deactivate(&self, _user: &UserId) -> Result<()> {
        later()
    }

    /// Sets the computed display name; called at sign-in only (DESIGN §6). Returns whether it is another than before.
    pub async fn rename(&self, _user: &UserId, _display_name: &str) -> Result<bool> {
        later()
    }

    /// The person passed the identity provider just now: their sessions live for another sign-in age.
    pub async fn renew_sign_in(&self, _user: &UserId) -> Result<()> {
        later()
    }
}
