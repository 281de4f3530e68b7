//! Rotation of tokens, and what an old refresh token that comes back means (RFC 9700 §4.14.2; hazard A20).
//!
//! A client may lose the answer to a refresh, so the old pair stays valid until the new access token (or the new refresh
//! token) is used. From then on the old refresh token is retired: whoever shows it holds a copy, and the session ends.

use std::time::Duration;

use kernel::id::{DeviceId, UserId};
use store::Batch;

use super::{Tokens, ages};
use crate::{
    Accounts, Change, Error, Result,
    accounts::announce,
    tables::{ACCESS_TOKENS, DeviceKey, Hash, PreviousRow, REFRESH_FAMILIES, RefreshRow, SESSIONS, SessionRow},
    tokens,
};

/// A retired refresh token that comes back within this time is a stray repetition of the request that retired it.
const STRAY_REPETITION: Duration = Duration::from_secs(10);
/// Void refresh tokens that are remembered.
const VOID_MAX: usize = 4;

impl Accounts {
    /// Gives new tokens for a refresh token. The old pair stays valid until the new access token is first used; an old
    /// refresh token that comes again after that ends the session.
    ///
    /// # Errors
    /// `UnknownToken`; `Replayed` when the session was ended for the reuse of a retired token; `Locked`.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        let unknown = || Error::UnknownToken { soft_logout: false };
        let shown = tokens::presented(refresh_token).ok_or_else(unknown)?;
        let family = tokens::family(refresh_token).ok_or_else(unknown)?;
        let family_hash = tokens::hash(family);
        let key = self.scope().get(&REFRESH_FAMILIES, (family_hash,))?.ok_or_else(unknown)?;
        let _changing = self.change(&key.user).await;
        let row = self.scope().get(&SESSIONS, (&*key.user, &*key.device))?.ok_or_else(unknown)?;
        let Some(refresh) = row.refresh.clone().filter(|refresh| refresh.family == family_hash) else {
            return Err(unknown());
        };
        let account = self.living(&key.user).map_err(|_| unknown())?;
        if account.locked {
            return Err(Error::Locked);
        }
        if ages(&account, &row.kind) && self.sign_in_is_too_old(account.signed_in_at, self.now()) {
            return Err(Error::UnknownToken { soft_logout: true });
        }
        if shown == refresh.current {
            self.rotate(key, row, refresh, family, true).await
        } else if refresh.previous.as_ref().is_some_and(|previous| previous.refresh == shown) {
            self.rotate(key, row, refresh, family, false).await
        } else if self.is_harmless(&refresh, shown) {
            Err(unknown())
        } else {
            let DeviceKey { user, device } = &key;
            tracing::warn!(target: "audit", %user, %device, "a retired refresh token came back: session ended");
            self.delete_devices_of(&key.user, std::slice::from_ref(&key.device)).await?;
            Err(Error::Replayed)
        }
    }

    /// Gives a new pair. `current_shown`: the current refresh token was shown, so its pair becomes the previous one;
    /// otherwise the current pair never reached the client and is void.
    async fn rotate(
        &self,
        key: DeviceKey,
        mut row: SessionRow,
        refresh: RefreshRow,
        family: &str,
        current_shown: bool,
    ) -> Result<Tokens> {
        let mut batch = self.scope().batch();
        let RefreshRow { family: family_hash, current, previous, mut retired, mut void } = refresh;
        let previous = if current_shown {
            if let Some(previous) = previous {
                batch.delete(&ACCESS_TOKENS, (previous.access.hash,));
                retired = Some((previous.refresh, self.now()));
            }
            Some(PreviousRow { access: row.access.clone(), refresh: current })
        } else {
            batch.delete(&ACCESS_TOKENS, (row.access.hash,));
            void.insert(0, current);
            void.truncate(VOID_MAX);
            previous
        };
        let minted = self.mint_access(row.access_lifetime_ms);
        let token = tokens::refresh_token(self.random(), family);
        row.access = minted.row;
        row.refresh = Some(RefreshRow { family: family_hash, current: tokens::hash(&token), previous, retired, void });
        batch.put(&ACCESS_TOKENS, (row.access.hash,), &key);
        self.put_session(&mut batch, &key.user, &key.device, &row);
        self.commit(batch).await?;
        Ok(Tokens {
            user: key.user,
            device: key.device,
            access: minted.access,
            refresh: Some(token),
            expires_in: row.access_lifetime_ms.map(Duration::from_millis),
            kind: row.kind,
        })
    }

    /// The new access token was used for the first time: the pair before it ends.
    pub(super) async fn retire_previous(&self, user: &UserId, device: &DeviceId, used: Hash) -> Result<()> {
        let _changing = self.change(user).await;
        let Some(mut row) = self.scope().get(&SESSIONS, (user, device))? else { return Ok(()) };
        if row.access.hash != used {
            return Ok(());
        }
        let Some(refresh) = &mut row.refresh else { return Ok(()) };
        let Some(previous) = refresh.previous.take() else { return Ok(()) };
        refresh.retired = Some((previous.refresh, self.now()));
        let mut batch = self.scope().batch();
        batch.delete(&ACCESS_TOKENS, (previous.access.hash,));
        self.put_session(&mut batch, user, device, &row);
        self.commit(batch).await?;
        Ok(())
    }

    fn is_harmless(&self, refresh: &RefreshRow, shown: Hash) -> bool {
        let stray =
            refresh.retired.is_some_and(|(retired, at)| retired == shown && self.now().since(at) <= STRAY_REPETITION);
        stray || refresh.void.contains(&shown)
    }

    fn put_session(&self, batch: &mut Batch, user: &UserId, device: &DeviceId, row: &SessionRow) {
        batch.put(&SESSIONS, (user, device), row);
        announce(batch, &Change::Session { user: user.to_owned(), device: device.to_owned() });
    }
}
