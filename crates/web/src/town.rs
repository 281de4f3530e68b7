//! What the kit asks of a tenant: its name, and who a token belongs to.

use std::{ops::Deref, sync::Arc};

use kernel::{
    Kind,
    id::{DeviceId, OwnedDeviceId, OwnedUserId, ServerName},
};

use crate::{Error, Result};

/// An edge's handle to one tenant: all that its handlers can reach.
pub trait Town: Send + Sync + 'static {
    fn server_name(&self) -> &ServerName;

    /// Whose access token this is. The token is neither empty nor longer than [`crate::token::TOKEN_BYTES_MAX`].
    ///
    /// # Errors
    /// 401: [`Error::unknown_token`] with `soft_logout` when the session lives but this token has expired; `M_USER_LOCKED`.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Caller>> + Send;
}

/// Who makes a request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

#[derive(Clone, Debug)]
pub struct Identity {
    pub user: OwnedUserId,
    /// None for tokens without a device: an application service's, an administrator's tool.
    pub device: Option<OwnedDeviceId>,
    pub session: Session,
    /// May use the routes of [`crate::Access::Admin`] of this tenant.
    pub is_admin: bool,
    /// May read and leave, not write (spec, "Account suspension").
    pub is_suspended: bool,
}

/// The signed-in session that a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The owner's id of the session; never the token.
    pub id: String,
    pub kind: SessionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Signed in by the OAuth 2.0 API: no user-interactive authentication, short-lived tokens.
    OAuth,
    /// Signed in by `POST /login`.
    Legacy,
    AppService,
}

impl Caller {
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(identity))
    }

    /// The caller's device.
    ///
    /// # Errors
    /// 400 `M_INVALID_PARAM` if the token has none.
    pub fn device(&self) -> Result<&DeviceId> {
        let no_device = || Error::new(Kind::InvalidParam, "This access token has no device");
        self.0.device.as_deref().ok_or_else(no_device)
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}
