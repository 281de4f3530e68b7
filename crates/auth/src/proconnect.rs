//! The relying party: how people prove to ProConnect who they are (`docs/` of ProConnect; OpenID Connect Core §3.1).
//!
//! A sign-in begins with [`login`], comes back to [`callback`], is verified piece by piece ([`id_token`], [`userinfo`]) and
//! ends in `admission`. Whatever is amiss on the way is a page, and nothing is stored.

pub(crate) mod assertion;
pub(crate) mod callback;
pub(crate) mod discovery;
pub(crate) mod exchange;
pub(crate) mod http;
pub(crate) mod id_token;
pub(crate) mod jws;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod userinfo;

use std::{sync::Arc, time::Duration};

use kernel::Timestamp;
use openidconnect::core::CoreJwsSigningAlgorithm;
use parking_lot::Mutex;

use self::http::{Bounded, Http};
use crate::{
    Algorithm, Secret,
    expiring::{Expiring, Hash},
    problem::Problem,
};

const PENDING_MAX: usize = 4_096;
/// Time to sign in at ProConnect, a second factor included.
const PENDING_LIFETIME: Duration = Duration::from_secs(1_200);

/// What is known of ProConnect, and who is there at this moment.
pub(crate) struct Provider {
    client: Bounded,
    known: Mutex<discovery::Cache>,
    /// Only one asks at a time; the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
    pending: Mutex<Expiring<Pending>>,
}

/// A browser that was sent to ProConnect, by `state`.
#[derive(Clone)]
pub(crate) struct Pending {
    browser: Hash,
    /// The id of its flow, to go on with.
    flow: String,
    nonce: Secret,
    verifier: Secret,
}

/// Why a sign-in at ProConnect failed. The texts are for the log, and have nothing secret in them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("ProConnect does not answer: {0}")]
    Down(String),
    /// ProConnect's own word for it.
    #[error("ProConnect refused: {0}")]
    Refused(String),
    #[error("ProConnect's answer does not verify: {0}")]
    Untrusted(String),
}

impl Provider {
    pub(crate) fn new(outbound: Arc<dyn Http>) -> Self {
        Self {
            client: Bounded::new(outbound),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            pending: Mutex::new(Expiring::new(PENDING_MAX, PENDING_LIFETIME)),
        }
    }

    /// What the browser that asked with this state was in the middle of. Each state is good once; one that another browser
    /// shows stays for its own (hazard A10).
    fn take_pending(&self, state: &str, browser: Hash, now: Timestamp) -> Option<Pending> {
        let mut pending = self.pending.lock();
        if pending.get(state, now)?.browser != browser {
            return None;
        }
        pending.remove(state, now)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        tracing::warn!(%failure, "a sign-in failed at ProConnect");
        match failure {
            Failure::Down(_) => Self::ProviderDown,
            Failure::Refused(code) => Self::ProviderRefused(Some(code)),
            Failure::Untrusted(_) => Self::Untrusted,
        }
    }
}

impl Algorithm {
    fn core(self) -> CoreJwsSigningAlgorithm {
        match self {
            Self::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            Self::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            Self::Hs256 => CoreJwsSigningAlgorithm::HmacSha256,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }
}
