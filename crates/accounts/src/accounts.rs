//! The handle of one tenant's accounts.

use std::sync::Arc;

use kernel::{Clock, Position, Random, id::OwnedServerName};
use store::Scope;

use crate::{Error, Result};

/// One tenant's people. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) scope: Scope,
    pub(crate) server_name: OwnedServerName,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Accounts {
    /// Opens the accounts of the tenant that `scope` is of; once per tenant and process.
    pub fn open(
        scope: Scope,
        server_name: OwnedServerName,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        Ok(Self { inner: Arc::new(Inner { scope, server_name, clock, random }) })
    }

    /// The last position of the tenant's stream that can be read.
    pub fn position(&self) -> Position {
        self.inner.scope.position()
    }
}

pub(crate) fn later<T>() -> Result<T> {
    Err(Error::Store(store::Error::Unavailable))
}
