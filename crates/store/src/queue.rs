//! The committer's queue: bounded by number and by bytes, so that a slow disk refuses work instead of filling memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Instant,
};

use kernel::{Position, limits};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Batch, Error, Result, store::Stream};

/// A batch on its way to the disk.
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) bytes: usize,
    pub(crate) queued: Instant,
    pub(crate) stream: Arc<Stream>,
    pub(crate) answer: oneshot::Sender<Result<Position>>,
}

/// The end of the queue that callers fill.
pub(crate) struct Queue {
    sender: Mutex<Option<SyncSender<Job>>>,
    bytes: Arc<AtomicUsize>,
}

/// The end of the queue that the committer empties.
pub(crate) struct Jobs {
    receiver: Receiver<Job>,
    bytes: Arc<AtomicUsize>,
}

pub(crate) fn queue() -> (Queue, Jobs) {
    let (sender, receiver) = sync_channel(limits::COMMIT_QUEUE_MAX);
    let bytes = Arc::<AtomicUsize>::default();
    (Queue { sender: Mutex::new(Some(sender)), bytes: bytes.clone() }, Jobs { receiver, bytes })
}

impl Queue {
    /// Puts the job behind those that wait.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the queue is full or closed.
    pub(crate) fn push(&self, job: Job) -> Result<()> {
        let bytes = job.bytes;
        // Held while the job goes in: jobs lie in the queue in the order in which they were pushed.
        let sender = self.sender.lock();
        let Some(sender) = sender.as_ref() else { return Err(Error::Unavailable) };
        if self.bytes.load(Ordering::Relaxed) + bytes > limits::COMMIT_QUEUE_BYTES_MAX {
            return Err(Error::Unavailable);
        }
        // Counted before it is in the queue, or the committer might subtract it first.
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        sender.try_send(job).map_err(|_| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            Error::Unavailable
        })
    }

    /// Takes no more jobs; those inside are still to be done.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().take());
    }
}

impl Jobs {
    /// Waits for the next job. None once the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<Job> {
        self.taken(self.receiver.recv().ok())
    }

    /// The next job, if one waits already.
    pub(crate) fn next_waiting(&self) -> Option<Job> {
        self.taken(self.receiver.try_recv().ok())
    }

    fn taken(&self, job: Option<Job>) -> Option<Job> {
        if let Some(job) = &job {
            self.bytes.fetch_sub(job.bytes, Ordering::Relaxed);
        }
        job
    }
}
