//! The end of a unit: its batch goes to the committer, and the next writer builds on it.

use std::sync::Arc;

use store::Batch;
use tokio::sync::OwnedMutexGuard;

use super::Unit;
use crate::{
    Result,
    room::{Room, Writer},
    tables::HEADS,
};

impl Unit<'_> {
    /// Hands the batch to the committer and returns once it is on disk.
    ///
    /// A change of state, a redaction, and whatever another server sent keep the room until then, so that the next writer reads
    /// them from the store; other events made here only move the end of the graph, and the next may be made while these are
    /// being written.
    pub(crate) async fn commit(self) -> Result<()> {
        self.commit_all(None).await
    }

    /// The same, together with the change of another room.
    pub(crate) async fn commit_with(self, other: Unit<'_>) -> Result<()> {
        self.commit_all(Some(other)).await
    }

    async fn commit_all(mut self, other: Option<Unit<'_>>) -> Result<()> {
        let scope = &self.inner.scope;
        let mut batch = self.take_batch()?;
        let other = match other {
            Some(mut other) => {
                batch.append(other.take_batch()?);
                Some(other)
            }
            None => None,
        };
        let ticket = scope.enqueue(batch)?;
        let held = [Some(self), other].map(|unit| unit.map(Unit::hand_over));
        // A task of its own: if the client goes away meanwhile, the room must stay in memory, and locked, until the disk
        // has what its head says.
        let written = tokio::spawn(async move {
            let written = ticket.wait().await;
            drop(held);
            written
        });
        written.await.map_err(|_| store::Error::Unavailable)??;
        Ok(())
    }

    /// All that the unit writes.
    fn take_batch(&mut self) -> Result<Batch> {
        self.count_servers();
        let mut batch = std::mem::replace(&mut self.batch, self.inner.scope.batch());
        batch.put(&HEADS, (self.room.id.as_ref(),), &self.head);
        for root in self.roots.drain(..) {
            self.growth.write(root, &mut batch);
        }
        Ok(batch)
    }

    /// Lets the next writer build on this unit; what is returned keeps the room, and its lock if that must wait for the disk.
    fn hand_over(mut self) -> (Arc<Room>, Option<OwnedMutexGuard<Writer>>) {
        self.guard.head = self.head;
        self.guard.servers = self.servers;
        for (key, event) in self.sent {
            self.guard.remember(key, event);
        }
        (self.room, self.holds_on.then_some(self.guard))
    }
}
