//! `POST /keys/claim` for users of other servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use kernel::id::OwnedServerName;
use tokio::time::{Instant, timeout_at};

use super::query::{RemoteAnswer, SERVERS_AT_ONCE};
use crate::{
    Accounts, ClaimRequest, ClaimedKey, Error, RemoteResult, Result,
    keys::{one_time::REQUESTS_MAX, upload::checked_key},
};

impl Accounts {
    /// Claims a key for each request from the user's server. Servers are asked side by side, and have `within` to answer.
    ///
    /// # Errors
    /// `TooMany`; what other servers do wrong is among the failures.
    pub async fn claim_remote_keys(
        &self,
        requests: &[ClaimRequest],
        within: Duration,
    ) -> Result<RemoteAnswer<Vec<ClaimedKey>>> {
        if requests.len() > REQUESTS_MAX {
            return Err(Error::TooMany { what: "keys of one claim", limit: REQUESTS_MAX });
        }
        let deadline = Instant::now() + within;
        let mut of_servers: BTreeMap<OwnedServerName, Vec<ClaimRequest>> = BTreeMap::new();
        for request in requests {
            of_servers.entry(request.user.server_name().to_owned()).or_default().push(request.clone());
        }
        let mut failures: BTreeSet<_> = of_servers.keys().cloned().collect();
        let mut found = Vec::new();
        let asked = of_servers.into_iter().map(|(server, requests)| self.claim_from(server, requests));
        let mut answers = stream::iter(asked).buffer_unordered(SERVERS_AT_ONCE);
        while let Ok(Some((server, requests, answer))) = timeout_at(deadline, answers.next()).await {
            match answer {
                Ok(keys) => {
                    failures.remove(&server);
                    found.extend(checked(requests, keys));
                }
                Err(error) => tracing::info!(%server, %error, "a server gave no one-time keys"),
            }
        }
        Ok(RemoteAnswer { found, failures })
    }

    async fn claim_from(
        &self,
        server: OwnedServerName,
        requests: Vec<ClaimRequest>,
    ) -> (OwnedServerName, Vec<ClaimRequest>, RemoteResult<Vec<ClaimedKey>>) {
        let answer = self.inner.remote.claim_keys(&server, &requests).await;
        (server, requests, answer)
    }
}

/// One key for each request, of the device and algorithm that were asked for.
fn checked(mut requests: Vec<ClaimRequest>, keys: Vec<ClaimedKey>) -> Vec<ClaimedKey> {
    let mut taken = Vec::new();
    for ClaimedKey { user, device, key_id, key } in keys {
        let Ok(key) = checked_key(key_id, &key) else { continue };
        let asked = |request: &ClaimRequest| {
            request.user == user && request.device == device && request.algorithm == key.algorithm
        };
        let Some(at) = requests.iter().position(asked) else { continue };
        requests.swap_remove(at);
        taken.push(ClaimedKey { user, device, key_id: key.key_id, key: key.json });
    }
    taken
}
