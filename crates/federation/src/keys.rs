//! Signing keys: ours, published and changed; those of other servers, found and kept.

mod fetch;
mod kept;
mod own;

use std::collections::BTreeMap;

use events::KeyDocument;
use futures_util::{StreamExt, stream};
use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use rooms::RemoteKey;

pub use own::{OwnKeys, RetiredKey};

use crate::{
    error::{Error, Result},
    peers::Link,
};
use fetch::Fetcher;
use kept::Kept;

/// Servers whose keys are fetched at one time, for one caller.
const FETCHES_MAX: usize = 16;

/// The signing keys of all servers, for one tenant.
pub(crate) struct Keys {
    link: Link,
    kept: Kept,
    fetcher: Fetcher,
}

impl Keys {
    pub(crate) fn new(link: Link, scope: store::Scope, notaries: Vec<OwnedServerName>) -> Self {
        let kept = Kept::new(scope);
        let fetcher = Fetcher::new(link.clone(), notaries);
        Self { link, kept, fetcher }
    }

    /// The keys of these ids, as far as they can be had; one that does not count at this time any more is asked for anew.
    pub(crate) async fn find(&self, wanted: &[(OwnedServerName, String)], at: Timestamp) -> Vec<RemoteKey> {
        let mut by_server: BTreeMap<OwnedServerName, Vec<String>> = BTreeMap::new();
        for (server, key_id) in wanted {
            by_server.entry(server.clone()).or_default().push(key_id.clone());
        }
        let found = by_server.into_iter().map(|(server, ids)| self.of_server(server, ids, at));
        let found: Vec<Vec<RemoteKey>> = stream::iter(found).buffer_unordered(FETCHES_MAX).collect().await;
        found.into_iter().flatten().collect()
    }

    /// The key with which a server signs requests now, of this id.
    pub(crate) async fn of_request(&self, server: &ServerName, key_id: &str) -> Option<[u8; 32]> {
        let now = self.link.clock.now();
        let found = self.of_server(server.to_owned(), vec![key_id.to_owned()], now).await;
        // A key that its server calls old has ended by the time that we heard of it.
        found.into_iter().find(|key| key.valid_until > now).map(|key| key.key)
    }

    async fn of_server(&self, server: OwnedServerName, ids: Vec<String>, at: Timestamp) -> Vec<RemoteKey> {
        let server = &server;
        if *server == self.link.own {
            return self.link.keys.find(&ids);
        }
        let pinned = self.link.network.pinned_keys(server);
        if !pinned.is_empty() {
            return of_operator(server, pinned, &ids);
        }
        let kept = self.kept.keys(server, &ids);
        let is_enough = ids.len() == kept.len() && kept.iter().all(|key| key.is_old || key.valid_until >= at);
        if !is_enough && self.refresh(server).await {
            return self.kept.keys(server, &ids).into_iter().map(|key| key.of(server)).collect();
        }
        kept.into_iter().map(|key| key.of(server)).collect()
    }

    /// Fetches a server's keys, unless that was tried within the last minute. Whether there may be something new.
    async fn refresh(&self, server: &ServerName) -> bool {
        self.fetcher.fetch(server, |fetched| self.kept.keep(fetched)).await
    }

    /// The document of another server, signed by this one too, for those who cannot reach it. It should count at this time.
    pub(crate) async fn notarised(&self, server: &ServerName, until: Timestamp) -> Result<Option<String>> {
        if !self.link.wall.allows(server) {
            return Ok(None);
        }
        let mut document = self.kept.document(server)?;
        if document.as_ref().is_none_or(|document| document.valid_until < until) && self.refresh(server).await {
            document = self.kept.document(server)?;
        }
        let notarise = |document: KeyDocument| self.link.keys.current().notarise(&document).map_err(Error::from);
        document.map(notarise).transpose()
    }
}

/// The keys that the operator has pinned count until that is changed.
fn of_operator(server: &ServerName, pinned: &[(String, [u8; 32])], ids: &[String]) -> Vec<RemoteKey> {
    let key = |(key_id, key): &(String, [u8; 32])| RemoteKey {
        server: server.to_owned(),
        key_id: key_id.clone(),
        key: *key,
        valid_until: Timestamp(u64::MAX),
    };
    pinned.iter().filter(|(key_id, _)| ids.contains(key_id)).map(key).collect()
}
