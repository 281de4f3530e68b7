//! The one writer: drains the queue, gives positions, writes a group of batches as one synced batch, then publishes.
//!
//! An acknowledged write is on disk, positions are published in order after their rows are, and many tenants share one
//! sync. There is no timer: while the disk works, the next group gathers. After a failed write nothing is tried again on
//! the same files (DESIGN §3): everything waiting is refused and the store reports itself failed.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc::Receiver},
    time::Instant,
};

use kernel::{Position, TenantId, limits};
use tokio::sync::oneshot;

use crate::{
    Batch, Error, Kv, Result,
    batch::Expectation,
    feed::{self, Announcement, FEED},
    kv::Write,
    store::{Health, POSITION, Stream},
    table::Record,
};

pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) stream: Arc<Stream>,
    pub(crate) answer: oneshot::Sender<Result<Position>>,
}

/// A batch whose writes are in the group, to be published and answered once the group is on disk.
struct Pending {
    stream: Arc<Stream>,
    position: Position,
    announcements: Vec<Announcement>,
    answer: oneshot::Sender<Result<Position>>,
}

#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    bytes: usize,
    pending: Vec<Pending>,
    /// The last position given to each tenant in this group.
    given: HashMap<TenantId, u64>,
}

pub(crate) fn run(kv: &dyn Kv, jobs: &Receiver<Job>, health: &Health) {
    while let Ok(first) = jobs.recv() {
        let mut group = Group::default();
        group.add(kv, first);
        while group.pending.len() < limits::COMMIT_GROUP_MAX && group.bytes < limits::BATCH_BYTES_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            group.add(kv, job);
        }
        if let Err(error) = group.commit(kv) {
            tracing::error!(%error, "a commit failed: the store takes no more writes");
            health.fail(error);
            break;
        }
    }
    // Whoever still waits learns it from the dropped sender: unavailable, not acknowledged.
}

impl Group {
    /// Adds the batch's writes, or answers at once that it cannot be written.
    fn add(&mut self, kv: &dyn Kv, job: Job) {
        let Job { batch, stream, answer } = job;
        match self.holds(kv, &batch.expectations).and_then(|()| self.seal(batch, &stream)) {
            Ok((position, announcements)) => {
                self.pending.push(Pending { stream, position, announcements, answer });
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// Whether the preconditions hold, counting what this group is about to write.
    fn holds(&self, kv: &dyn Kv, expectations: &[Expectation]) -> Result<()> {
        for Expectation { space, key, value } in expectations {
            let in_group = self.writes.iter().rev().find_map(|write| match write {
                Write::Put { space: s, key: k, value } if s == space && k == key => Some(Some(value.as_slice())),
                Write::Delete { space: s, key: k } if s == space && k == key => Some(None),
                _ => None,
            });
            let holds = match in_group {
                Some(present) => present == value.as_deref(),
                None => kv.get(*space, key)?.as_deref() == value.as_deref(),
            };
            if !holds {
                return Err(Error::Conflict);
            }
        }
        Ok(())
    }

    fn seal(&mut self, batch: Batch, stream: &Stream) -> Result<(Position, Vec<Announcement>)> {
        let bytes = batch.bytes();
        let limit = limits::BATCH_BYTES_MAX;
        if bytes > limit {
            return Err(Error::TooLarge { what: "a batch", bytes, limit });
        }
        self.bytes += bytes;
        let base = *self.given.entry(stream.tenant).or_insert_with(|| *stream.given.lock());
        let last = base + u64::from(batch.positions);
        self.given.insert(stream.tenant, last);
        let tenant = batch.tenant;
        for op in batch.ops {
            let key = op.key.seal(base);
            self.writes.push(match op.value {
                Some(value) => Write::Put { space: op.space, key, value: value.seal(base) },
                None => Write::Delete { space: op.space, key },
            });
        }
        let mut announcements = Vec::with_capacity(batch.announcements.len());
        for (stamp, (topic, entry)) in batch.announcements {
            let position = Position(base + 1 + u64::from(stamp.0));
            self.writes.push(Write::Put {
                space: FEED.space(),
                key: FEED.key(tenant, &(position,)).bytes,
                value: feed::row(topic, &entry),
            });
            announcements.push(Announcement { tenant, position, topic, entry: entry.into() });
        }
        Ok((Position(last), announcements))
    }

    fn commit(mut self, kv: &dyn Kv) -> Result<()> {
        for (tenant, last) in &self.given {
            let value = Position(*last).encode().unwrap_or_default();
            self.writes.push(Write::Put { space: POSITION.space(), key: POSITION.prefix(*tenant).bytes, value });
        }
        let started = Instant::now();
        if let Err(error) = kv.commit(self.writes) {
            for pending in self.pending {
                drop(pending.answer.send(Err(error.clone())));
            }
            return Err(error);
        }
        metrics::histogram!("beffroi_commit_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("beffroi_commit_batches").record(u32::try_from(self.pending.len()).unwrap_or(u32::MAX));
        for Pending { stream, position, announcements, answer } in self.pending {
            *stream.given.lock() = position.0;
            if !announcements.is_empty() {
                for view in stream.views.read().iter() {
                    view(&announcements);
                }
                // An error only says that nobody listens.
                let _ = stream.announcements.send(announcements.into());
            }
            stream.published.send_if_modified(|published| {
                let moved = *published < position;
                *published = position.max(*published);
                moved
            });
            let _ = answer.send(Ok(position));
        }
        Ok(())
    }
}
