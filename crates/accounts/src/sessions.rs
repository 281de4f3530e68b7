//! Sessions: one per device, with its tokens.

use std::{sync::Arc, time::Duration};

use kernel::{
    Timestamp,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::{Accounts, Result, UserKind, accounts::later};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// Of the OAuth 2.0 API. `scope` is what was granted, as the token reply gives it.
    Oauth { client_id: String, scope: String },
    /// Of `POST /login`.
    Legacy,
    /// Of a program, opened by an administrator: never expires, whatever the sign-in age.
    Service,
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub user: OwnedUserId,
    /// `None`: a new device id is made up. An existing device keeps its keys and inbox, its old session ends.
    pub device: Option<OwnedDeviceId>,
    /// Name for a new device; an existing one keeps its name.
    pub display_name: Option<String>,
    pub kind: SessionKind,
    /// How long an access token lives; `None`: until it is revoked.
    pub access_lifetime: Option<Duration>,
    /// Whether a refresh token is given too.
    pub refresh: bool,
}

/// What a client is given, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    pub access: String,
    pub refresh: Option<String>,
    pub expires_in: Option<Duration>,
    pub kind: SessionKind,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("user", &self.user).field("device", &self.device).finish_non_exhaustive()
    }
}

/// Who a valid access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    pub kind: SessionKind,
    pub user_kind: UserKind,
    pub admin: bool,
    /// The edge refuses what a suspended user may not do.
    pub suspended: bool,
}

/// A session as its user and administrators see it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub device: OwnedDeviceId,
    pub display_name: Option<String>,
    pub kind: SessionKind,
    pub started: Timestamp,
    pub last_seen_ip: Option<String>,
    pub last_seen_at: Option<Timestamp>,
}

impl Accounts {
    /// The age of the last sign-in at the identity provider past which people's sessions answer `UnknownToken` with
    /// `soft_logout`; 30 days unless set.
    pub fn set_sign_in_age_max(&self, _age: Duration) {}

    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `Locked`, `InvalidParam` for a device id that cannot be.
    pub async fn start_session(&self, _new: NewSession) -> Result<Tokens> {
        later()
    }

    /// Whose access token it is. From memory, after its first use.
    ///
    /// # Errors
    /// `UnknownToken` (with `soft_logout` when it expired or the sign-in is too old), `Locked`.
    pub async fn authenticate(&self, _access_token: &str) -> Result<Arc<Session>> {
        later()
    }

    /// Gives new tokens for a refresh token. The old pair stays valid until the new access token is first used; an old
    /// refresh token that comes again after that ends the session.
    ///
    /// # Errors
    /// `UnknownToken`, `Locked`.
    pub async fn refresh(&self, _refresh_token: &str) -> Result<Tokens> {
        later()
    }

    /// Whose session this access or refresh token belongs to, expired or not; `None` if to none.
    pub fn token_owner(&self, _token: &str) -> Result<Option<(OwnedUserId, OwnedDeviceId, SessionKind)>> {
        later()
    }

    /// Ends the session of this access or refresh token and deletes its device. An unknown token is no error
    /// (RFC 7009 §2.2); returns whether it was known.
    pub async fn revoke(&self, _token: &str) -> Result<bool> {
        later()
    }

    /// Ends the session and deletes its device; no error if there is none.
    pub async fn end_session(&self, _user: &UserId, _device: &DeviceId) -> Result<()> {
        later()
    }

    pub async fn end_all_sessions(&self, _user: &UserId) -> Result<()> {
        later()
    }

    pub fn sessions(&self, _user: &UserId) -> Result<Vec<SessionInfo>> {
        later()
    }
}
