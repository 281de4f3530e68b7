//! Device authorization grants (RFC 8628): a device shows a code, its person approves it elsewhere, the device polls.

use std::time::Duration;

use kernel::id::OwnedUserId;

use crate::{Accounts, NewSession, Result, Tokens, accounts::later};

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
    pub async fn start_device_grant(&self, _new: NewDeviceGrant) -> Result<StartedGrant> {
        later()
    }

    /// Case and dashes in the user code do not matter.
    pub fn device_grant(&self, _user_code: &str) -> Result<Option<DeviceGrant>> {
        later()
    }

    /// # Errors
    /// `NotFound` when unknown or expired; `Conflict` when decided already.
    pub async fn decide_device_grant(&self, _user_code: &str, _decision: Decision) -> Result<()> {
        later()
    }

    /// Only the client that started the grant learns of it.
    pub fn poll_device_grant(&self, _device_code: &str, _client_id: &str) -> Result<Poll> {
        later()
    }

    /// Uses an approved grant up and starts the session, both or neither.
    ///
    /// # Errors
    /// `NotFound` when unknown, expired, used or not approved for this user. Those of [`Accounts::start_session`].
    pub async fn exchange_device_grant(&self, _device_code: &str, _session: NewSession) -> Result<Tokens> {
        later()
    }
}
