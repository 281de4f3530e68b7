//! One destination: its queue is emptied in order, one transaction at a time, by one task at most.

use std::{sync::Arc, time::Duration};

use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use parking_lot::Mutex;

use super::{
    CarryError, Handle, Inner, backoff,
    tables::{FAILURES, FailureRow, QUEUE, TOLD},
    transaction::{ITEMS_MAX, Transaction},
    typing::Typed,
};

/// After so long without an answer only what matters is kept for a destination.
const OUTAGE: Duration = Duration::from_secs(600);
/// Changes of typing that wait for one destination.
const TYPING_MAX: usize = 50;

pub(crate) struct Destination {
    pub(super) server: OwnedServerName,
    state: Mutex<State>,
}

struct State {
    /// A task empties the queue.
    running: bool,
    /// Something came while it did.
    again: bool,
    /// The destination showed a sign of life while it did: an attempt that fails then is made again at once.
    sign: bool,
    failure: Option<FailureRow>,
    /// What was sent and not answered: tried again as it was, under the same id.
    attempt: Option<Transaction>,
    /// Items of the next transaction: fewer while one that cannot be taken is looked for.
    width: usize,
    typing: Vec<Typed>,
}

/// What follows an attempt.
enum Next {
    GoOn,
    Stop,
}

impl Destination {
    pub(super) fn new(server: OwnedServerName, failure: Option<FailureRow>) -> Self {
        let state = State {
            running: false,
            again: false,
            sign: false,
            failure,
            attempt: None,
            width: ITEMS_MAX,
            typing: Vec::new(),
        };
        Self { server, state: Mutex::new(state) }
    }

    /// Whether the caller is to start the task.
    pub(super) fn begin(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let waits = state.failure.is_some_and(|failure| failure.retry_at > now);
        if state.running {
            state.again = true;
            return false;
        }
        state.running = !waits;
        state.running
    }

    /// Whether the task is at its end: nothing came meanwhile.
    fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.running = std::mem::take(&mut state.again);
        !state.running
    }

    /// The destination has shown that it lives: whatever waits for it is due. Whether anything waited.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        state.sign = state.running;
        // That it failed, and since when, stays: only an answer ends it.
        let waited = state.failure.as_mut().map(|failure| failure.retry_at = now);
        !state.running && waited.is_some()
    }

    #[cfg(test)]
    pub(super) fn is_backing_off(&self) -> bool {
        let state = self.state.lock();
        state.failure.is_some() && !state.running
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let state = self.state.lock();
        !state.running && state.failure.is_some_and(|failure| failure.retry_at <= now)
    }

    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        !state.running && state.failure.is_none()
    }

    pub(super) fn add_typing(&self, changes: &[Typed]) {
        let mut state = self.state.lock();
        state.typing.extend_from_slice(changes);
        let over = state.typing.len().saturating_sub(TYPING_MAX);
        state.typing.drain(..over);
    }

    pub(super) fn take_typing(&self) -> Vec<Typed> {
        std::mem::take(&mut self.state.lock().typing)
    }

    pub(super) fn width(&self) -> usize {
        self.state.lock().width
    }
}

/// Empties the destination's queue, until nothing is left or the destination fails. The queues themselves may end meanwhile.
pub(super) async fn deliver(handle: Handle, destination: Arc<Destination>) {
    loop {
        let Some(inner) = handle.upgrade() else { return };
        let next = inner.attempt(&destination).await.unwrap_or_else(|error| {
            tracing::error!(server = %destination.server, %error, "a queue cannot be read");
            destination.state.lock().running = false;
            Next::Stop
        });
        if matches!(next, Next::Stop) {
            return;
        }
    }
}

impl Inner {
    async fn attempt(&self, destination: &Destination) -> Result<Next, OutboundError> {
        let Ok(_slot) = self.slots.acquire().await else { return Ok(Next::Stop) };
        let kept = destination.state.lock().attempt.take();
        let transaction = match kept {
            Some(transaction) => transaction,
            None => match self.compose(destination)? {
                Some(transaction) => transaction,
                None if destination.end() => return Ok(Next::Stop),
                None => return Ok(Next::GoOn),
            },
        };
        match self.carrier.send(&destination.server, &transaction.id, transaction.body.clone()).await {
            Ok(answer) => {
                transaction.log_refusals(&destination.server, &answer);
                self.delivered(destination, &transaction).await?;
                self.succeeded(destination).await?;
            }
            Err(CarryError::Refused(status)) if transaction.items > 1 => {
                tracing::info!(server = %destination.server, status, "a transaction was refused: its parts are tried");
                destination.state.lock().width = 1;
            }
            Err(CarryError::Refused(status)) => {
                tracing::warn!(server = %destination.server, status, "what the destination cannot take is left out");
                self.delivered(destination, &transaction).await?;
            }
            Err(CarryError::Unavailable) => {
                self.failed(destination, transaction).await?;
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }

    /// Takes what was sent out of the queue.
    async fn delivered(&self, destination: &Destination, transaction: &Transaction) -> Result<(), OutboundError> {
        let server: &ServerName = &destination.server;
        let mut batch = self.scope.batch();
        for position in &transaction.rows {
            batch.delete(&QUEUE, (server, *position));
        }
        for (user, upto) in &transaction.told {
            batch.put(&TOLD, (server, user.as_ref()), upto);
        }
        if !batch.is_empty() {
            self.scope.commit(batch).await?;
        }
        if let Some(upto) = transaction.outbox_upto {
            self.accounts.outbox_done(server, upto).await?;
        }
        Ok(())
    }

    async fn succeeded(&self, destination: &Destination) -> Result<(), OutboundError> {
        let failed_before = {
            let mut state = destination.state.lock();
            state.width = (state.width * 2).min(ITEMS_MAX);
            state.sign = false;
            state.failure.take()
        };
        if failed_before.is_some() {
            tracing::info!(server = %destination.server, "the destination answers again");
            let mut batch = self.scope.batch();
            batch.delete(&FAILURES, (&*destination.server,));
            self.scope.commit(batch).await?;
        }
        Ok(())
    }

    async fn failed(&self, destination: &Destination, transaction: Transaction) -> Result<(), OutboundError> {
        let server: &ServerName = &destination.server;
        let now = self.clock.now();
        let before = destination.state.lock().failure;
        let mut failure = backoff::failed(before, now, self.random.as_ref());
        // Other requests to the server fail too: whoever counts all of them knows better.
        failure.retry_at = self.carrier.retry_at(server).unwrap_or(failure.retry_at);
        if before.is_none() {
            tracing::info!(%server, "the destination does not answer: what it must be told waits");
        }
        let mut batch = self.scope.batch();
        batch.put(&FAILURES, (server,), &failure);
        self.scope.commit(batch).await?;
        let outage = now.since(failure.since) > OUTAGE;
        if outage {
            self.keep_what_matters(server).await?;
        }
        let mut state = destination.state.lock();
        if std::mem::take(&mut state.sign) {
            failure.retry_at = now;
        }
        state.failure = Some(failure);
        // Parts of it may have gone meanwhile.
        state.attempt = Some(transaction).filter(|_| !outage);
        (state.running, state.again) = (false, false);
        Ok(())
    }
}

/// Why a queue cannot be worked on: the store, or what a row names.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutboundError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Rooms(#[from] rooms::Error),
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
