//! What can go wrong with a room.

use std::borrow::Cow;

use kernel::{Fault, Kind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is no such room, or you may not know of it")]
    NoSuchRoom,
    #[error("There is no such event, or you may not see it")]
    NoSuchEvent,
    #[error("There is no such state in this room")]
    NoSuchState,
    #[error("You are not in this room")]
    NotMember,
    /// The authorization rules, or a rule of the house, refuse the event; the text says why.
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    Invalid(String),
    /// A value that cannot be, in a field of its own.
    #[error("{0}")]
    InvalidParam(String),
    #[error("You have reacted to this event with this key already")]
    DuplicateAnnotation,
    #[error("{0}")]
    TooLarge(String),
    /// The change does not fit the state of things.
    #[error("{0}")]
    BadState(String),
    #[error("{0}")]
    InvalidRoomState(String),
    #[error("{0}")]
    BadAlias(String),
    #[error("This alias is taken")]
    AliasTaken,
    #[error("There is no such alias")]
    NoSuchAlias,
    #[error("Room version {0} is not supported")]
    UnsupportedRoomVersion(String),
    /// Who asks does not know the room's version.
    #[error("The room is of version {0}")]
    IncompatibleRoomVersion(String),
    /// The room lets in the members of others, of which this server knows too little.
    #[error("This server cannot tell whether you are in a room whose members may join")]
    CannotAuthorise,
    /// The room lets in the members of others if a member with the power to invite vouches for them.
    #[error("Nobody of this server may let you in")]
    CannotGrant,
    /// Another server did not give what is needed.
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Remote(#[from] crate::RemoteError),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something that this server wrote cannot be read, or an invariant does not hold: our own fault.
    #[error("damaged room: {0}")]
    Damaged(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchRoom | Self::NoSuchEvent | Self::NoSuchState | Self::NoSuchAlias => Kind::NotFound,
            Self::NotMember | Self::Denied(_) => Kind::Forbidden,
            Self::Invalid(_) => Kind::BadJson,
            Self::InvalidParam(_) | Self::DuplicateAnnotation => Kind::InvalidParam,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::BadState(_) => Kind::BadState,
            Self::InvalidRoomState(_) => Kind::InvalidRoomState,
            Self::BadAlias(_) => Kind::BadAlias,
            Self::AliasTaken => Kind::RoomInUse,
            Self::UnsupportedRoomVersion(_) => Kind::UnsupportedRoomVersion,
            Self::IncompatibleRoomVersion(version) => Kind::IncompatibleRoomVersion { room_version: version.clone() },
            Self::CannotAuthorise => Kind::UnableToAuthoriseJoin,
            Self::CannotGrant => Kind::UnableToGrantJoin,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Remote(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Damaged(_) => Kind::Internal,
        }
    }

    fn public(&self) -> Cow<'static, str> {
        match self {
            Self::Remote(error) => error.public(),
            Self::Store(error) => error.public(),
            Self::Damaged(_) => Cow::Borrowed("Internal server error"),
            other => Cow::Owned(other.to_string()),
        }
    }
}
