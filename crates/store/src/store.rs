//! An engine with its committer: the one store of the process.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use kernel::{Position, TenantId, limits};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, oneshot, watch};

use crate::{
    Batch, Error, Kv, Result, committer,
    feed::{Announcement, Announcements},
    kv::Space,
    queue::{Job, Queue, queue},
    scope::Ticket,
    table::{Record, Table},
};

/// The last position that the tenant's stream has given out.
pub(crate) const POSITION: Table<(), Position> = Table::new(0x01, "position", Space::Index);

/// Announcements that a slow subscriber may lag behind before it has to read the feed itself. Room for them is taken for
/// every tenant at once (about 6 kB), and a process may have a thousand tenants.
const ANNOUNCEMENTS_BEHIND_MAX: usize = 128;

/// A tenant's stream of changes: where it stands and who listens.
pub(crate) struct Stream {
    /// The last position given out; only the committer moves it.
    pub(crate) given: AtomicU64,
    pub(crate) published: watch::Sender<Position>,
    pub(crate) announcements: broadcast::Sender<Announcements>,
    /// Views that are brought up to date before a position is published.
    pub(crate) views: RwLock<Vec<View>>,
}

/// Updates something in memory by what was committed. Runs on the committer: it must be quick and take no I/O.
pub(crate) type View = Box<dyn Fn(&[Announcement]) + Send + Sync>;

/// The health of the store, shared with its committer.
pub(crate) struct Health {
    pub(crate) ready: AtomicBool,
    /// Says why the store stopped taking writes.
    pub(crate) failure: watch::Sender<Option<Error>>,
}

impl Health {
    pub(crate) fn fail(&self, error: Error) {
        self.ready.store(false, Ordering::SeqCst);
        self.failure.send_replace(Some(error));
    }
}

pub struct Store {
    kv: Arc<dyn Kv>,
    streams: Mutex<HashMap<TenantId, Arc<Stream>>>,
    queue: Queue,
    health: Arc<Health>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Starts the committer of this engine.
    ///
    /// # Errors
    /// [`Error::Engine`] when the system gives no thread.
    pub fn open(kv: impl Kv) -> Result<Arc<Self>> {
        Self::with_engine(Arc::new(kv))
    }

    pub fn with_engine(kv: Arc<dyn Kv>) -> Result<Arc<Self>> {
        let (queue, jobs) = queue();
        let health = Arc::new(Health { ready: AtomicBool::new(true), failure: watch::Sender::new(None) });
        let committer = {
            let (kv, health) = (kv.clone(), health.clone());
            std::thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || committer::run(kv.as_ref(), &jobs, &health))
                .map_err(|error| Error::Engine(error.to_string()))?
        };
        Ok(Arc::new(Self { kv, streams: Mutex::default(), queue, health, committer: Mutex::new(Some(committer)) }))
    }

    /// False once a write has failed: nothing is acknowledged any more, and the process should end.
    pub fn ready(&self) -> bool {
        self.health.ready.load(Ordering::SeqCst)
    }

    /// Resolves with the reason when the store has failed.
    pub async fn failed(&self) -> Error {
        let mut failure = self.health.failure.subscribe();
        let reason = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        reason.unwrap_or(Error::Unavailable)
    }

    /// Takes no more batches, waits until those in the queue are on disk, and ends the committer.
    pub fn close(&self) {
        self.queue.close();
        if let Some(committer) = self.committer.lock().take()
            && committer.join().is_err()
        {
            tracing::error!("the committer ended by a panic");
        }
    }

    /// The engine's own figures, for metrics.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        self.kv.figures()
    }

    pub(crate) fn kv(&self) -> &dyn Kv {
        self.kv.as_ref()
    }

    pub(crate) fn stream(&self, tenant: TenantId) -> Result<Arc<Stream>> {
        let mut streams = self.streams.lock();
        if let Some(stream) = streams.get(&tenant) {
            return Ok(stream.clone());
        }
        let given = match self.kv.get(POSITION.space(), &POSITION.prefix(tenant).bytes)? {
            Some(bytes) => <Position as Record>::decode(&bytes)
                .map_err(|reason| Error::Damaged { table: POSITION.name(), reason })?,
            None => Position::START,
        };
        let stream = Arc::new(Stream {
            given: AtomicU64::new(given.0),
            published: watch::Sender::new(given),
            announcements: broadcast::Sender::new(ANNOUNCEMENTS_BEHIND_MAX),
            views: RwLock::default(),
        });
        streams.insert(tenant, stream.clone());
        Ok(stream)
    }

    pub(crate) fn enqueue(&self, batch: Batch, stream: Arc<Stream>) -> Result<Ticket> {
        batch.check()?;
        let (bytes, limit) = (batch.bytes(), limits::BATCH_BYTES_MAX);
        if bytes > limit {
            return Err(Error::TooLarge { what: "a batch", bytes, limit });
        }
        if !self.ready() {
            return Err(Error::Unavailable);
        }
        let (answer, ticket) = oneshot::channel();
        self.queue.push(Job { batch, bytes, queued: Instant::now(), stream, answer })?;
        Ok(Ticket(ticket))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
