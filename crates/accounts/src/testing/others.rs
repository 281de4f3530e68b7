//! Other servers, as a test has them be.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use kernel::id::{OwnedServerName, OwnedUserId, ServerName, UserId};
use parking_lot::{Mutex, MutexGuard};

use crate::{ClaimRequest, ClaimedKey, DeviceList, PublicKeys, Remote, RemoteError, RemoteResult, Wanted};

/// Other servers that answer what a test has written down, and note what they were asked. Those of which nothing is
/// written down do not answer.
#[derive(Default)]
pub(crate) struct Scripted(Mutex<Script>);

#[derive(Default)]
pub(crate) struct Script {
    /// Servers that may be reached.
    pub(crate) allowed: BTreeSet<OwnedServerName>,
    pub(crate) lists: BTreeMap<OwnedUserId, DeviceList>,
    pub(crate) keys: BTreeMap<OwnedServerName, PublicKeys>,
    pub(crate) claims: BTreeMap<OwnedServerName, Vec<ClaimedKey>>,
    pub(crate) profiles: BTreeMap<OwnedUserId, RemoteResult<String>>,
    pub(crate) asked: Vec<String>,
    /// What else happens while the next list is under way.
    pub(crate) meanwhile: Option<BoxFuture<'static, ()>>,
    /// Servers whose answers never come.
    pub(crate) silent: BTreeSet<OwnedServerName>,
}

impl Scripted {
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock()
    }

    /// What was asked since this was last called.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script().asked)
    }

    async fn note(&self, server: &ServerName, question: String) {
        let silent = {
            let mut script = self.script();
            script.asked.push(question);
            script.silent.contains(server)
        };
        if silent {
            std::future::pending::<()>().await;
        }
    }
}

fn unreachable(server: &ServerName) -> RemoteError {
    RemoteError::Unreachable(server.to_owned())
}

#[async_trait]
impl Remote for Scripted {
    fn allows(&self, server: &ServerName) -> bool {
        self.script().allowed.contains(server)
    }

    async fn devices(&self, user: &UserId) -> RemoteResult<DeviceList> {
        self.note(user.server_name(), format!("devices {user}")).await;
        let answer = self.script().lists.get(user).cloned().ok_or_else(|| unreachable(user.server_name()));
        let meanwhile = self.script().meanwhile.take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        answer
    }

    async fn query_keys(&self, to: &ServerName, wanted: &Wanted) -> RemoteResult<PublicKeys> {
        let users: Vec<_> = wanted.keys().map(|user| user.as_str()).collect();
        self.note(to, format!("keys {}", users.join(" "))).await;
        self.script().keys.get(to).cloned().ok_or_else(|| unreachable(to))
    }

    async fn claim_keys(&self, to: &ServerName, wanted: &[ClaimRequest]) -> RemoteResult<Vec<ClaimedKey>> {
        self.note(to, format!("claim {} of {to}", wanted.len())).await;
        self.script().claims.get(to).cloned().ok_or_else(|| unreachable(to))
    }

    async fn profile(&self, user: &UserId, field: Option<&str>) -> RemoteResult<String> {
        self.note(user.server_name(), format!("profile {user} {}", field.unwrap_or("*"))).await;
        let answer = self.script().profiles.get(user).cloned();
        answer.unwrap_or_else(|| Err(unreachable(user.server_name())))
    }
}
