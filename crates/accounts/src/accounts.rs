//! The handle of one tenant's accounts.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use kernel::{
    Clock, Position, Random, Timestamp,
    id::{OwnedServerName, UserId},
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use store::{Batch, Scope};
use tokio::sync::MutexGuard;

use crate::{
    Change, Error, Remote, Result, TOPIC,
    inbox::InboxLoads,
    keys::{counts::KeyCounts, one_time::InFlight},
    remote_keys::Refreshes,
    remote_profiles::RemoteProfiles,
    seen::SeenDevices,
    tables::Hash,
    tokens::KnownTokens,
};

/// Sign-ins at the identity provider older than this end in a soft logout, unless set otherwise (DESIGN §5).
const SIGN_IN_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Changes of one user wait for each other; users share so many locks. Nothing takes two.
const LOCKS: usize = 256;
/// Device grants whose last poll is remembered.
const POLLS_MAX: usize = 1_000;

/// One tenant's people. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) scope: Scope,
    pub(crate) server_name: OwnedServerName,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) tokens: Arc<KnownTokens>,
    pub(crate) key_counts: Arc<KeyCounts>,
    pub(crate) sign_in_age_max_ms: AtomicU64,
    pub(crate) seen: SeenDevices,
    pub(crate) inbox_loads: InboxLoads,
    pub(crate) claims: Mutex<HashSet<InFlight>>,
    pub(crate) refreshes: Refreshes,
    pub(crate) remote_profiles: RemoteProfiles,
    /// When a device grant was last asked for.
    pub(crate) polls: Cache<Hash, Timestamp>,
    locks: [tokio::sync::Mutex<()>; LOCKS],
    hasher: RandomState,
}

impl Accounts {
    /// Opens the accounts of the tenant that `scope` is of; once per tenant and process.
    pub fn open(
        scope: Scope,
        server_name: OwnedServerName,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        remote: Arc<dyn Remote>,
    ) -> Result<Self> {
        let tokens = Arc::new(KnownTokens::new());
        let key_counts = Arc::new(KeyCounts::new());
        let (seen_by_tokens, seen_by_counts) = (tokens.clone(), key_counts.clone());
        scope.view(move |announcements| {
            for announcement in announcements.iter().filter(|announcement| announcement.topic == TOPIC) {
                match announcement.read::<Change>() {
                    Ok(change) => {
                        seen_by_tokens.update(&change);
                        seen_by_counts.update(&change);
                    }
                    Err(error) => tracing::error!(%error, "an entry of the feed cannot be read"),
                }
            }
        });
        Ok(Self {
            inner: Arc::new(Inner {
                scope,
                server_name,
                clock,
                random,
                remote,
                tokens,
                key_counts,
                sign_in_age_max_ms: AtomicU64::new(millis(SIGN_IN_AGE_MAX)),
                seen: SeenDevices::default(),
                inbox_loads: InboxLoads::default(),
                claims: Mutex::default(),
                refreshes: Refreshes::default(),
                remote_profiles: RemoteProfiles::default(),
                polls: Cache::new(POLLS_MAX),
                locks: std::array::from_fn(|_| tokio::sync::Mutex::default()),
                hasher: RandomState::new(),
            }),
        })
    }

    /// The last position of the tenant's stream that can be read.
    pub fn position(&self) -> Position {
        self.scope().position()
    }

    /// Whether the user id is of this server; not whether it exists.
    pub fn is_local(&self, user: &UserId) -> bool {
        user.server_name() == self.inner.server_name
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.inner.random.as_ref()
    }

    /// Holds back other changes of this user's rows, from reading what a change rests on until it is written.
    pub(crate) async fn change(&self, user: &UserId) -> MutexGuard<'_, ()> {
        // One byte of the hash: as many values as there are locks.
        let [index, ..] = self.inner.hasher.hash_one(user).to_ne_bytes();
        self.inner.locks[usize::from(index)].lock().await
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Position> {
        Ok(self.scope().commit(batch).await?)
    }
}

/// Announces a change at a position of its own.
pub(crate) fn announce(batch: &mut Batch, change: &Change) {
    let stamp = batch.stamp();
    batch.announce(TOPIC, stamp, change);
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Refuses text that is longer than `limit` bytes.
pub(crate) fn check_length(text: &str, what: &'static str, limit: usize) -> Result<()> {
    if text.len() > limit { Err(Error::TooLarge { what, limit }) } else { Ok(()) }
}
