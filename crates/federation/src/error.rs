//! What can go wrong at the edge of the federation, apart from what the owners say.

use kernel::{Fault, Kind};
use thiserror::Error;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),

    /// A key of ours that cannot sign, or a document that we kept and cannot read.
    #[error("keys: {0}")]
    Keys(#[from] events::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Keys(_) => Kind::Internal,
        }
    }
}
