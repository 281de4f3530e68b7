//! An engine that fails, or waits, when it is told to: for tests of what happens when the disk does.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::{
    Error, Result,
    kv::{Direction, Kv, Range, Read, Row, Space, Write},
};

/// What a failed commit leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the write was refused.
    Lost,
    /// All of it: the error came after the write, as of a failed sync whose pages reached the disk after all.
    Written,
}

/// An engine around another. [`Faults`] steers it.
pub struct Faulty<K> {
    engine: K,
    faults: Faults,
}

/// Steers a [`Faulty`] engine. Clones steer the same one.
#[derive(Clone, Default)]
pub struct Faults(Arc<State>);

#[derive(Default)]
struct State {
    commits: AtomicU64,
    reads: AtomicU64,
    plan: Mutex<Plan>,
    held: Mutex<bool>,
    released: Condvar,
}

#[derive(Default)]
struct Plan {
    commit: Option<(u64, Outcome)>,
    read: Option<u64>,
}

impl<K: Kv> Faulty<K> {
    pub fn new(engine: K) -> (Self, Faults) {
        let faults = Faults::default();
        (Self { engine, faults: faults.clone() }, faults)
    }
}

impl Faults {
    /// Makes the `nth` commit from now on fail; the next is the first.
    pub fn fail_commit(&self, nth: u64, outcome: Outcome) {
        self.0.plan.lock().commit = Some((self.commits() + nth, outcome));
    }

    /// Makes the `nth` read from now on fail; the next is the first. A snapshot's reads never do.
    pub fn fail_read(&self, nth: u64) {
        self.0.plan.lock().read = Some(self.0.reads.load(Ordering::SeqCst) + nth);
    }

    /// How many commits the engine was asked for.
    pub fn commits(&self) -> u64 {
        self.0.commits.load(Ordering::SeqCst)
    }

    /// Makes commits wait until this is dropped: meanwhile batches gather into one group.
    pub fn hold(&self) -> Held {
        *self.0.held.lock() = true;
        Held(self.clone())
    }

    fn read(&self) -> Result<()> {
        let number = self.0.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if self.0.plan.lock().read == Some(number) {
            return Err(Error::Engine("injected: a read failed".to_owned()));
        }
        Ok(())
    }
}

/// Commits wait for as long as this lives.
#[must_use = "commits wait only for as long as it lives"]
pub struct Held(Faults);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.0.held.lock() = false;
        self.0.0.released.notify_all();
    }
}

impl<K: Kv> Read for Faulty<K> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        self.faults.read()?;
        self.engine.get(space, key)
    }

    fn multi_get(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>> {
        self.faults.read()?;
        self.engine.multi_get(space, keys)
    }

    fn scan(&self, space: Space, range: &Range, limit: usize, direction: Direction) -> Result<Vec<Row>> {
        self.faults.read()?;
        self.engine.scan(space, range, limit, direction)
    }
}

impl<K: Kv> Kv for Faulty<K> {
    fn commit(&self, writes: &[Write]) -> Result<()> {
        let state = &self.faults.0;
        let number = state.commits.fetch_add(1, Ordering::SeqCst) + 1;
        state.released.wait_while(&mut state.held.lock(), |held| *held);
        let outcome = state.plan.lock().commit.filter(|(planned, _)| *planned == number).map(|(_, outcome)| outcome);
        if outcome != Some(Outcome::Lost) {
            self.engine.commit(writes)?;
        }
        match outcome {
            Some(_) => Err(Error::Engine("injected: a commit failed".to_owned())),
            None => Ok(()),
        }
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        self.engine.snapshot()
    }

    fn figures(&self) -> Vec<(&'static str, u64)> {
        self.engine.figures()
    }
}
