//! What `/keys/query` answers for a local user.

use kernel::id::{OwnedDeviceId, UserId};

use crate::{Accounts, Result, UserKeys, accounts::later};

impl Accounts {
    /// The keys of `user` as `caller` may see them (`None`: another server), of these devices, or of all when the list is
    /// empty. `None`: no such user, or a deactivated one.
    pub fn query_keys(
        &self,
        _caller: Option<&UserId>,
        _user: &UserId,
        _devices: &[OwnedDeviceId],
    ) -> Result<Option<UserKeys>> {
        later()
    }
}
