//! A tenant: one town of the process, with a server name, users, rooms, keys and rules of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::OwnedServerName;

/// The number that every key of a tenant's data begins with; given once, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub u32);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    /// The `server_name` after the colon of its user ids.
    pub server_name: OwnedServerName,
}
