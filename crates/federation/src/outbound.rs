//! What happened here, carried to the servers that must know: a follower of the feed fills one durable queue for each
//! destination, and each destination's queue is emptied in order, one transaction at a time.
//!
//! A row enters the queue in the commit that moves the follower's cursor, and leaves it once the destination has taken it: a
//! killed process sends again what it does not know to have arrived, and destinations know repetitions by their ids.

mod backoff;
mod catch_up;
mod destination;
mod follower;
mod receipts;
pub(crate) mod tables;
mod transaction;
mod typing;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use accounts::Accounts;
use async_trait::async_trait;
use kernel::{
    Clock, Random, Timestamp,
    id::{OwnedServerName, ServerName},
};
use parking_lot::Mutex;
use rooms::Rooms;
use store::Scope;
use tokio::{
    sync::{Semaphore, broadcast},
    task::JoinHandle,
};

use destination::Destination;

/// Transactions that are under way at once, over all destinations of a tenant.
const AT_ONCE_MAX: usize = 32;
/// How often destinations whose time has come are looked for.
const TICK: Duration = Duration::from_millis(500);

/// Brings transactions to other servers.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Whether the server may be reached at all.
    fn allows(&self, server: &ServerName) -> bool;

    /// When a server that does not answer may be tried again, if the carrier knows; `None`: it does not.
    fn retry_at(&self, server: &ServerName) -> Option<Timestamp>;

    /// Servers that were down and live again, from now on.
    fn back(&self) -> broadcast::Receiver<OwnedServerName>;

    /// `PUT /_matrix/federation/v1/send/{txnId}`: the answer's body.
    async fn send(&self, to: &ServerName, transaction_id: &str, body: String) -> Result<String, CarryError>;
}

/// Why a transaction did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// The server cannot take what is in it, now or ever.
    #[error("the transaction was refused with status {0}")]
    Refused(u16),
    #[error("the server cannot be reached, or does not serve now")]
    Unavailable,
}

/// The queues of one tenant. Dropping it ends their work; what waits is on disk.
pub struct Outbound {
    inner: Arc<Inner>,
    follower: JoinHandle<()>,
}

pub(crate) struct Inner {
    scope: Scope,
    accounts: Accounts,
    rooms: Rooms,
    carrier: Arc<dyn Carrier>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    destinations: Mutex<HashMap<OwnedServerName, Arc<Destination>>>,
    slots: Semaphore,
    typists: typing::Typists,
}

/// What the queues are made of.
pub struct OutboundParts {
    pub scope: Scope,
    pub accounts: Accounts,
    pub rooms: Rooms,
    pub carrier: Arc<dyn Carrier>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl Outbound {
    /// Begins to follow the feed from where the last process stopped, and to send what waits. Needs a tokio runtime.
    pub fn start(parts: OutboundParts) -> Self {
        let OutboundParts { scope, accounts, rooms, carrier, clock, random } = parts;
        let inner = Arc::new(Inner {
            scope,
            accounts,
            rooms,
            carrier,
            clock,
            random,
            destinations: Mutex::default(),
            slots: Semaphore::new(AT_ONCE_MAX),
            typists: typing::Typists::default(),
        });
        let follower = tokio::spawn(follower::run(inner.clone()));
        Self { inner, follower }
    }

    /// Whether nothing waits for any destination, as far as this process has followed. For tests and metrics.
    pub fn is_idle(&self) -> bool {
        self.inner.is_idle()
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.follower.abort();
        // Whatever is being sent holds the queues weakly, and ends with its transaction.
    }
}

impl Inner {
    /// The destination in memory.
    fn destination(&self, server: &ServerName) -> Arc<Destination> {
        let mut destinations = self.destinations.lock();
        if let Some(known) = destinations.get(server) {
            return known.clone();
        }
        let new = Arc::new(Destination::new(server.to_owned(), self.backoff_of(server)));
        destinations.insert(server.to_owned(), new.clone());
        new
    }

    /// Something waits for the server.
    fn wake(self: &Arc<Self>, server: &ServerName) {
        let destination = self.destination(server);
        if destination.begin(self.clock.now()) {
            tokio::spawn(destination::deliver(Arc::downgrade(self), destination));
        }
    }

    /// The server has shown that it lives: what waits for it is sent now.
    fn alive(self: &Arc<Self>, server: &ServerName) {
        let known = self.destinations.lock().get(server).cloned();
        if known.is_some_and(|destination| destination.lives(self.clock.now())) {
            self.wake(server);
        }
    }

    /// Wakes the destinations that were waited with and whose time has come.
    fn wake_due(self: &Arc<Self>) {
        let now = self.clock.now();
        let due: Vec<OwnedServerName> = {
            let destinations = self.destinations.lock();
            destinations.values().filter(|one| one.is_due(now)).map(|one| one.server.clone()).collect()
        };
        due.iter().for_each(|server| self.wake(server));
    }

    fn is_idle(&self) -> bool {
        self.destinations.lock().values().all(|destination| destination.is_idle())
    }
}

type Handle = Weak<Inner>;

#[cfg(test)]
mod tests;
