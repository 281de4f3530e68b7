//! The one writer: drains the queue, gives positions, writes a group of batches as one synced batch, then publishes.
//!
//! An acknowledged write is on disk, positions are published in order after their rows are, and many tenants share one
//! sync. There is no timer: while the disk works, the next group gathers. After a failed write nothing is tried again on
//! the same files (DESIGN §3): everything waiting is refused and the store reports itself failed.

use std::{collections::HashMap, sync::atomic::Ordering, time::Instant};

use kernel::{Position, TenantId, limits};
use tokio::sync::oneshot;

use crate::{
    Batch, Error, Kv, Result,
    batch::Expectation,
    feed::{self, Announcement, FEED},
    kv::Write,
    latest::Latest,
    queue::{Job, Jobs},
    store::{Health, POSITION, Stream},
    table::Record,
};

/// Room for writes that is kept from one group to the next; a bigger group gives the rest back.
const WRITES_KEPT: usize = 4_096;

/// Runs until the queue is closed and empty, or until a write fails.
pub(crate) fn run(kv: &dyn Kv, jobs: &Jobs, health: &Health) {
    let _stopped = Stopped(health);
    let mut group = Group::new(kv);
    let mut last = 0;
    while let Some(first) = jobs.next() {
        metrics::histogram!("beffroi_commit_wait_seconds").record(first.queued.elapsed().as_secs_f64());
        group.add(first);
        gather(&mut group, jobs, last);
        last = group.pending.len();
        if let Err(error) = group.commit() {
            tracing::error!(%error, "a commit failed: the store takes no more writes");
            health.fail(error.clone());
            group.refuse(&error);
            break;
        }
        group.publish();
    }
    // Whoever still waits in the queue learns it from the dropped sender: unavailable, not acknowledged.
}

fn gather(group: &mut Group<'_>, jobs: &Jobs, last: usize) {
    for _ in 0..4 {
        while !group.is_full() {
            let Some(job) = jobs.next_waiting() else { break };
            group.add(job);
        }
        if group.pending.len() >= last {
            break;
        }
        std::thread::yield_now();
    }
}

/// Reports a committer that ends by a panic, which would else look like a store that is ready and never answers.
struct Stopped<'a>(&'a Health);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::Engine("the committer panicked".to_owned()));
        }
    }
}

/// A batch whose writes are in the group, to be published and answered once the group is on disk.
struct Pending {
    stream: std::sync::Arc<Stream>,
    position: Position,
    announcements: Vec<Announcement>,
    answer: oneshot::Sender<Result<Position>>,
}

/// Batches that share one write to disk. One value serves all groups, so that its memory is taken once.
struct Group<'a> {
    kv: &'a dyn Kv,
    writes: Vec<Write>,
    latest: Latest,
    bytes: usize,
    pending: Vec<Pending>,
    /// Those whose preconditions did not hold. They are told when the group is on disk: before, they would read again what
    /// was there before the group, and fail again, as often as they like.
    conflicts: Vec<oneshot::Sender<Result<Position>>>,
    /// The last position given to each tenant that takes one in this group.
    given: HashMap<TenantId, u64>,
}

