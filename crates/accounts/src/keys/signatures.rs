//! Uploaded signatures: each is verified, and only the three relationships of the specification are taken.

use std::collections::BTreeMap;

use kernel::id::{OwnedUserId, UserId};

use crate::{Accounts, Result, SignatureFailure, accounts::later};

impl Accounts {
    /// `POST /keys/signatures/upload`: user → (device id or public key) → the signed object as JSON text. Takes what
    /// verifies, and says why the rest does not.
    pub async fn upload_signatures(
        &self,
        _user: &UserId,
        _signed: BTreeMap<OwnedUserId, BTreeMap<String, String>>,
    ) -> Result<BTreeMap<OwnedUserId, BTreeMap<String, SignatureFailure>>> {
        later()
    }
}
