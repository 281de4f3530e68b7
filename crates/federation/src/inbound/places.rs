//! How much is done at once for one other server: a few requests are answered, some more wait, the rest come back later.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kernel::{
    Kind,
    id::{OwnedServerName, ServerName},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests of one server that are answered at once.
const AT_ONCE_MAX: usize = 3;
/// Requests of one server that wait, and bytes of their bodies.
const WAITING_MAX: usize = 50;
const WAITING_BYTES_MAX: usize = 64_000_000;
/// Servers that are remembered; those that ask nothing now go first.
const SERVERS_MAX: usize = 10_000;
/// When to come back.
const LATER: Duration = Duration::from_secs(2);

/// The places of all servers.
#[derive(Default)]
pub struct Places(Mutex<HashMap<OwnedServerName, Arc<Lane>>>);

struct Lane {
    at_once: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    requests: usize,
    bytes: usize,
}

/// A request in the queue; it leaves it with this, also when its server hangs up.
struct InQueue {
    lane: Arc<Lane>,
    bytes: usize,
}

impl Drop for InQueue {
    fn drop(&mut self) {
        let mut waiting = self.lane.waiting.lock();
        waiting.requests -= 1;
        waiting.bytes -= self.bytes;
    }
}

impl Places {
    /// Waits for a place to answer a request with a body of so many bytes.
    ///
    /// # Errors
    /// 429 when too many of this server wait already.
    pub(crate) async fn enter(&self, server: &ServerName, bytes: usize) -> web::Result<OwnedSemaphorePermit> {
        let lane = self.lane(server);
        let at_once = Arc::clone(&lane.at_once);
        if let Ok(place) = Arc::clone(&at_once).try_acquire_owned() {
            return Ok(place);
        }
        let _in_queue = lane.queue(bytes).ok_or_else(|| {
            metrics::counter!("beffroi_federation_busy_total").increment(1);
            web::Error::new(Kind::LimitExceeded { retry_after: LATER }, "Too many requests of this server at once")
        })?;
        at_once.acquire_owned().await.map_err(web::Error::internal)
    }

    fn lane(&self, server: &ServerName) -> Arc<Lane> {
        let mut lanes = self.0.lock();
        if let Some(lane) = lanes.get(server) {
            return Arc::clone(lane);
        }
        if lanes.len() >= SERVERS_MAX {
            lanes.retain(|_, lane| !lane.is_idle());
        }
        let new = || Lane { at_once: Arc::new(Semaphore::new(AT_ONCE_MAX)), waiting: Mutex::default() };
        Arc::clone(lanes.entry(server.to_owned()).or_insert_with(|| Arc::new(new())))
    }
}

impl Lane {
    fn queue(self: Arc<Self>, bytes: usize) -> Option<InQueue> {
        {
            let mut waiting = self.waiting.lock();
            if waiting.requests >= WAITING_MAX || waiting.bytes + bytes > WAITING_BYTES_MAX {
                return None;
            }
            waiting.requests += 1;
            waiting.bytes += bytes;
        }
        Some(InQueue { lane: self, bytes })
    }

    fn is_idle(&self) -> bool {
        self.at_once.available_permits() == AT_ONCE_MAX && self.waiting.lock().requests == 0
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn three_are_answered_fifty_wait_and_the_next_is_told_to_come_back() {
        let places = Places::default();
        let (hs1, hs2) = (ServerName::parse("hs1").unwrap(), ServerName::parse("hs2").unwrap());
        let held = join_all((0..AT_ONCE_MAX).map(|_| places.enter(&hs1, 1))).await;
        assert!(held.iter().all(Result::is_ok));
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(places.enter(&hs1, 1))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let refusal = places.enter(&hs1, 1).await.unwrap_err();
        assert_eq!((refusal.status_code().as_u16(), refusal.errcode()), (429, "M_LIMIT_EXCEEDED"));
        assert!(places.enter(&hs2, 1).await.is_ok(), "another server does not wait for this one");
        // One that hangs up leaves the queue, one that is answered lets the first of it in.
        drop(waiting.pop());
        assert!(places.enter(&hs1, WAITING_BYTES_MAX).await.is_err(), "too much to keep");
        drop(held);
        for one in waiting {
            drop(one.await.unwrap());
        }
        assert!(places.lane(&hs1).is_idle());
    }
}
