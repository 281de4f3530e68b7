//! What can go wrong below the pages and endpoints of this edge.

use std::borrow::Cow;

use kernel::{Fault, Kind};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tenant's file cannot work; the text says what to change.
    #[error("{0}")]
    Settings(&'static str),
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant's signing key cannot be made, read or used.
    #[error("the signing key failed: {0}")]
    SigningKey(&'static str),
    /// A page or an answer could not be written.
    #[error("an answer could not be written: {0}")]
    Unwritten(&'static str),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Accounts(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Settings(_) | Self::SigningKey(_) | Self::Unwritten(_) => Kind::Internal,
        }
    }

    fn public(&self) -> Cow<'static, str> {
        match self {
            Self::Accounts(error) => error.public(),
            Self::Store(error) => error.public(),
            _ => Cow::Borrowed("Internal server error"),
        }
    }
}
