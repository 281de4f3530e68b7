//! What can go wrong with a file.

use std::{borrow::Cow, io};

use kernel::{Fault, Kind};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is no such file")]
    NotFound,
    #[error("A file may have {0} bytes at most")]
    TooLarge(u64),
    #[error("{0}")]
    InvalidParam(&'static str),
    /// Nothing that thumbnails are made of: no image, or one that is too large to be scaled.
    #[error("There is no thumbnail of this file: {0}")]
    NoThumbnail(String),
    #[error("the folder of the files cannot be used")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Remote(#[from] kernel::RemoteError),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Our own fault.
    #[error("{0}")]
    Internal(&'static str),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::InvalidParam(_) | Self::NoThumbnail(_) => Kind::InvalidParam,
            Self::Disk(_) => Kind::Unavailable,
            Self::Remote(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Internal(_) => Kind::Internal,
        }
    }

    fn public(&self) -> Cow<'static, str> {
        match self {
            Self::Disk(error) if error.kind() == io::ErrorKind::StorageFull => {
                Cow::Borrowed("The server has no room for files left")
            }
            Self::Disk(_) => Cow::Borrowed("Files cannot be read or written now"),
            Self::Remote(error) => error.public(),
            Self::Store(error) => error.public(),
            Self::Internal(_) => Cow::Borrowed("Internal server error"),
            other => Cow::Owned(other.to_string()),
        }
    }
}
