//! Other servers that answer what a test has written down; those of which nothing is written down do not answer.

use std::collections::BTreeMap;

use accounts::{ClaimRequest, ClaimedKey, DeviceList, PublicKeys, Remote, RemoteError, RemoteResult, Wanted};
use async_trait::async_trait;
use kernel::id::{OwnedServerName, OwnedUserId, ServerName, UserId};
use parking_lot::{Mutex, MutexGuard};

#[derive(Default)]
pub(crate) struct Others(Mutex<Script>);

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) lists: BTreeMap<OwnedUserId, DeviceList>,
    pub(crate) keys: BTreeMap<OwnedServerName, PublicKeys>,
    pub(crate) claims: BTreeMap<OwnedServerName, Vec<ClaimedKey>>,
    pub(crate) profiles: BTreeMap<OwnedUserId, RemoteResult<String>>,
    /// What was asked.
    pub(crate) asked: Vec<String>,
}

impl Others {
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock()
    }

    fn note(&self, question: String) -> MutexGuard<'_, Script> {
        let mut script = self.script();
        script.asked.push(question);
        script
    }
}

fn or_unreachable<T>(found: Option<&T>, server: &ServerName) -> RemoteResult<T>
where
    T: Clone,
{
    found.cloned().ok_or_else(|| RemoteError::Unreachable(server.to_owned()))
}

#[async_trait]
impl Remote for Others {
    fn allows(&self, server: &ServerName) -> bool {
        server != "denied.example"
    }

    async fn devices(&self, user: &UserId) -> RemoteResult<DeviceList> {
        or_unreachable(self.note(format!("devices {user}")).lists.get(user), user.server_name())
    }

    async fn query_keys(&self, to: &ServerName, _: &Wanted) -> RemoteResult<PublicKeys> {
        or_unreachable(self.note(format!("keys {to}")).keys.get(to), to)
    }

    async fn claim_keys(&self, to: &ServerName, _: &[ClaimRequest]) -> RemoteResult<Vec<ClaimedKey>> {
        or_unreachable(self.note(format!("claim {to}")).claims.get(to), to)
    }

    async fn profile(&self, user: &UserId, field: Option<&str>) -> RemoteResult<String> {
        let script = self.note(format!("profile {user} {}", field.unwrap_or("*")));
        or_unreachable(script.profiles.get(user), user.server_name())?
    }
}
