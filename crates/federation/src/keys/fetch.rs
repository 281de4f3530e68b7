//! Fetching a server's keys: from itself, or else from a notary that the operator trusts.

use std::{collections::BTreeMap, time::Duration};

use events::KeyDocument;
use http::Method;
use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    error::Result,
    peers::{Call, Link},
    per_server::PerServer,
};

/// Between two fetches of one server's keys, whatever came of the first.
const PAUSE: Duration = Duration::from_mins(1);
const DEADLINE: Duration = Duration::from_secs(10);
/// A document, or a notary's answer with a few of them.
const BYTES_MAX: usize = 1 << 20;
/// Documents of a notary's answer that are looked at.
const DOCUMENTS_MAX: usize = 20;

pub(super) struct Fetcher {
    link: Link,
    notaries: Vec<OwnedServerName>,
    /// When each server's keys were last asked for.
    tried_at: PerServer<Option<Timestamp>>,
}

/// A document, and how it came.
pub(super) struct Fetched {
    pub(super) document: KeyDocument,
    pub(super) at: Timestamp,
    /// From the server itself, by a connection that was its own: we can vouch for it.
    pub(super) is_direct: bool,
}

#[derive(Deserialize)]
struct NotaryAnswer {
    server_keys: Vec<Box<RawValue>>,
}

impl Fetcher {
    pub(super) fn new(link: Link, notaries: Vec<OwnedServerName>) -> Self {
        Self { link, notaries, tried_at: PerServer::default() }
    }

    /// Fetches the keys of an allowed server and has them kept. Callers at one time share one fetch, and those of the next minute
    /// what came of it. False if nothing was tried.
    pub(super) async fn fetch<Keeping>(&self, server: &ServerName, keep: impl Fn(Fetched) -> Keeping) -> bool
    where
        Keeping: Future<Output = Result<()>>,
    {
        if !self.link.wall.allows(server) {
            return false;
        }
        let tried_at = self.tried_at.get(server);
        let mut tried_at = tried_at.lock().await;
        let now = self.link.clock.now();
        if tried_at.is_some_and(|tried_at| tried_at <= now && now.since(tried_at) < PAUSE) {
            return true;
        }
        let fetched = match self.ask_itself(server).await {
            Some(document) => vec![Fetched { document, at: now, is_direct: true }],
            None => self.ask_notaries(server, now).await,
        };
        if fetched.is_empty() {
            tracing::warn!(%server, "its signing keys cannot be had");
        }
        for fetched in fetched {
            if let Err(error) = keep(fetched).await {
                tracing::error!(%error, %server, "its signing keys cannot be kept");
            }
        }
        *tried_at = Some(now);
        true
    }

    async fn ask_itself(&self, server: &ServerName) -> Option<KeyDocument> {
        let call = Call {
            to: server,
            method: Method::GET,
            uri: "/_matrix/key/v2/server".to_owned(),
            body: None,
            deadline: DEADLINE,
            bytes_max: BYTES_MAX,
        };
        let answer = self.link.call_unsigned(call).await.ok()?;
        read(server, std::str::from_utf8(&answer).ok()?)
    }

    /// The connection is the notary's own, so that its answer is its word.
    async fn ask_notaries(&self, server: &ServerName, now: Timestamp) -> Vec<Fetched> {
        let body = json!({ "server_keys": BTreeMap::from([(server, json!({}))]) }).to_string();
        for notary in self.notaries.iter().filter(|notary| **notary != *server) {
            let call = Call {
                to: notary,
                method: Method::POST,
                uri: "/_matrix/key/v2/query".to_owned(),
                body: Some(body.clone()),
                deadline: DEADLINE,
                bytes_max: BYTES_MAX,
            };
            let Ok(answer) = self.link.call_unsigned(call).await else { continue };
            let Ok(answer) = serde_json::from_slice::<NotaryAnswer>(&answer) else { continue };
            let documents = answer.server_keys.iter().take(DOCUMENTS_MAX);
            let documents = documents.filter_map(|document| read(server, document.get()));
            let fetched: Vec<_> = documents.map(|document| Fetched { document, at: now, is_direct: false }).collect();
            if !fetched.is_empty() {
                return fetched;
            }
        }
        Vec::new()
    }
}

/// A document, if it is this server's.
fn read(server: &ServerName, json: &str) -> Option<KeyDocument> {
    match KeyDocument::parse(json) {
        Ok(document) if document.server == *server => Some(document),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%server, %error, "a document of keys that is none");
            None
        }
    }
}
