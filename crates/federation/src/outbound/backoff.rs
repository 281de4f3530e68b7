//! How long a destination that fails is left alone: twice as long each time, up to an hour, and not to the second alike for
//! all.

use std::time::Duration;

use kernel::{Random, Timestamp, id::ServerName};

use super::{
    Inner,
    tables::{FAILURES, FailureRow},
};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3_600);

/// The next failure in a row.
pub(super) fn failed(before: Option<FailureRow>, now: Timestamp, random: &dyn Random) -> FailureRow {
    let count = before.map_or(0, |before| before.count);
    let whole = FIRST.saturating_mul(2_u32.saturating_pow(count.min(16))).min(LONGEST);
    // Between a half and the whole of it.
    let mut byte = [0];
    random.fill(&mut byte);
    let [byte] = byte;
    let wait = whole / 2 + whole * u32::from(byte) / (2 * u32::from(u8::MAX));
    FailureRow { since: before.map_or(now, |before| before.since), count: count + 1, retry_at: now.plus(wait) }
}

impl Inner {
    /// How the destination was left by the last process.
    pub(super) fn backoff_of(&self, server: &ServerName) -> Option<FailureRow> {
        match self.scope.get(&FAILURES, (server,)) {
            Ok(row) => row,
            Err(error) => {
                tracing::error!(%server, %error, "a destination's failures cannot be read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::random::SeededRandom;

    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_differ() {
        let random = SeededRandom::new(7);
        let (mut row, mut now) = (None, Timestamp(0));
        let mut waits = Vec::new();
        for _ in 0..20 {
            let next = failed(row, now, &random);
            waits.push(next.retry_at.since(now));
            now = next.retry_at;
            row = Some(next);
        }
        let whole = |n: u32| Duration::from_secs(1 << n).min(LONGEST);
        for (n, wait) in (0..).zip(&waits) {
            assert!(*wait >= whole(n) / 2 && *wait <= whole(n), "{n}: {wait:?}");
        }
        assert_eq!(row.unwrap().since, Timestamp(0));
        assert!(waits[12..].windows(2).any(|pair| pair[0] != pair[1]), "all alike");
    }
}
