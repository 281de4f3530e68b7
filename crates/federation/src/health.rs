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
/// How often somebody who waits for an answer has a server tried before its time has come.
const PROBE_EVERY: Duration = Duration::from_secs(5);
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
    /// When it was tried last.
    tried_at: Timestamp,
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

    /// Whether the server may be tried for somebody who waits for its answer: also before its time has come, every few seconds,
    /// so that a server that came back silently is found by who needs it.
    pub(crate) fn may_be_asked(&self, server: &ServerName) -> bool {
        let now = self.clock.now();
        let mut down = self.down.lock();
        let Some(down) = down.get_mut(server).filter(|down| down.retry_at > now) else { return true };
        let may = now.since(down.tried_at) >= PROBE_EVERY;
        if may {
            down.tried_at = now;
        }
        may
    }

    /// It did not answer. One that was tried before its time is left alone until then, and no longer.
    pub(crate) fn failed(&self, server: &ServerName) {
        let mut down = self.down.lock();
        if down.get(server).is_some_and(|down| down.retry_at > self.clock.now()) {
            return;
        }
        let failures = down.get(server).map_or(0, |down| down.failures);
        let pause = PAUSE_MIN.saturating_mul(1 << failures.min(20)).min(PAUSE_MAX);
        let (now, pause) = (self.clock.now(), self.jittered(pause));
        let failures = failures.saturating_add(1);
        self.put(&mut down, server, Down { failures, retry_at: now.plus(pause), tried_at: now });
    }

    /// It answered that it wants to be left alone for so long.
    pub(crate) fn asked_for_rest(&self, server: &ServerName, pause: Duration) {
        let mut down = self.down.lock();
        let failures = down.get(server).map_or(0, |down| down.failures);
        let retry_at = self.clock.now().plus(pause.min(PAUSE_MAX));
        // Nobody's need is a reason to disturb it.
        self.put(&mut down, server, Down { failures, retry_at, tried_at: retry_at });
    }

    fn put(&self, down: &mut HashMap<OwnedServerName, Down>, server: &ServerName, state: Down) {
        if down.len() >= DOWN_MAX && !down.contains_key(server) {
            let soonest = down.iter().min_by_key(|(_, down)| down.retry_at).map(|(server, _)| server.clone());
            soonest.and_then(|soonest| down.remove(&soonest));
        }
        down.insert(server.to_owned(), state);
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
        clock.advance(PROBE_EVERY * 2);
        assert!(!health.may_be_asked(&hs2), "it said so");
        clock.set(health.retry_at(&hs2).unwrap());
        health.asked_for_rest(&hs2, Duration::from_secs(1_000_000));
        assert_eq!(health.retry_at(&hs2).unwrap().since(clock.now()), PAUSE_MAX);
    }

    #[test]
    fn who_waits_for_an_answer_has_a_server_tried_before_its_time_now_and_then() {
        let clock = Arc::new(FakeClock::at(Timestamp(1_000_000)));
        let health = Health::new(clock.clone(), Arc::new(SeededRandom::new(7)));
        let hs1 = ServerName::parse("hs1").unwrap();
        assert!(health.may_be_asked(&hs1));
        while health.retry_at(&hs1).is_none_or(|at| at.since(clock.now()) < Duration::from_mins(1)) {
            clock.set(health.retry_at(&hs1).unwrap_or(clock.now()));
            health.failed(&hs1);
        }
        let retry_at = health.retry_at(&hs1);
        assert!(!health.may_be_asked(&hs1), "it has just been tried");
        clock.advance(PROBE_EVERY);
        assert_eq!([(); 3].map(|()| health.may_be_asked(&hs1)), [true, false, false]);
        health.failed(&hs1);
        assert_eq!(health.retry_at(&hs1), retry_at, "what nobody was waiting for waits no longer for it");
        clock.set(retry_at.unwrap());
        assert_eq!([(); 3].map(|()| health.may_be_asked(&hs1)), [true; 3]);
    }
}
