//! What can go wrong with a search.

use std::borrow::Cow;

use kernel::{Fault, Kind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A page token that this directory did not give.
    #[error("This is no page of the room directory")]
    NoSuchPage,
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Rooms(#[from] rooms::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchPage => Kind::InvalidParam,
            Self::Accounts(error) => error.kind(),
            Self::Rooms(error) => error.kind(),
        }
    }

    fn public(&self) -> Cow<'static, str> {
        match self {
            Self::NoSuchPage => Cow::Owned(self.to_string()),
            Self::Accounts(error) => error.public(),
            Self::Rooms(error) => error.public(),
        }
    }
}
