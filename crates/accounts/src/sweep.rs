//! Background work of accounts: deletes what has expired, writes what was only noted, ends erasures that a crash cut off.

use async_trait::async_trait;
use kernel::{Progress, Worker};

use crate::{Accounts, accounts::later};

/// The worker of one tenant's accounts.
pub struct Sweeper(pub Accounts);

#[async_trait]
impl Worker for Sweeper {
    fn name(&self) -> &'static str {
        "accounts"
    }

    async fn work(&self) -> Result<Progress, Box<dyn std::error::Error + Send + Sync>> {
        later().map_err(Into::into)
    }

    async fn wait_for_work(&self) {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
}
