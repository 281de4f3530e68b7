//! The end of sessions. A session that ends takes its device with it, as the specification wants of a logout.

use kernel::id::{DeviceId, OwnedDeviceId, OwnedUserId, UserId};

use super::SessionKind;
use crate::{
    Accounts, Result,
    tables::{ACCESS_TOKENS, DeviceKey, Hash, REFRESH_FAMILIES, SESSIONS, SessionRow},
    tokens,
};

impl Accounts {
    /// Whose session this access or refresh token belongs to, expired or not; `None` if to none.
    pub fn token_owner(&self, token: &str) -> Result<Option<(OwnedUserId, OwnedDeviceId, SessionKind)>> {
        Ok(self.session_of(token)?.map(|(key, row)| (key.user, key.device, row.kind)))
    }

    /// Ends the session of this access or refresh token and deletes its device. An unknown token is no error
    /// (RFC 7009 §2.2); returns whether it was known.
    pub async fn revoke(&self, token: &str) -> Result<bool> {
        let Some((key, _)) = self.session_of(token)? else { return Ok(false) };
        let _changing = self.change(&key.user).await;
        // Another sign-in may have taken the device over meanwhile.
        let known = self.session_of(token)?.is_some();
        if known {
            self.delete_devices_of(&key.user, std::slice::from_ref(&key.device)).await?;
        }
        Ok(known)
    }

    /// Ends the session and deletes its device; no error if there is none.
    pub async fn end_session(&self, user: &UserId, device: &DeviceId) -> Result<()> {
        self.delete_devices(user, &[device.to_owned()]).await
    }

    pub async fn end_all_sessions(&self, user: &UserId) -> Result<()> {
        let devices: Vec<_> = self.devices(user)?.into_iter().map(|device| device.id).collect();
        self.delete_devices(user, &devices).await
    }

    /// The session that a valid-looking token belongs to now.
    fn session_of(&self, token: &str) -> Result<Option<(DeviceKey, SessionRow)>> {
        let Some(hash) = tokens::presented(token) else { return Ok(None) };
        let family = tokens::family(token).map(tokens::hash);
        let key = match family {
            Some(family) => self.scope().get(&REFRESH_FAMILIES, (family,))?,
            None => self.scope().get(&ACCESS_TOKENS, (hash,))?,
        };
        let Some(key) = key else { return Ok(None) };
        let Some(row) = self.scope().get(&SESSIONS, (&*key.user, &*key.device))? else { return Ok(None) };
        Ok(holds(&row, hash, family).then_some((key, row)))
    }
}

/// Whether the token is one of the session's: not one that was retired.
fn holds(row: &SessionRow, hash: Hash, family: Option<Hash>) -> bool {
    let refresh = row.refresh.as_ref();
    let previous = refresh.and_then(|refresh| refresh.previous.as_ref());
    match family {
        Some(family) => refresh.is_some_and(|refresh| {
            refresh.family == family
                && (refresh.current == hash || previous.is_some_and(|previous| previous.refresh == hash))
        }),
        None => row.access.hash == hash || previous.is_some_and(|previous| previous.access.hash == hash),
    }
}
