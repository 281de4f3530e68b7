//! Sessions: one per device, with its tokens.

mod end;
mod refresh;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kernel::{
    Timestamp,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId},
};
use serde::{Deserialize, Serialize};
use store::Batch;

use crate::{
    Accounts, Change, Error, Result, UserKind,
    accounts::{announce, millis},
    tables::{
        ACCESS_TOKENS, AccessRow, DeviceKey, Hash, OAUTH_CLIENTS, REFRESH_FAMILIES, RefreshRow, SESSIONS, SessionRow,
        USERS, UserRow,
    },
    tokens::{self, Known},
};

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

/// Tokens that were made up but not given yet.
struct Minted {
    access: String,
    row: AccessRow,
}

impl Accounts {
    /// The age of the last sign-in at the identity provider past which people's sessions answer `UnknownToken` with
    /// `soft_logout`; 30 days unless set.
    pub fn set_sign_in_age_max(&self, age: Duration) {
        self.inner.sign_in_age_max_ms.store(millis(age), Ordering::Relaxed);
    }

    /// # Errors
    /// `NoSuchUser`, `Deactivated`, `Locked`, `InvalidParam` for a device id that cannot be, `TooLarge`.
    pub async fn start_session(&self, new: NewSession) -> Result<Tokens> {
        let user = new.user.clone();
        let _changing = self.change(&user).await;
        let mut batch = self.scope().batch();
        let (tokens, _) = self.add_session(&mut batch, new)?;
        self.commit(batch).await?;
        Ok(tokens)
    }

    /// Adds a new session to the batch of a change of its user. Returns the session's id beside the tokens.
    pub(crate) fn add_session(&self, batch: &mut Batch, new: NewSession) -> Result<(Tokens, [u8; 16])> {
        let NewSession { user, device, display_name, kind, access_lifetime, refresh } = new;
        if self.living(&user)?.locked {
            return Err(Error::Locked);
        }
        let device = self.add_device(batch, &user, device, display_name)?;
        if let Some(old) = self.scope().get(&SESSIONS, (&*user, &*device))? {
            forget_tokens(batch, &old);
        }
        if let SessionKind::Oauth { client_id, .. } = &kind {
            self.note_client_use(batch, client_id)?;
        }
        let lifetime_ms = access_lifetime.map(millis);
        let minted = self.mint_access(lifetime_ms);
        let mut id = [0; 16];
        self.random().fill(&mut id);
        let key = DeviceKey { user: user.clone(), device: device.clone() };
        let mut row = SessionRow {
            id,
            kind: kind.clone(),
            started: self.now(),
            access_lifetime_ms: lifetime_ms,
            access: minted.row,
            refresh: None,
        };
        let refresh = refresh.then(|| {
            let family = tokens::new_family(self.random());
            let token = tokens::refresh_token(self.random(), &family);
            let family = tokens::hash(&family);
            let current = tokens::hash(&token);
            row.refresh = Some(RefreshRow { family, current, previous: None, retired: None, void: Vec::new() });
            batch.put(&REFRESH_FAMILIES, (family,), &key);
            token
        });
        batch.put(&ACCESS_TOKENS, (row.access.hash,), &key);
        batch.put(&SESSIONS, (&*user, &*device), &row);
        announce(batch, &Change::Session { user: user.clone(), device: device.clone() });
        Ok((Tokens { user, device, access: minted.access, refresh, expires_in: access_lifetime, kind }, id))
    }

    /// Whose access token it is. From memory, after its first use.
    ///
    /// # Errors
    /// `UnknownToken` (with `soft_logout` when it expired or the sign-in is too old), `Locked`.
    pub async fn authenticate(&self, access_token: &str) -> Result<Arc<Session>> {
        let hash = tokens::presented(access_token).ok_or(Error::UnknownToken { soft_logout: false })?;
        let known = match self.inner.tokens.get(&hash) {
            Some(known) => known,
            None => self.look_up(hash).await?,
        };
        let now = self.now();
        let expired = known.expires.is_some_and(|expires| expires <= now);
        if expired || known.signed_in_at.is_some_and(|at| self.sign_in_is_too_old(at, now)) {
            return Err(Error::UnknownToken { soft_logout: true });
        }
        Ok(known.session)
    }

