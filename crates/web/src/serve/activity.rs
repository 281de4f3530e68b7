//! What a connection is doing, so that one that does nothing, or does it too slowly, is closed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use crate::Body;

/// From the first byte of a request's head to its last; from the connection to its first request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// While the client reads nothing of what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// A quiet connection is looked at this often, since a head may begin at any time.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const BUSY_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Milliseconds are counted from the connection's start, plus one: zero is "not now".
pub(super) struct Activity {
    start: Instant,
    requests: AtomicUsize,
    has_had_request: AtomicBool,
    is_http2: AtomicBool,
    quiet_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
}

pub(super) enum Verdict {
    CheckAt(Instant),
    /// No request for long: close it politely.
    Idle,
    /// Too slow: cut it.
    Stalled,
}

impl Activity {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            requests: AtomicUsize::new(0),
            has_had_request: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
        }
    }

    pub(super) fn first_check(&self) -> Instant {
        self.start + HEAD_TIMEOUT
    }

    /// A request's head is complete.
    pub(super) fn begin(self: &Arc<Self>, is_http2: bool) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.has_had_request.store(true, Ordering::Relaxed);
        self.is_http2.store(is_http2, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Bytes came from the client.
    pub(super) fn received(&self) {
        let is_between = self.requests.load(Ordering::Relaxed) == 0;
        if is_between && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client takes what is sent to it, or not.
    pub(super) fn sent(&self, is_stalled: bool) {
        let since = self.stalled_since.load(Ordering::Relaxed);
        if is_stalled && since == 0 {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        } else if !is_stalled && since != 0 {
            self.stalled_since.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let now = self.now();
        let over = |since: u64, limit: Duration| now.saturating_sub(since) >= limit.as_millis() as u64;
        let stalled_since = self.stalled_since.load(Ordering::Relaxed);
        if stalled_since != 0 && over(stalled_since, WRITE_TIMEOUT) {
            return Verdict::Stalled;
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Verdict::CheckAt(Instant::now() + BUSY_CHECK_INTERVAL);
        }
        if !self.has_had_request.load(Ordering::Relaxed) && over(0, HEAD_TIMEOUT) {
            return Verdict::Stalled;
        }
        let head_since = self.head_since.load(Ordering::Relaxed);
        // HTTP/2 also receives between requests what belongs to none: acknowledgements, pings.
        let in_head = head_since != 0 && !self.is_http2.load(Ordering::Relaxed);
        if in_head && over(head_since, HEAD_TIMEOUT) {
            return Verdict::Stalled;
        }
        if !in_head && over(self.quiet_since.load(Ordering::Relaxed), IDLE_TIMEOUT) {
            return Verdict::Idle;
        }
        Verdict::CheckAt(Instant::now() + CHECK_INTERVAL)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    /// The connection counts as busy until the body is sent.
    pub(super) fn until_sent(self, body: Body) -> Outgoing {
        Outgoing { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body on its way out.
pub(super) struct Outgoing {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_request_must_come_soon_and_later_ones_may_take_longer() {
        let silent = Activity::start();
        after(10).await;
        assert!(matches!(silent.verdict(), Verdict::Stalled));

        let kept = Arc::new(Activity::start());
        drop(kept.begin(false));
        after(74).await;
        assert!(matches!(kept.verdict(), Verdict::CheckAt(_)));
        after(1).await;
        assert!(matches!(kept.verdict(), Verdict::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_and_a_client_that_does_not_read_are_cut() {
        let drip = Arc::new(Activity::start());
        drop(drip.begin(false));
        drip.received();
        after(5).await;
        drip.received();
        assert!(matches!(drip.verdict(), Verdict::CheckAt(_)));
        after(5).await;
        drip.received();
        assert!(matches!(drip.verdict(), Verdict::Stalled));

        let slow = Arc::new(Activity::start());
        let _busy = slow.begin(false);
        after(600).await;
        assert!(matches!(slow.verdict(), Verdict::CheckAt(_)), "a long poll is not a stall");
        slow.sent(true);
        after(59).await;
        slow.sent(true);
        assert!(matches!(slow.verdict(), Verdict::CheckAt(_)));
        after(1).await;
        assert!(matches!(slow.verdict(), Verdict::Stalled));
        slow.sent(false);
        assert!(matches!(slow.verdict(), Verdict::CheckAt(_)));
    }
}
