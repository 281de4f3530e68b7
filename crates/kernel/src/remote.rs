//! Why another server did not do what it was asked for: what the ports of all owners answer with.

use crate::{Fault, Kind, id::OwnedServerName};

pub type RemoteResult<T> = Result<T, RemoteError>;

/// Why another server did not do what it was asked for. Its own words go to logs, never to clients: a client that is told
/// that *its* token is unknown signs out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is not on the allowlist: nothing was sent.
    #[error("This server has no connection to {0}")]
    NotAllowed(OwnedServerName),
    #[error("{0} cannot be reached now")]
    Unreachable(OwnedServerName),
    #[error("{server} refused: {errcode}")]
    Refused { server: OwnedServerName, status: u16, errcode: String, text: String },
    #[error("{0} does not know of it")]
    NotFound(OwnedServerName),
    /// The room has a version that we do not know; which, if it says so.
    #[error("The room has a version that this server does not know")]
    IncompatibleRoomVersion(String),
    #[error("The answer of {0} cannot be understood")]
    Malformed(OwnedServerName),
}

impl RemoteError {
    /// Whether the same question may be answered another time.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused { status: 429 | 500.., .. })
    }
}

impl Fault for RemoteError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAllowed(_) => Kind::Forbidden,
            Self::Refused { status: 403, .. } => Kind::Forbidden,
            Self::Refused { errcode, .. } if errcode == "M_UNABLE_TO_AUTHORISE_JOIN" => Kind::UnableToAuthoriseJoin,
            Self::Refused { errcode, .. } if errcode == "M_UNABLE_TO_GRANT_JOIN" => Kind::UnableToGrantJoin,
            Self::NotFound(_) => Kind::NotFound,
            Self::IncompatibleRoomVersion(version) => Kind::IncompatibleRoomVersion { room_version: version.clone() },
            Self::Unreachable(_) | Self::Refused { .. } | Self::Malformed(_) => Kind::Unavailable,
        }
    }
}
