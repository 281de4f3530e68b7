//! What can be wrong with an event.

use kernel::{Fault, Kind};
use thiserror::Error;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    #[error("Room version {0:?} is not supported")]
    UnsupportedRoomVersion(String),

    /// Not JSON at all, or not an object where one is required.
    #[error("Not a JSON object: {0}")]
    NotJson(String),

    /// JSON that has no canonical form: a float, an integer beyond ±(2^53 − 1), a key given twice.
    #[error("Not canonical JSON: {0}")]
    NotCanonical(&'static str),

    /// Over one of the limits of the specification ("Size limits") or of `kernel::limits`.
    #[error("{0}")]
    TooLarge(String),

    /// A field that an event must have is missing or cannot be what it is.
    #[error("Malformed event: {0}")]
    Malformed(String),

    /// The authorisation rules of the room's version do not allow the event. Says which rule.
    #[error("{0}")]
    Denied(String),

    /// A signature that the event must bear is missing or does not verify.
    #[error("Invalid signature: {0}")]
    InvalidSignature(String),

    /// A signing key that cannot be used, or a weak one.
    #[error("Unusable signing key: {0}")]
    SigningKey(&'static str),

    /// An `Authorization` header that is not one of a server's request.
    #[error("Malformed X-Matrix authorization: {0}")]
    Authorization(&'static str),

    /// Another server's answer about signing keys that is none, or is over a bound.
    #[error("Malformed key document: {0}")]
    KeyDocument(String),

    /// What another server offers us to sign as a user's membership is not what it was asked for.
    #[error("The other server's template does not fit: {0}")]
    Template(String),

    /// An event of another server that this server does not put its signature under.
    #[error("This server does not vouch for the event: {0}")]
    NotVouched(&'static str),

    /// State resolution lacked an event that it needs.
    #[error("State resolution failed: {0}")]
    Resolution(String),

    /// What the store holds under an event's id is no event: a damaged store.
    #[error("Stored event cannot be read: {0}")]
    Stored(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::UnsupportedRoomVersion(_) => Kind::UnsupportedRoomVersion,
            Self::NotJson(_) | Self::NotCanonical(_) | Self::Malformed(_) => Kind::BadJson,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Authorization(_) => Kind::InvalidParam,
            Self::Denied(_) | Self::NotVouched(_) => Kind::Forbidden,
            // Nothing that who asked us could mend.
            Self::KeyDocument(_) | Self::Template(_) => Kind::Unavailable,
            Self::InvalidSignature(_) => Kind::InvalidSignature,
            Self::SigningKey(_) | Self::Resolution(_) | Self::Stored(_) => Kind::Internal,
        }
    }
}
