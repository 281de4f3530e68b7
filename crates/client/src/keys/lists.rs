//! Background work: device lists of other servers' users are asked for again where something was missed, and forgotten once
//! nobody here meets their users any more.

use std::{sync::Arc, time::Duration};

use accounts::Accounts;
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use kernel::{
    Position, Progress, Worker,
    id::{OwnedUserId, UserId},
};
use parking_lot::Mutex;
use rooms::Rooms;

/// Lists that are asked for at once.
const AT_ONCE: usize = 8;
/// Kept lists of one step that are looked at whether anybody needs them, in turns.
const LOOKED_AT: usize = 100;
/// Between two rounds when there is nothing to do.
const INTERVAL: Duration = Duration::from_secs(30);

/// The worker of one tenant's lists. Cheap to clone.
#[derive(Clone)]
pub struct DeviceLists {
    accounts: Accounts,
    rooms: Rooms,
    /// The kept list that was looked at last, if there are more.
    looked_at: Arc<Mutex<Option<OwnedUserId>>>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl DeviceLists {
    pub fn new(accounts: Accounts, rooms: Rooms) -> Self {
        Self { accounts, rooms, looked_at: Arc::default() }
    }

    /// Asks for a list again, unless nobody here meets its user any more.
    async fn renew(&self, user: &UserId) -> Outcome<()> {
        if !self.rooms.meets(user)? {
            return Ok(self.accounts.forget_list(user).await?);
        }
        match self.accounts.refresh_list(user, Position::START).await {
            // Asked again later, each time after a longer pause.
            Err(error @ (accounts::Error::Remote(_) | accounts::Error::Conflict)) => {
                tracing::info!(%user, %error, "a device list cannot be had now");
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Forgets some of the lists that nobody needs; begins anew after the last.
    async fn forget_some(&self) -> Outcome<()> {
        let after = self.looked_at.lock().take();
        let users = self.accounts.kept_lists(after.as_deref(), LOOKED_AT)?;
        for user in &users {
            if !self.rooms.meets(user)? {
                self.accounts.forget_list(user).await?;
            }
        }
        let is_full = users.len() == LOOKED_AT;
        *self.looked_at.lock() = users.into_iter().next_back().filter(|_| is_full);
        Ok(())
    }
}

#[async_trait]
impl Worker for DeviceLists {
    fn name(&self) -> &'static str {
        "device lists"
    }

    async fn work(&self) -> Outcome<Progress> {
        let stale = self.accounts.stale_lists(AT_ONCE)?;
        if stale.is_empty() {
            self.forget_some().await?;
            return Ok(Progress::Idle);
        }
        let renewed = stale.into_iter().map(|user| async move { self.renew(&user).await });
        let mut renewed = stream::iter(renewed).buffer_unordered(AT_ONCE);
        while let Some(outcome) = renewed.next().await {
            outcome?;
        }
        Ok(Progress::Busy)
    }

    async fn wait_for_work(&self) {
        tokio::time::sleep(INTERVAL).await;
    }
}
