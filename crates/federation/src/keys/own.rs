//! Our own signing keys: the one that signs, those that have just ceased to, and those that did once.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use events::Signer;
use kernel::{Clock, Timestamp};
use parking_lot::Mutex;
use rooms::RemoteKey;

use crate::error::Result;

/// How long a retired key stays among the valid ones: others may have what it signed still on its way.
const OVERLAP: Duration = Duration::from_hours(48);
/// How long the document counts, and after how long it is made anew.
const DOCUMENT_VALID: Duration = Duration::from_hours(24);
const DOCUMENT_FRESH: Duration = Duration::from_hours(1);

/// A key that signs no more, and since when.
pub type RetiredKey = (Arc<Signer>, Timestamp);

pub struct OwnKeys {
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
}

struct State {
    current: Arc<Signer>,
    retired: Vec<RetiredKey>,
    /// The document as it was last made, and when.
    document: Mutex<Option<(Timestamp, String)>>,
}

impl OwnKeys {
    pub fn new(current: Arc<Signer>, retired: Vec<RetiredKey>, clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: ArcSwap::from_pointee(State { current, retired, document: Mutex::default() }) }
    }

    /// Signs with the current one of these keys from now on.
    pub fn replace(&self, keys: Self) {
        self.state.store(keys.state.into_inner());
    }

    /// The key that signs now.
    pub fn current(&self) -> Arc<Signer> {
        self.state.load().current.clone()
    }

    /// What `/_matrix/key/v2/server` answers: valid for a day, made anew each hour.
    pub(crate) fn document(&self) -> Result<String> {
        let state = self.state.load();
        let now = self.clock.now();
        let mut document = state.document.lock();
        if let Some((made_at, document)) = document.as_ref()
            && *made_at <= now
            && now.since(*made_at) < DOCUMENT_FRESH
        {
            return Ok(document.clone());
        }
        let (still_valid, old): (Vec<_>, Vec<_>) =
            state.retired.iter().partition(|(_, retired_at)| now < retired_at.plus(OVERLAP));
        let still_valid: Vec<&Signer> = still_valid.into_iter().map(|(signer, _)| &**signer).collect();
        let old = old.into_iter().map(|(signer, at)| (signer.key_id().to_owned(), signer.public_key(), *at));
        let old: Vec<_> = old.collect();
        let made = state.current.key_document(now.plus(DOCUMENT_VALID), &still_valid, &old)?;
        *document = Some((now, made.clone()));
        Ok(made)
    }

    /// Our keys of these ids.
    pub(crate) fn find(&self, ids: &[String]) -> Vec<RemoteKey> {
        let state = self.state.load();
        let current = (&state.current, self.clock.now().plus(DOCUMENT_VALID));
        let retired = state.retired.iter().map(|(signer, retired_at)| (signer, *retired_at));
        let wanted =
            [current].into_iter().chain(retired).filter(|(signer, _)| ids.iter().any(|id| id == signer.key_id()));
        let key = |(signer, valid_until): (&Arc<Signer>, Timestamp)| RemoteKey {
            server: signer.server_name().to_owned(),
            key_id: signer.key_id().to_owned(),
            key: signer.public_key(),
            valid_until,
        };
        wanted.map(key).collect()
    }
}