impl<'a> Group<'a> {
    fn new(kv: &'a dyn Kv) -> Self {
        Self {
            kv,
            writes: Vec::new(),
            latest: Latest::default(),
            bytes: 0,
            pending: Vec::new(),
            conflicts: Vec::new(),
            given: HashMap::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() + self.conflicts.len() >= limits::COMMIT_GROUP_MAX || self.bytes >= limits::BATCH_BYTES_MAX
    }

    /// Adds the batch's writes, or notes that it cannot be written.
    fn add(&mut self, job: Job) {
        let Job { batch, bytes, stream, answer, .. } = job;
        match self.holds(&batch.expectations) {
            Ok(()) => {}
            Err(Error::Conflict) => return self.conflicts.push(answer),
            Err(error) => {
                // An error only says that the caller has gone.
                let _ = answer.send(Err(error));
                return;
            }
        }
        self.bytes += bytes;
        let (position, announcements) = self.seal(batch, &stream);
        self.pending.push(Pending { stream, position, announcements, answer });
    }

    /// Whether the preconditions hold, counting what this group is about to write.
    fn holds(&self, expectations: &[Expectation]) -> Result<()> {
        for Expectation { space, key, value } in expectations {
            let holds = match self.latest.find(&self.writes, *space, key) {
                Some(Write::Put { value: written, .. }) => value.as_ref() == Some(written),
                Some(Write::Delete { .. }) => value.is_none(),
                None => self.kv.get(*space, key)?.as_deref() == value.as_deref(),
            };
            if !holds {
                return Err(Error::Conflict);
            }
        }
        Ok(())
    }

    fn write(&mut self, write: Write) {
        self.latest.note(&write, self.writes.len());
        self.writes.push(write);
    }

    /// Gives the batch its positions and adds its rows. Returns its last position, or the stream's if it takes none.
    fn seal(&mut self, batch: Batch, stream: &Stream) -> (Position, Vec<Announcement>) {
        let Batch { tenant, ops, announcements, positions, .. } = batch;
        let base = self.given.get(&tenant).copied().unwrap_or_else(|| stream.given.load(Ordering::Relaxed));
        let last = base + u64::from(positions);
        if positions > 0 {
            self.given.insert(tenant, last);
        }
        self.writes.reserve(ops.len() + announcements.len());
        for op in ops {
            let key = op.key.seal(base);
            self.write(match op.value {
                Some(value) => Write::Put { space: op.space, key, value: value.seal(base) },
                None => Write::Delete { space: op.space, key },
            });
        }
        let announced = announcements.into_iter().map(|(stamp, (topic, entry))| {
            let position = stamp.position(base);
            let key = FEED.key(tenant, &(position,)).bytes;
            self.writes.push(Write::Put { space: FEED.space(), key, value: feed::row(topic, &entry) });
            Announcement { tenant, position, topic, entry: entry.into() }
        });
        (Position(last), announced.collect())
    }

    fn commit(&mut self) -> Result<()> {
        for (tenant, last) in &self.given {
            let value = Record::encode(last).map_err(|reason| Error::Damaged { table: POSITION.name(), reason })?;
            self.writes.push(Write::Put { space: POSITION.space(), key: POSITION.prefix(*tenant).bytes, value });
        }
        if self.writes.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        self.kv.commit(&self.writes)?;
        metrics::histogram!("beffroi_commit_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("beffroi_commit_batches").record(u32::try_from(self.pending.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    fn refuse(&mut self, error: &Error) {
        let answers = self.pending.drain(..).map(|pending| pending.answer).chain(self.conflicts.drain(..));
        for answer in answers {
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Tells of each batch in order, and makes room for the next group.
    ///
    /// A position is published before it is announced: whoever wakes by an announcement may read up to it.
    fn publish(&mut self) {
        for Pending { stream, position, announcements, answer } in self.pending.drain(..) {
            stream.given.store(position.0, Ordering::Relaxed);
            if !announcements.is_empty() {
                stream.views.read().iter().for_each(|view| view(&announcements));
            }
            stream.published.send_if_modified(|published| {
                let moved = *published < position;
                *published = position.max(*published);
                moved
            });
            if !announcements.is_empty() {
                // An error only says that nobody listens.
                let _ = stream.announcements.send(announcements.into());
            }
            let _ = answer.send(Ok(position));
        }
        for answer in self.conflicts.drain(..) {
            let _ = answer.send(Err(Error::Conflict));
        }
        self.writes.clear();
        self.writes.shrink_to(WRITES_KEPT);
        self.latest.clear(WRITES_KEPT);
        self.given.clear();
        self.bytes = 0;
    }
}
