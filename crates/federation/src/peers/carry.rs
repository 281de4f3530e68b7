//! Transactions on their way to another server.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use kernel::{
    RemoteError, Timestamp,
    id::{OwnedServerName, ServerName},
};
use tokio::sync::broadcast;

use super::{Call, Peers};
use crate::{Carrier, CarryError};

/// A server may have to fetch much before it can answer.
const DEADLINE: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[async_trait]
impl Carrier for Peers {
    fn allows(&self, server: &ServerName) -> bool {
        Self::allows(self, server)
    }

    fn retry_at(&self, server: &ServerName) -> Option<Timestamp> {
        Self::retry_at(self, server)
    }

    fn back(&self) -> broadcast::Receiver<OwnedServerName> {
        Self::back(self)
    }

    async fn send(&self, to: &ServerName, transaction_id: &str, body: String) -> Result<String, CarryError> {
        let call = Call {
            to,
            method: Method::PUT,
            uri: format!("/_matrix/federation/v1/send/{transaction_id}"),
            body: Some(body),
            deadline: DEADLINE,
            bytes_max: ANSWER_BYTES_MAX,
        };
        match self.call(call).await {
            Ok(answer) => Ok(String::from_utf8_lossy(&answer).into_owned()),
            // What is in it cannot be taken: another time would be no better.
            Err(RemoteError::Refused { status: status @ (400 | 413 | 422), .. }) => Err(CarryError::Refused(status)),
            Err(_) => Err(CarryError::Unavailable),
        }
    }
}
