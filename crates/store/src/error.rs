//! What can go wrong below the owners.

use kernel::{Fault, Kind};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The engine failed to read or write. After a failed write the store takes no more (see [`crate::Store::ready`]).
    #[error("the store failed: {0}")]
    Engine(String),
    /// A row that is there cannot be read: never to be taken for "not found".
    #[error("a row of table {table} is damaged: {reason}")]
    Damaged { table: &'static str, reason: String },
    /// A precondition of the batch did not hold; nothing was written.
    #[error("a precondition of the change did not hold")]
    Conflict,
    /// The value, key or batch is over the contract's limits; nothing was written.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge { what: &'static str, bytes: usize, limit: usize },
    /// A mistake of the calling code, told before anything was written.
    #[error("the store was used wrongly: {0}")]
    Misuse(&'static str),
    /// Too many commits wait, or the store has stopped; nothing was written.
    #[error("the store takes no writes now")]
    Unavailable,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Engine(_) | Self::Damaged { .. } | Self::Misuse(_) => Kind::Internal,
            Self::Conflict => Kind::Conflict,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Unavailable => Kind::Unavailable,
        }
    }
}
