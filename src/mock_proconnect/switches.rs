//! Faults and short cuts of one mock, as `POST /control` sets them.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::client::{Algorithm, UserinfoFormat};

/// Longest delay that can be asked for.
const SLOW_MS_MAX: u64 = 120_000;

/// Everything at its default is ProConnect on a good day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub down: Down,
    /// Milliseconds before every answer, at most two minutes.
    pub slow_ms: u64,
    pub wrong: BTreeSet<Wrong>,
    /// Signs id tokens with another algorithm than the client is registered for.
    pub id_token: Option<Algorithm>,
    /// Answers userinfo in another format than the client is registered for.
    pub userinfo: Option<UserinfoFormat>,
    /// A `login_hint` that is an agent's e-mail signs this agent in, without the page to choose from.
    pub auto: bool,
    /// The agent whom `auto` signs in when no hint names one.
    pub agent: Option<String>,
    /// The relying party accepts public agents only: others stop at ProConnect, with Y500015.
    pub public_only: bool,
    /// An agent of several organisations comes with the next one at each login.
    pub siret_changes: bool,
}

/// How ProConnect fails to answer; `/control` answers always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    #[default]
    No,
    /// The connection is closed without an answer.
    Closed,
    /// 503.
    Unavailable,
}

/// One thing that a relying party has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// The callback's `state` is another one.
    BadState,
    BadNonce,
    NoNonce,
    WrongIss,
    WrongAud,
    /// The id token is of `alg` `none`.
    AlgNone,
    BadSignature,
    /// The id token expired an hour ago.
    Expired,
    BadAtHash,
    NoAcr,
    /// `acr` is `eidas1`, though more was essential.
    LowAcr,
    /// Userinfo in JSON although a signature was registered.
    UnsignedUserinfo,
    /// Userinfo as a JWT of `alg` `none`.
    UserinfoAlgNone,
    UserinfoBadSignature,
    UserinfoWrongIss,
    UserinfoWrongAud,
    /// Userinfo of somebody else than the id token's subject.
    SubMismatch,
}

impl Switches {
    pub(super) fn is(&self, wrong: Wrong) -> bool {
        self.wrong.contains(&wrong)
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.slow_ms.min(SLOW_MS_MAX))
    }
}
