//! Keys of other servers as they are kept: what a document says of a key replaces what was known, and nothing is forgotten.

use events::KeyDocument;
use kernel::{Timestamp, id::ServerName};
use rooms::RemoteKey;
use store::Scope;

use super::fetch::Fetched;
use crate::{
    error::{Error, Result},
    tables::{DocumentRow, KEY_DOCUMENTS, KeyRow, SERVER_KEYS},
};

pub(super) struct Kept {
    scope: Scope,
}

/// A key of a server.
pub(super) struct KeptKey {
    pub(super) key_id: String,
    pub(super) key: [u8; 32],
    pub(super) valid_until: Timestamp,
    pub(super) is_old: bool,
}

impl KeptKey {
    pub(super) fn of(self, server: &ServerName) -> RemoteKey {
        RemoteKey { server: server.to_owned(), key_id: self.key_id, key: self.key, valid_until: self.valid_until }
    }
}

impl Kept {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope }
    }

    /// The keys of these ids that are known.
    pub(super) fn keys(&self, server: &ServerName, ids: &[String]) -> Vec<KeptKey> {
        let keys: Vec<_> = ids.iter().map(|id| (server, id.as_str())).collect();
        let rows = self.scope.multi_get(&SERVER_KEYS, &keys).unwrap_or_else(|error| {
            tracing::error!(%error, "the keys of other servers cannot be read");
            Vec::new()
        });
        let found = ids.iter().zip(rows).filter_map(|(id, row)| {
            let KeyRow { key, valid_until, is_old } = row?;
            Some(KeptKey { key_id: id.clone(), key, valid_until, is_old })
        });
        found.collect()
    }

    /// The last document that came from the server itself.
    pub(super) fn document(&self, server: &ServerName) -> Result<Option<KeyDocument>> {
        let Some(row) = self.scope.get(&KEY_DOCUMENTS, (server,))? else { return Ok(None) };
        Ok(Some(KeyDocument::parse(&row.json)?))
    }

    pub(super) async fn keep(&self, fetched: Fetched) -> Result<()> {
        let Fetched { document, at, is_direct } = fetched;
        let server: &ServerName = &document.server;
        let mut batch = self.scope.batch();
        // A key that is listed as old signs no more, whatever time it gives for that.
        let old = document.old_keys.iter().map(|(id, key, expired)| (id, *key, (*expired).min(at), true));
        let valid_until = document.usable_until(at);
        let current = document.keys.iter().map(|(id, key)| (id, *key, valid_until, false));
        for (id, key, valid_until, is_old) in old.chain(current) {
            batch.put(&SERVER_KEYS, (server, id.as_str()), &KeyRow { key, valid_until, is_old });
        }
        if is_direct {
            let row = DocumentRow { json: document.json().to_owned(), fetched_at: at };
            batch.put(&KEY_DOCUMENTS, (server,), &row);
        }
        self.scope.commit(batch).await.map(|_| ()).map_err(Error::from)
    }
}
