//! Why a request did not leave, or its answer did not come back.

use std::{error::Error as StdError, fmt::Display};

use kernel::{Fault, Kind};

/// None of these holds a URL, a header or a body: they are logged.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("not a URL that a request can be made to")]
    Url,
    #[error("the address is not on the allowlist")]
    NotAllowed,
    #[error("the address is not https")]
    Insecure,
    #[error("the host has no address that may be reached")]
    Address,
    #[error("the answer did not come in time")]
    Timeout,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer is compressed although that was not asked for")]
    Encoded,
    #[error("no connection: {0}")]
    Connect(String),
    #[error("the exchange failed: {0}")]
    Transport(String),
    #[error("the outbound client cannot be set up")]
    Setup(#[source] reqwest::Error),
    #[error("the certificates to be believed cannot be used: {0}")]
    Trust(String),
}

impl OutboundError {
    pub(super) fn trust(error: impl Display) -> Self {
        Self::Trust(error.to_string())
    }

    pub(super) fn from_reqwest(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        let mut root = String::new();
        while let Some(this) = cause {
            if let Some(Self::Address) = this.downcast_ref() {
                return Self::Address;
            }
            root = this.to_string();
            cause = this.source();
        }
        match error {
            error if error.is_timeout() => Self::Timeout,
            error if error.is_connect() => Self::Connect(root),
            _ => Self::Transport(root),
        }
    }
}

impl Fault for OutboundError {
    fn kind(&self) -> Kind {
        match self {
            Self::Url | Self::NotAllowed | Self::Insecure | Self::Address => Kind::Forbidden,
            Self::Timeout | Self::TooLarge | Self::Encoded | Self::Connect(_) | Self::Transport(_) => Kind::Unavailable,
            Self::Setup(_) | Self::Trust(_) => Kind::Internal,
        }
    }

    fn public(&self) -> std::borrow::Cow<'static, str> {
        match self.kind() {
            Kind::Forbidden => "The server may not reach this address".into(),
            Kind::Unavailable => "The other server did not answer as it should".into(),
            _ => "Internal server error".into(),
        }
    }
}
