//! How often: token buckets by (class, user) and, where nobody is signed in, by (class, address).
//!
//! Agents of one town hall share one address, so a signed-in user is never counted by address.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use kernel::{Clock, Kind, id::UserId};
use parking_lot::Mutex;

use crate::{Error, Result};

/// Buckets kept at once; the emptiest go last.
const BUCKETS_MAX: usize = 65_536;

/// What is counted together: a route has one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// Sends, redactions, state changes.
    Message,
    /// Sign-ins and token requests.
    Login,
    Join,
    Invite,
    RoomCreation,
    /// Uploads, queries and claims of encryption keys.
    Keys,
    /// Searches of messages, people and rooms.
    Search,
    /// Registrations of OAuth clients.
    Registration,
    /// Uploads, downloads and previews.
    Media,
    /// Everything else.
    Other,
}

const CLASSES: usize = Rate::Other as usize + 1;

/// `per_second` on average, at most `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub per_second: f64,
    pub burst: u32,
}

/// The buckets of one class; None is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// For each signed-in user.
    pub user: Option<Bucket>,
    /// For each address (IPv6: each /64) that is not signed in. Wider than `user`: a whole town hall may share it.
    pub address: Option<Bucket>,
}

impl Rule {
    pub const OFF: Self = Self { user: None, address: None };

    pub const fn new(user: (f64, u32), address: (f64, u32)) -> Self {
        let user = Some(Bucket { per_second: user.0, burst: user.1 });
        Self { user, address: Some(Bucket { per_second: address.0, burst: address.1 }) }
    }
}

/// The rules of all classes.
#[derive(Clone, Debug)]
pub struct Limits([Rule; CLASSES]);

impl Limits {
    /// No limits: for load tests.
    pub fn off() -> Self {
        Self([Rule::OFF; CLASSES])
    }

    #[must_use]
    pub fn with(mut self, rate: Rate, rule: Rule) -> Self {
        self.0[rate as usize] = rule;
        self
    }

    pub fn rule(&self, rate: Rate) -> Rule {
        self.0[rate as usize]
    }
}

impl Default for Limits {
    /// Wide enough that no person meets them; a signed-in client at its worst moment, the start, makes some 50 requests.
    /// Addresses may sign in oftener than users: at nine in the morning a town hall comes in by one address.
    fn default() -> Self {
        Self::off()
            .with(Rate::Message, Rule::new((10.0, 30), (10.0, 30)))
            .with(Rate::Login, Rule::new((5.0 / 60.0, 10), (1.0, 120)))
            .with(Rate::Join, Rule::new((1.0, 10), (1.0, 10)))
            .with(Rate::Invite, Rule::new((1.0, 20), (1.0, 20)))
            .with(Rate::RoomCreation, Rule::new((0.1, 10), (0.1, 10)))
            .with(Rate::Keys, Rule::new((20.0, 100), (20.0, 100)))
            .with(Rate::Search, Rule::new((5.0, 30), (5.0, 30)))
            .with(Rate::Registration, Rule::new((1.0, 10), (1.0, 60)))
            .with(Rate::Media, Rule::new((20.0, 200), (20.0, 200)))
            .with(Rate::Other, Rule::new((100.0, 500), (100.0, 1_000)))
    }
}

/// Whose bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    User(&'a UserId),
    Address(IpAddr),
    /// Anything else that an edge counts by its own: an account name at sign-in, a device code. Takes the user's rule.
    Name(&'a str),
}

/// Counts requests; shared by all listeners and edges.
pub struct Limiter {
    limits: Limits,
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    /// When each bucket will be full again, in microseconds since the epoch. A bucket that is full is not kept.
    full_at: Mutex<HashMap<u64, u64>>,
}

impl Limiter {
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, hasher: RandomState::new(), full_at: Mutex::default() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// 429 `M_LIMIT_EXCEEDED` with the time until there is one.
    pub fn check(&self, rate: Rate, subject: Subject<'_>) -> Result<()> {
        let rule = self.limits.rule(rate);
        let (bucket, key) = match subject {
            Subject::User(user) => (rule.user, self.hasher.hash_one((rate, 0_u8, user))),
            Subject::Address(address) => (rule.address, self.hasher.hash_one((rate, 1_u8, network(address)))),
            Subject::Name(name) => (rule.user, self.hasher.hash_one((rate, 2_u8, name))),
        };
        let Some(bucket) = bucket else { return Ok(()) };
        self.take(bucket, key).map_err(|retry_after| {
            metrics::counter!("beffroi_rate_limited_total", "class" => format!("{rate:?}")).increment(1);
            Error::new(Kind::LimitExceeded { retry_after }, "Too many requests")
        })
    }