    async fn look_up(&self, hash: Hash) -> Result<Known> {
        let unknown = || Error::UnknownToken { soft_logout: false };
        let DeviceKey { user, device } = self.scope().get(&ACCESS_TOKENS, (hash,))?.ok_or_else(unknown)?;
        let gate = self.inner.tokens.gate(&user);
        let row = self.scope().get(&SESSIONS, (&*user, &*device))?.ok_or_else(unknown)?;
        let account = self.scope().get(&USERS, (&*user,))?.filter(|row| !row.deactivated).ok_or_else(unknown)?;
        let previous = row.refresh.as_ref().and_then(|refresh| refresh.previous.as_ref());
        let access = [Some(&row.access), previous.map(|previous| &previous.access)];
        let access = access.into_iter().flatten().find(|access| access.hash == hash).ok_or_else(unknown)?.clone();
        if account.locked {
            return Err(Error::Locked);
        }
        let first_use = previous.is_some() && access.hash == row.access.hash;
        let known = Known {
            signed_in_at: ages(&account, &row.kind).then_some(account.signed_in_at),
            session: Arc::new(Session {
                user: user.clone(),
                device: device.clone(),
                kind: row.kind,
                user_kind: account.kind,
                admin: account.admin,
                suspended: account.suspended,
            }),
            expires: access.expires,
            gate,
        };
        if first_use {
            // Not kept in memory yet: this very change closes the gate.
            self.retire_previous(&user, &device, hash).await?;
        } else {
            self.inner.tokens.put(hash, known.clone());
        }
        Ok(known)
    }

    pub fn sessions(&self, user: &UserId) -> Result<Vec<SessionInfo>> {
        let devices = self.devices(user)?.into_iter();
        let mut sessions: std::collections::HashMap<_, _> =
            self.scope().scan(&SESSIONS, (user,)).rows()?.into_iter().map(|((_, id), row)| (id, row)).collect();
        let infos = devices.filter_map(|device| {
            let row = sessions.remove(&device.id)?;
            Some(SessionInfo {
                device: device.id,
                display_name: device.display_name,
                kind: row.kind,
                started: row.started,
                last_seen_ip: device.last_seen_ip,
                last_seen_at: device.last_seen_at,
            })
        });
        Ok(infos.collect())
    }

    /// Whether the device has a session now.
    pub fn has_session(&self, user: &UserId, device: &DeviceId) -> Result<bool> {
        Ok(self.scope().has(&SESSIONS, (user, device))?)
    }

    fn mint_access(&self, lifetime_ms: Option<u64>) -> Minted {
        let access = tokens::access_token(self.random());
        let expires = lifetime_ms.map(|lifetime| self.now().plus(Duration::from_millis(lifetime)));
        Minted { row: AccessRow { hash: tokens::hash(&access), expires }, access }
    }

    fn sign_in_is_too_old(&self, signed_in_at: Timestamp, now: Timestamp) -> bool {
        millis(now.since(signed_in_at)) > self.inner.sign_in_age_max_ms.load(Ordering::Relaxed)
    }

    /// Keeps a registered client for good once somebody signs in with it.
    fn note_client_use(&self, batch: &mut Batch, client_id: &str) -> Result<()> {
        if let Some(mut client) = self.scope().get(&OAUTH_CLIENTS, (client_id,))?
            && !client.used
        {
            client.used = true;
            batch.put(&OAUTH_CLIENTS, (client_id,), &client);
        }
        Ok(())
    }
}

/// Whether sessions of this kind of this account end with the age of the sign-in.
fn ages(account: &UserRow, kind: &SessionKind) -> bool {
    account.kind == UserKind::Person && *kind != SessionKind::Service
}

/// Makes the session's tokens unknown.
pub(crate) fn forget_tokens(batch: &mut Batch, row: &SessionRow) {
    batch.delete(&ACCESS_TOKENS, (row.access.hash,));
    if let Some(refresh) = &row.refresh {
        batch.delete(&REFRESH_FAMILIES, (refresh.family,));
        if let Some(previous) = &refresh.previous {
            batch.delete(&ACCESS_TOKENS, (previous.access.hash,));
        }
    }
}

#[cfg(test)]
mod tests;
