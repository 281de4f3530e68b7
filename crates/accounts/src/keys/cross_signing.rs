//! Cross-signing keys: the master key vouches for the self-signing and user-signing keys (spec, "Cross-signing").

use kernel::{Timestamp, id::UserId};

use crate::{Accounts, CrossSigningKeys, Result, accounts::later};

impl Accounts {
    pub fn has_cross_signing(&self, _user: &UserId) -> Result<bool> {
        later()
    }

    /// Whether taking these keys would replace ones that are there: then the caller must hold a reset window or have
    /// confirmed in another way. Setting the first keys, or the same again, is free.
    pub fn replaces_cross_signing(&self, _user: &UserId, _keys: &CrossSigningKeys) -> Result<bool> {
        later()
    }

    /// Takes the keys after checking shapes and signatures, all or none.
    ///
    /// # Errors
    /// `ResetNeeded` when keys would be replaced and no reset window is open; `BadJson`, `InvalidParam`,
    /// `InvalidSignature`.
    pub async fn upload_cross_signing(&self, _user: &UserId, _keys: CrossSigningKeys) -> Result<()> {
        later()
    }

    /// Lets the user replace their cross-signing keys once, for ten minutes. Called after a fresh sign-in.
    pub async fn open_reset_window(&self, _user: &UserId) -> Result<Timestamp> {
        later()
    }

    pub fn reset_window_is_open(&self, _user: &UserId) -> Result<bool> {
        later()
    }
}