    /// The generic cell rate algorithm (ITU-T I.371): one number for each bucket.
    fn take(&self, bucket: Bucket, key: u64) -> Result<(), Duration> {
        let interval = (1_000_000.0 / bucket.per_second.max(1e-6)) as u64;
        let whole = interval.saturating_mul(u64::from(bucket.burst.max(1)));
        let now = self.clock.now().0.saturating_mul(1_000);
        let mut full_at = self.full_at.lock();
        // Further away than a whole bucket can only be after the clock was set back: that must lock nobody out.
        let possible = now..=now.saturating_add(whole);
        let last = full_at.get(&key).copied().filter(|last| possible.contains(last)).unwrap_or(now);
        let next = last.saturating_add(interval);
        let over = next.saturating_sub(now).saturating_sub(whole);
        if over > 0 {
            return Err(Duration::from_micros(over));
        }
        if full_at.len() >= BUCKETS_MAX && !full_at.contains_key(&key) {
            forget(&mut full_at, now);
        }
        full_at.insert(key, next);
        Ok(())
    }
}

/// Makes room: full buckets go, and if that is not enough the fuller half.
fn forget(full_at: &mut HashMap<u64, u64>, now: u64) {
    full_at.retain(|_, at| *at > now);
    if full_at.len() < BUCKETS_MAX / 2 {
        return;
    }
    let mut times: Vec<u64> = full_at.values().copied().collect();
    let (_, median, _) = times.select_nth_unstable(full_at.len() / 2);
    let median = *median;
    full_at.retain(|_, at| *at > median);
}

/// An IPv6 subscriber has at least a /64 to choose addresses from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Timestamp, clock::FakeClock};

    use super::*;

    fn limiter(bucket: Bucket) -> (Limiter, Arc<FakeClock>) {
        let clock = Arc::new(FakeClock::at(Timestamp(1_000_000_000)));
        let rule = Rule { user: Some(bucket), address: Some(bucket) };
        (Limiter::new(Limits::off().with(Rate::Message, rule), clock.clone()), clock)
    }

    #[test]
    fn a_burst_then_the_average() {
        let (limiter, clock) = limiter(Bucket { per_second: 2.0, burst: 3 });
        let alice = Subject::Name("alice");
        for _ in 0..3 {
            limiter.check(Rate::Message, alice).unwrap();
        }
        let refusal = limiter.check(Rate::Message, alice).unwrap_err();
        assert_eq!(refusal.body()["retry_after_ms"], 500);
        limiter.check(Rate::Message, Subject::Name("bob")).unwrap();
        limiter.check(Rate::Login, alice).unwrap();
        clock.advance(Duration::from_millis(500));
        limiter.check(Rate::Message, alice).unwrap();
        limiter.check(Rate::Message, alice).unwrap_err();
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let (limiter, clock) = limiter(Bucket { per_second: 1.0, burst: 2 });
        limiter.check(Rate::Message, Subject::Name("alice")).unwrap();
        limiter.check(Rate::Message, Subject::Name("alice")).unwrap();
        limiter.check(Rate::Message, Subject::Name("alice")).unwrap_err();
        clock.set(Timestamp(0));
        limiter.check(Rate::Message, Subject::Name("alice")).unwrap();
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_bucket_and_memory_is_bounded() {
        let (limiter, _clock) = limiter(Bucket { per_second: 0.001, burst: 1 });
        let address = |text: &str| Subject::Address(text.parse().unwrap());
        limiter.check(Rate::Message, address("2001:db8:1:2::1")).unwrap();
        limiter.check(Rate::Message, address("2001:db8:1:2:ffff::9")).unwrap_err();
        limiter.check(Rate::Message, address("2001:db8:1:3::1")).unwrap();
        for number in 0..(BUCKETS_MAX as u32 + 10) {
            limiter.check(Rate::Message, Subject::Address(IpAddr::V4(number.into()))).unwrap();
        }
        assert!(limiter.full_at.lock().len() <= BUCKETS_MAX);
    }
}
