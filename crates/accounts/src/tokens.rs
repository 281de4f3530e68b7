//! Tokens: how they look, how they are stored, and the memory of those that are in use.
//!
//! A token is a prefix that tells secret scanners what it is, and 32 characters of 6 random bits each. Refresh tokens of
//! one session share 24 characters more, their family: whoever shows the family with an unknown rest shows a token that
//! was retired. Only hashes are stored.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kernel::{
    Random, Timestamp,
    id::{OwnedUserId, UserId},
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{Change, Session, tables::Hash};

/// Longer ones are not looked at.
const TOKEN_BYTES_MAX: usize = 128;
const SECRET_LENGTH: usize = 32;
const FAMILY_LENGTH: usize = 24;
const ACCESS: &str = "bfa_";
const REFRESH: &str = "bfr_";
/// Access tokens kept in memory, per tenant.
const CACHED_MAX: usize = 20_000;
/// Users whose tokens are kept in memory, per tenant.
const GATES_MAX: usize = 20_000;

pub(crate) fn access_token(random: &dyn Random) -> String {
    format!("{ACCESS}{}", random.token(SECRET_LENGTH))
}

/// A token of one use: an authorization, login or device code.
pub(crate) fn one_use_token(random: &dyn Random, prefix: &str) -> String {
    format!("{prefix}{}", random.token(SECRET_LENGTH))
}

pub(crate) fn new_family(random: &dyn Random) -> String {
    random.token(FAMILY_LENGTH)
}

pub(crate) fn refresh_token(random: &dyn Random, family: &str) -> String {
    format!("{REFRESH}{family}{}", random.token(SECRET_LENGTH))
}

/// The family of a well-formed refresh token.
pub(crate) fn family(token: &str) -> Option<&str> {
    let rest = token.strip_prefix(REFRESH).filter(|rest| rest.len() == FAMILY_LENGTH + SECRET_LENGTH)?;
    rest.get(..FAMILY_LENGTH)
}

pub(crate) fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// The hash of what a client sent as a token, unless it cannot be one.
pub(crate) fn presented(token: &str) -> Option<Hash> {
    (!token.is_empty() && token.len() <= TOKEN_BYTES_MAX).then(|| hash(token))
}

/// A session as it was when its token was last looked up.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) session: Arc<Session>,
    pub(crate) expires: Option<Timestamp>,
    /// `None`: the age of the sign-in does not matter.
    pub(crate) signed_in_at: Option<Timestamp>,
    pub(crate) gate: Gate,
}

/// Open as long as nothing about a user's sessions has changed since it was handed out.
#[derive(Clone)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The access tokens in use. What a commit announces about a user closes their gate before the commit is answered, so
/// that nothing revoked is honoured from memory, even if the request that revoked it was cut off.
pub(crate) struct KnownTokens {
    tokens: Cache<Hash, Known>,
    gates: Mutex<HashMap<OwnedUserId, Gate>>,
}

impl KnownTokens {
    pub(crate) fn new() -> Self {
        Self { tokens: Cache::new(CACHED_MAX), gates: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn get(&self, hash: &Hash) -> Option<Known> {
        let known = self.tokens.get(hash)?;
        if known.gate.is_open() {
            return Some(known);
        }
        self.tokens.remove(hash);
        None
    }

    /// To be taken before the rows are read that go into memory with it.
    pub(crate) fn gate(&self, user: &UserId) -> Gate {
        let mut gates = self.gates.lock();
        if let Some(gate) = gates.get(user) {
            return gate.clone();
        }
        if gates.len() >= GATES_MAX {
            for (_, gate) in gates.drain() {
                gate.close();
            }
        }
        let gate = Gate(Arc::new(AtomicBool::new(true)));
        gates.insert(user.to_owned(), gate.clone());
        gate
    }

    pub(crate) fn put(&self, hash: Hash, known: Known) {
        self.tokens.insert(hash, known);
    }

    /// Takes in what a commit announced.
    pub(crate) fn update(&self, change: &Change) {
        if let Change::User { user } | Change::Session { user, .. } | Change::SessionEnded { user, .. } = change
            && let Some(gate) = self.gates.lock().remove(user)
        {
            gate.close();
        }
    }
}
