//! Which servers do not answer: they are left alone for a while, longer each time, until they do or show a sign of life.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kernel::{
    Clock, Random, Timestamp,
    id::{OwnedServerName, ServerName},
};
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// After the first failure, and at most; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// Servers that are down at one time; beyond it the soonest to be tried again are forgotten.
const DOWN_MAX: usize = 10_000;
/// Signs of life that a slow listener may have missed.
const SIGNS_MAX: usize = 256;

pub(crate) struct Health {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    down: Mutex<HashMap<OwnedServerName, Down>>,
    back: broadcast::Sender<OwnedServerName>,
}

#[derive(Clone, Copy)]
struct Down {
    failures: u32,
    retry_at: Timestamp,
}

impl Health {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, down: Mutex::default(), back: broadcast::Sender::new(SIGNS_MAX) }
    }

    /// When the server may be tried again; None: now.
    pub(crate) fn retry_at(&self, server: &ServerName) -> Option<Timestamp> {
        let retry_at = self.down.lock().get(server)?.retry_at;
        (retry_at > self.clock.now()).then_some(retry_at)
    }

    /// It did not answer.
    pub(crate) fn failed(&self, server: &ServerName) {
        let mut down = self.down.lock();
        let failures = down.get(server).map_or(0, |down| down.failures);
        let pause = PAUSE_MIN.saturating_mul(1 << failures.min(20)).min(PAUSE_MAX);
        self.pause(&mut down, server, failures.saturating_add(1), self.jittered(pause));
    }

    /// It answered that it wants to be left alone for so long.
    pub(crate) fn asked_for_rest(&self, server: &ServerName, pause: Duration) {
        let mut down = self.down.lock();
        let failures = down.get(server).map_or(0, |down| down.failures);
        self.pause(&mut down, server, failures, pause.min(PAUSE_MAX));
    }

    fn pause(&self, down: &mut HashMap<OwnedServerName, Down>, server: &ServerName, failures: u32, pause: Duration) {
        if down.len() >= DOWN_MAX && !down.contains_key(server) {
            let soonest = down.iter().min_by_key(|(_, down)| down.retry_at).map(|(server, _)| server.clone());
            soonest.and_then(|soonest| down.remove(&soonest));
        }
        down.insert(server.to_owned(), Down { failures, retry_at: self.clock.now().plus(pause) });
    }

    /// It answered, or asked something of us: nothing holds against it any more.
    pub(crate) fn alive(&self, server: &ServerName) {
        if self.down.lock().remove(server).is_some() {
            // Nobody needs to listen.
            let _ = self.back.send(server.to_owned());
        }
    }

    /// Servers that come back, from now on.
    pub(crate) fn back(&self) -> broadcast::Receiver<OwnedServerName> {
        self.back.subscribe()
    }

    /// Between three and five quarters of it, so that those who failed together do not come back together.
    fn jittered(&self, pause: Duration) -> Duration {
        let mut byte = [0];
        self.random.fill(&mut byte);
        (pause.mul_f64(0.75 + f64::from(byte[0]) / 512.0)).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use kernel::{clock::FakeClock, random::SeededRandom};

    use super::*;

    #[test]
    fn each_failure_doubles_the_pause_up_to_an_hour_and_any_sign_of_life_ends_it() {
        let clock = Arc::new(FakeClock::at(Timestamp(1_000_000)));
        let health = Health::new(clock.clone(), Arc::new(SeededRandom::new(7)));
        let mut back = health.back();
        let (hs1, hs2) = (ServerName::parse("hs1").unwrap(), ServerName::parse("hs2").unwrap());
        let mut expected = PAUSE_MIN;
        for _ in 0..40 {
            health.failed(&hs1);
            let pause = health.retry_at(&hs1).unwrap().since(clock.now());
            assert!(pause >= expected.mul_f64(0.74) && pause <= expected.mul_f64(1.25).min(PAUSE_MAX), "{pause:?}");
            assert_eq!(health.retry_at(&hs2), None);
            clock.advance(pause);
            assert_eq!(health.retry_at(&hs1), None, "it may be tried again");
            expected = (expected * 2).min(PAUSE_MAX);
        }
        health.failed(&hs1);
        health.alive(&hs1);
        assert_eq!((health.retry_at(&hs1), back.try_recv().unwrap()), (None, hs1.clone()));
        health.failed(&hs1);
        assert!(health.retry_at(&hs1).unwrap().since(clock.now()) <= PAUSE_MIN.mul_f64(1.25), "it starts anew");
        health.alive(&hs2);
        assert!(back.try_recv().is_err(), "hs2 was never gone");
        health.asked_for_rest(&hs2, Duration::from_secs(1_000_000));
        assert_eq!(health.retry_at(&hs2).unwrap().since(clock.now()), PAUSE_MAX);
    }
}
