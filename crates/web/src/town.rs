//! What the kit asks of a tenant: its name, whose a token is, and which homeserver signed a request.

use std::{any::Any, ops::Deref, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt};
use http::StatusCode;
use kernel::{
    Kind,
    id::{DeviceId, OwnedDeviceId, OwnedServerName, OwnedUserId, ServerName},
};

use crate::{Arrival, Error, Result};

/// An edge's handle to one tenant: all that its handlers can reach.
pub trait Town: Send + Sync + 'static {
    fn server_name(&self) -> &ServerName;

    /// Whose access token this is. The token is neither empty nor longer than [`crate::token::TOKEN_BYTES_MAX`].
    ///
    /// # Errors
    /// 401: [`Error::unknown_token`] with `soft_logout` when the session lives but this token has expired; `M_USER_LOCKED`.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Caller>> + Send;

    /// Which homeserver signed this request (spec, server-server API, "Request Authentication"). Asked for routes of
    /// [`crate::Access::Server`]; an edge that has such routes answers it.
    ///
    /// # Errors
    /// 401 `M_UNAUTHORIZED` for a signature that is missing or wrong, 403 for a server that this tenant does not talk to, 429.
    fn authenticate_server(&self, _: &mut Arrival<'_>) -> impl Future<Output = Result<Homeserver>> + Send {
        async { Err(Error::custom(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", "No other server may ask for this")) }
    }
}

/// A [`Town`] without its type.
pub(crate) trait AnyTown: Send + Sync {
    fn server_name(&self) -> &ServerName;
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller>>;
    fn authenticate_server<'a>(&'a self, request: &'a mut Arrival<'_>) -> BoxFuture<'a, Result<Homeserver>>;
}

impl<T: Town> AnyTown for T {
    fn server_name(&self) -> &ServerName {
        Town::server_name(self)
    }

    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller>> {
        Town::authenticate(self, token).boxed()
    }

    fn authenticate_server<'a>(&'a self, request: &'a mut Arrival<'_>) -> BoxFuture<'a, Result<Homeserver>> {
        Town::authenticate_server(self, request).boxed()
    }
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

/// The homeserver that signed a request: its name, and its place among the requests of that server that are answered at once.
/// Cheap to clone; the place is free again when the last clone is gone.
#[derive(Clone)]
pub struct Homeserver {
    name: OwnedServerName,
    _place: Arc<dyn Any + Send + Sync>,
}

impl Homeserver {
    /// `place` is kept for as long as the request is answered.
    pub fn new(name: OwnedServerName, place: impl Any + Send + Sync) -> Self {
        Self { name, _place: Arc::new(place) }
    }
}

impl Deref for Homeserver {
    type Target = ServerName;

    fn deref(&self) -> &ServerName {
        &self.name
    }
}

impl std::fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Homeserver({})", self.name)
    }
}
