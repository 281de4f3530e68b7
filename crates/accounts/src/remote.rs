//! What accounts need of other servers: a port that the federation edge implements and `src/app.rs` wires.
//!
//! Keys and profiles cross it as JSON text, unverified: whatever comes back is checked here before it is kept or shown.
//! Which servers may be reached at all is decided behind the port.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kernel::{
    RemoteError, RemoteResult,
    id::{OwnedDeviceId, OwnedUserId, ServerName, UserId},
};

use crate::{ClaimRequest, ClaimedKey};

/// Other servers, as accounts see them. Each call has its own deadline behind the port and answers with an error after it.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// Whether this server may be reached at all: the allowlist. Nothing is kept for one that may not.
    fn allows(&self, server: &ServerName) -> bool;

    /// `GET /user/devices/{userId}` of the user's server.
    async fn devices(&self, user: &UserId) -> RemoteResult<DeviceList>;

    /// `POST /user/keys/query`
    async fn query_keys(&self, to: &ServerName, wanted: &Wanted) -> RemoteResult<PublicKeys>;

    /// `POST /user/keys/claim`
    async fn claim_keys(&self, to: &ServerName, wanted: &[ClaimRequest]) -> RemoteResult<Vec<ClaimedKey>>;

    /// `GET /query/profile` of the user's server: a JSON object, of all fields or of this one.
    async fn profile(&self, user: &UserId, field: Option<&str>) -> RemoteResult<String>;
}

/// Whose keys are asked for: user → devices, all of them when the list is empty.
pub type Wanted = BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>;

/// All of a user's devices, as `GET /user/devices/{userId}` tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    pub user: OwnedUserId,
    /// The last [`DeviceListUpdate`] that is contained in it.
    pub stream_id: u64,
    pub devices: Vec<ListedDevice>,
    /// JSON text, as the next.
    pub master: Option<String>,
    pub self_signing: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    pub id: OwnedDeviceId,
    /// JSON text.
    pub keys: String,
    pub display_name: Option<String>,
}

/// What `POST /user/keys/query` answers, each key as JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys {
    pub devices: BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, String>>,
    pub master: BTreeMap<OwnedUserId, String>,
    pub self_signing: BTreeMap<OwnedUserId, String>,
}

/// `m.device_list_update`: one device of a user is new, has other keys, or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceListUpdate {
    pub user: OwnedUserId,
    pub device: OwnedDeviceId,
    pub display_name: Option<String>,
    pub stream_id: u64,
    /// The updates before this one: who does not know them has missed some.
    pub prev_id: Vec<u64>,
    pub deleted: bool,
    /// JSON text.
    pub keys: Option<String>,
}

/// `m.signing_key_update`, each key as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyUpdate {
    pub user: OwnedUserId,
    pub master: Option<String>,
    pub self_signing: Option<String>,
}

/// No other servers at all.
pub struct Offline;

impl Offline {
    fn refuse<T>(to: &ServerName) -> RemoteResult<T> {
        Err(RemoteError::NotAllowed(to.to_owned()))
    }
}

#[async_trait]
impl Remote for Offline {
    fn allows(&self, _: &ServerName) -> bool {
        false
    }

    async fn devices(&self, user: &UserId) -> RemoteResult<DeviceList> {
        Self::refuse(user.server_name())
    }

    async fn query_keys(&self, to: &ServerName, _: &Wanted) -> RemoteResult<PublicKeys> {
        Self::refuse(to)
    }

    async fn claim_keys(&self, to: &ServerName, _: &[ClaimRequest]) -> RemoteResult<Vec<ClaimedKey>> {
        Self::refuse(to)
    }

    async fn profile(&self, user: &UserId, _: Option<&str>) -> RemoteResult<String> {
        Self::refuse(user.server_name())
    }
}
