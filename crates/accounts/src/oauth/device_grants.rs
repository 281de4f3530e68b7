//! Device authorization grants (RFC 8628): a device shows a code, its person approves it elsewhere, the device polls.

use std::time::Duration;

use kernel::id::OwnedUserId;
use store::Batch;

use crate::{
    Accounts, Error, NewSession, Result, Tokens,
    accounts::check_length,
    tables::{DEVICE_GRANTS, EXPIRIES, Expiring, GrantRow, GrantState, Hash, HashRow, USER_CODES},
    tokens,
};

const LIFETIME: Duration = Duration::from_secs(20 * 60);
const POLL_INTERVAL: Duration = Duration::from_secs(5);
const DETAILS_BYTES_MAX: usize = 16_384;
/// Grants that wait in one tenant.
const GRANTS_MAX: usize = 1_000;
/// Letters of a user code: 26^8, far beyond guessing at a limited rate within its lifetime (RFC 8628 §5.1).
const USER_CODE_LENGTH: usize = 8;

#[derive(Clone, Debug)]
pub struct NewDeviceGrant {
    pub client_id: String,
    /// What `auth` needs again (scope), as it likes.
    pub details: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedGrant {
    pub device_code: String,
    /// Eight letters that a person types.
    pub user_code: String,
    pub expires_in: Duration,
    pub interval: Duration,
}

/// A grant as its approval page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceGrant {
    pub client_id: String,
    pub details: String,
    pub decided: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Approve { user: OwnedUserId },
    Deny,
}

/// What a polling device is told (RFC 8628 §3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    Pending,
    SlowDown,
    Denied,
    /// Unknown, used or too old.
    Expired,
    /// To be exchanged at once.
    Approved {
        user: OwnedUserId,
        details: String,
    },
}

impl Accounts {
    /// # Errors
    /// `TooLarge`, `TooMany`.
    pub async fn start_device_grant(&self, new: NewDeviceGrant) -> Result<StartedGrant> {
        check_length(&new.details, "the details of a grant", DETAILS_BYTES_MAX)?;
        if self.scope().scan(&DEVICE_GRANTS, ()).limit(GRANTS_MAX).keys()?.len() >= GRANTS_MAX {
            return Err(Error::TooMany { what: "waiting device grants", limit: GRANTS_MAX });
        }
        let device_code = tokens::one_use_token(self.random(), "bfd_");
        let user_code = self.random().letters(USER_CODE_LENGTH);
        let (hash, expires) = (tokens::hash(&device_code), self.now().plus(LIFETIME));
        let NewDeviceGrant { client_id, details } = new;
        let row = GrantRow { client_id, details, user_code: user_code.clone(), expires, state: GrantState::Pending };
        let mut batch = self.scope().batch();
        batch.expect(&USER_CODES, (user_code.as_str(),), None);
        batch.put(&USER_CODES, (user_code.as_str(),), &HashRow(hash));
        batch.put(&DEVICE_GRANTS, (hash,), &row);
        batch.put(&EXPIRIES, (expires, hash), &Expiring::DeviceGrant { user_code: user_code.clone() });
        self.commit(batch).await?;
        Ok(StartedGrant { device_code, user_code, expires_in: LIFETIME, interval: POLL_INTERVAL })
    }

    /// Case, spaces and dashes in the user code do not matter. `None`: unknown or expired.
    pub fn device_grant(&self, user_code: &str) -> Result<Option<DeviceGrant>> {
        let grant = self.grant_by_user_code(user_code)?;
        Ok(grant.map(|(_, row)| DeviceGrant {
            client_id: row.client_id,
            details: row.details,
            decided: row.state != GrantState::Pending,
        }))
    }

    /// # Errors
    /// `NotFound` when unknown or expired; `Conflict` when decided already.
    pub async fn decide_device_grant(&self, user_code: &str, decision: Decision) -> Result<()> {
        let (hash, mut row) = self.grant_by_user_code(user_code)?.ok_or(Error::NotFound("code"))?;
        if row.state != GrantState::Pending {
            return Err(Error::Conflict);
        }
        let mut batch = self.scope().batch();
        batch.expect(&DEVICE_GRANTS, (hash,), Some(&row));
        row.state = match decision {
            Decision::Approve { user } => {
                self.living(&user)?;
                GrantState::Approved(user)
            }
            Decision::Deny => GrantState::Denied,
        };
        batch.put(&DEVICE_GRANTS, (hash,), &row);
        self.commit(batch).await?;
        Ok(())
    }

    /// Only the client that started the grant learns of it.
    pub fn poll_device_grant(&self, device_code: &str, client_id: &str) -> Result<Poll> {
        let Some((hash, row)) = self.grant(device_code)?.filter(|(_, row)| row.client_id == client_id) else {
            return Ok(Poll::Expired);
        };
        let now = self.now();
        let last = self.inner.polls.get(&hash);
        self.inner.polls.insert(hash, now);
        Ok(match row.state {
            GrantState::Approved(user) => Poll::Approved { user, details: row.details },
            GrantState::Denied => Poll::Denied,
            GrantState::Pending if last.is_some_and(|last| now.since(last) < POLL_INTERVAL) => Poll::SlowDown,
            GrantState::Pending => Poll::Pending,
        })
    }

    /// Uses an approved grant up and starts the session, both or neither.
    ///
    /// # Errors
    /// `NotFound` when unknown, expired, used or not approved for this user. Those of [`Accounts::start_session`].
    pub async fn exchange_device_grant(&self, device_code: &str, session: NewSession) -> Result<Tokens> {
        let unknown = || Error::NotFound("code");
        let _changing = self.change(&session.user).await;
        let (hash, row) = self.grant(device_code)?.ok_or_else(unknown)?;
        if row.state != GrantState::Approved(session.user.clone()) {
            return Err(unknown());
        }
        let mut batch = self.scope().batch();
        let (tokens, _) = self.add_session(&mut batch, session)?;
        delete_grant(&mut batch, hash, &row.user_code);
        batch.delete(&EXPIRIES, (row.expires, hash));
        self.commit(batch).await?;
        Ok(tokens)
    }

    fn grant(&self, device_code: &str) -> Result<Option<(Hash, GrantRow)>> {
        let Some(hash) = tokens::presented(device_code) else { return Ok(None) };
        let row = self.scope().get(&DEVICE_GRANTS, (hash,))?.filter(|row| row.expires > self.now());
        Ok(row.map(|row| (hash, row)))
    }

    fn grant_by_user_code(&self, user_code: &str) -> Result<Option<(Hash, GrantRow)>> {
        if user_code.len() > USER_CODE_LENGTH * 4 {
            return Ok(None);
        }
        let typed = user_code.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let Some(HashRow(hash)) = self.scope().get(&USER_CODES, (code,))? else { return Ok(None) };
        let row = self.scope().get(&DEVICE_GRANTS, (hash,))?.filter(|row| row.expires > self.now());
        Ok(row.map(|row| (hash, row)))
    }
}

pub(crate) fn delete_grant(batch: &mut Batch, hash: Hash, user_code: &str) {
    batch.delete(&DEVICE_GRANTS, (hash,));
    batch.delete(&USER_CODES, (user_code,));
}
