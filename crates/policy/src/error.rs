//! What can be wrong with what the house rules are asked about.

use kernel::{Fault, Kind};
use thiserror::Error;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// An e-mail address that two programs could read differently, or none at all.
    #[error("This e-mail address cannot be used: {0}")]
    OddEmail(&'static str),

    /// A pattern of server names that matches nothing, or more than who wrote it may think.
    #[error("{pattern:?} cannot be used as the name of servers: {why}")]
    BadPattern { pattern: String, why: &'static str },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::OddEmail(_) | Self::BadPattern { .. } => Kind::InvalidParam,
        }
    }
}
