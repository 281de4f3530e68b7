//! What can go wrong with a person, a session, a device or its keys.

use std::borrow::Cow;

use kernel::{Fault, Kind};

use crate::RemoteError;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is no such user")]
    NoSuchUser,
    #[error("There is no such device")]
    NoSuchDevice,
    /// What was looked for, as the end of "There is no such …".
    #[error("There is no such {0}")]
    NotFound(&'static str),
    #[error("This user id is taken")]
    UserInUse,
    /// The identity or the e-mail address belongs to another account, or the account has another identity.
    #[error("{0}")]
    IdentityInUse(&'static str),
    #[error("{0}")]
    InvalidUsername(&'static str),
    /// The access or refresh token is not known, has expired or was revoked.
    #[error("This token is not known, or not any more")]
    UnknownToken { soft_logout: bool },
    #[error("This account is deactivated")]
    Deactivated,
    #[error("This account is locked")]
    Locked,
    /// JSON of the wrong shape; the text says where.
    #[error("{0}")]
    BadJson(String),
    #[error("{0}")]
    InvalidParam(String),
    /// What is over which limit.
    #[error("{what} is over the limit of {limit}")]
    TooLarge { what: &'static str, limit: usize },
    /// More of something than a user may have; removing some helps.
    #[error("{what}: at most {limit} are allowed")]
    TooMany { what: &'static str, limit: usize },
    #[error("{0}")]
    Forbidden(&'static str),
    /// An account data type that other endpoints manage (`m.fully_read`, `m.push_rules`): 405 in the specification.
    #[error("{0} is not set through this endpoint")]
    Managed(String),
    /// Cross-signing keys are there already: replacing them needs [`crate::Accounts::open_reset_window`].
    #[error("The cross-signing keys are set; replacing them needs a confirmation")]
    ResetNeeded,
    /// A one-time key of this id is there with another content.
    #[error("The one-time key {0} exists already with another content")]
    OneTimeKeyConflict(String),
    #[error("{0}")]
    InvalidSignature(String),
    #[error("The key backup's current version is another")]
    WrongBackupVersion { current: Option<String> },
    /// A code or grant that was used before; what it had given is revoked (RFC 6749 §4.1.2).
    #[error("This code was used before")]
    Replayed,
    /// Two changes at once; nothing of this one was written.
    #[error("Something else changed it at the same time, try again")]
    Conflict,
    /// Another server did not do what it was asked for.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(store::Error),
    /// Something that this server wrote cannot be read: our own fault.
    #[error("damaged account: {0}")]
    Damaged(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Conflict => Self::Conflict,
            other => Self::Store(other),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchUser | Self::NoSuchDevice | Self::NotFound(_) => Kind::NotFound,
            Self::UserInUse => Kind::UserInUse,
            Self::InvalidUsername(_) => Kind::InvalidUsername,
            Self::UnknownToken { soft_logout } => Kind::UnknownToken { soft_logout: *soft_logout },
            Self::Deactivated => Kind::UserDeactivated,
            Self::Locked => Kind::UserLocked,
            Self::BadJson(_) | Self::Managed(_) => Kind::BadJson,
            Self::InvalidParam(_) | Self::OneTimeKeyConflict(_) => Kind::InvalidParam,
            Self::TooLarge { .. } | Self::TooMany { .. } => Kind::TooLarge,
            Self::Forbidden(_) | Self::ResetNeeded | Self::IdentityInUse(_) => Kind::Forbidden,
            Self::Replayed => Kind::UnknownToken { soft_logout: false },
            Self::InvalidSignature(_) => Kind::InvalidSignature,
            Self::WrongBackupVersion { current } => Kind::WrongRoomKeysVersion { current_version: current.clone() },
            Self::Conflict => Kind::Conflict,
            Self::Remote(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Damaged(_) => Kind::Internal,
        }
    }

    fn public(&self) -> Cow<'static, str> {
        match self {
            Self::Store(error) => error.public(),
            Self::Damaged(_) => Cow::Borrowed("Internal server error"),
            other => Cow::Owned(other.to_string()),
        }
    }
}
