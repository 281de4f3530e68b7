//! What an error means, apart from any protocol: each crate's error names a [`Kind`], `web` turns kinds into Matrix errors.

use std::{borrow::Cow, time::Duration};

/// The meanings that a caller can act on. `web::error` gives each its status and errcode, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request's body is JSON of the wrong shape.
    BadJson,
    /// A parameter has a value that cannot be.
    InvalidParam,
    /// A required parameter is missing.
    MissingParam,
    /// The user id, localpart or display name cannot be.
    InvalidUsername,
    /// The caller may not do this.
    Forbidden,
    /// There is nothing of that name, or nothing that the caller may know of.
    NotFound,
    /// The name is taken (a room alias, a user id, a key).
    RoomInUse,
    UserInUse,
    /// The value, event or list is over a limit.
    TooLarge,
    /// Too many requests; try again after this long.
    LimitExceeded {
        retry_after: Duration,
    },
    /// The change does not fit the state of things (unbanning somebody who is not banned).
    BadState,
    /// The initial state asked for would make no valid room.
    InvalidRoomState,
    /// A canonical alias does not point at its room.
    BadAlias,
    UnsupportedRoomVersion,
    IncompatibleRoomVersion {
        room_version: String,
    },
    /// This server cannot tell whether the user meets the condition of a restricted room; another may.
    UnableToAuthoriseJoin,
    /// Nobody of this server may let the user in to a restricted room; another server's users may.
    UnableToGrantJoin,
    /// The key backup's current version is another.
    WrongRoomKeysVersion {
        current_version: Option<String>,
    },
    /// The access token is not known (any more). `soft_logout`: the client may keep its device and sign in again.
    UnknownToken {
        soft_logout: bool,
    },
    UserDeactivated,
    UserLocked,
    UserSuspended,
    /// A sliding-sync connection's position is not known.
    UnknownPos,
    /// Another tenant's or server's matter, or one that the server does not offer.
    Unrecognized,
    /// A signature does not verify.
    InvalidSignature,
    /// An event with the same id and other content, a key already claimed, a precondition that failed: try again.
    Conflict,
    /// The server cannot do it now (overload, shutdown, storage); try again later.
    Unavailable,
    /// Our own fault. Logged, never explained to the caller.
    Internal,
}

/// An error with a meaning.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    fn kind(&self) -> Kind;

    /// What the caller is told: never a cause of ours, never a secret. By default the error's own text, unless it is internal.
    fn public(&self) -> Cow<'static, str> {
        match self.kind() {
            Kind::Internal => Cow::Borrowed("Internal server error"),
            _ => Cow::Owned(self.to_string()),
        }
    }
}
