//! Background work of accounts: deletes what has expired, writes what was only noted, ends erasures that a crash cut off.

use std::time::Duration;

use async_trait::async_trait;
use kernel::{Progress, Worker};

use crate::{
    Accounts, Error, Result,
    oauth::device_grants::delete_grant,
    tables::{CODES, EXPIRIES, Expiring, LOGIN_TOKENS, OPENID_TOKENS},
};

/// Rows of one step.
const ROWS_AT_ONCE: usize = 500;
/// Between two rounds when there is nothing to do.
const INTERVAL: Duration = Duration::from_secs(60);

/// The worker of one tenant's accounts.
pub struct Sweeper(pub Accounts);

#[async_trait]
impl Worker for Sweeper {
    fn name(&self) -> &'static str {
        "accounts"
    }

    async fn work(&self) -> std::result::Result<Progress, Box<dyn std::error::Error + Send + Sync>> {
        self.0.write_seen().await?;
        let expired = self.0.expire().await?;
        let erased = self.0.erase_next().await?;
        Ok(if expired == Progress::Busy { expired } else { erased })
    }

    async fn wait_for_work(&self) {
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Accounts {
    /// Deletes some of the short-lived rows whose time is over.
    async fn expire(&self) -> Result<Progress> {
        let scan = self.scope().scan(&EXPIRIES, ()).through_prefix((self.now(),)).limit(ROWS_AT_ONCE);
        let rows = scan.rows()?;
        if rows.is_empty() {
            return Ok(Progress::Idle);
        }
        let mut batch = self.scope().batch();
        for ((at, hash), what) in rows {
            batch.delete(&EXPIRIES, (at, hash));
            match what {
                Expiring::LoginToken => batch.delete(&LOGIN_TOKENS, (hash,)),
                Expiring::Code => batch.delete(&CODES, (hash,)),
                Expiring::DeviceGrant { user_code } => delete_grant(&mut batch, hash, &user_code),
                Expiring::OauthClient { id } => self.expire_client(&mut batch, &id)?,
                Expiring::OpenidToken => batch.delete(&OPENID_TOKENS, (hash,)),
            }
        }
        match self.commit(batch).await {
            // Somebody signed in with a client at this very moment: look again.
            Ok(_) | Err(Error::Conflict) => Ok(Progress::Busy),
            Err(error) => Err(error),
        }
    }
}
