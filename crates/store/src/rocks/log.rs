//! RocksDB's own log, as part of ours; and the alarm when recovery left something out.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rocksdb::{InfoLogger, LogLevel};

/// What the recovery of this start left out.
///
/// RocksDB recovers to a point in time: it stops at the first record that it cannot read, and says so in its log only.
#[derive(Default)]
pub(super) struct Recovery {
    /// Bytes of log files. After a crash that is as a rule the write that was cut short, which nobody was promised.
    pub(super) dropped: AtomicU64,
    /// Rows written or deleted by changes that had been acknowledged.
    pub(super) missing: AtomicU64,
}

impl Recovery {
    fn note(&self, line: &str) {
        self.dropped.fetch_add(dropped_bytes(line).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Raises the alarm, once the database is open.
    pub(super) fn end(&self, path: &Path, missing: u64) {
        self.missing.store(missing, Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        let path = path.display();
        if missing > 0 {
            tracing::error!(%path, missing, dropped, "recovery lost acknowledged changes: compare with a backup");
        } else if dropped > 0 {
            tracing::warn!(%path, dropped, "recovery left out the end of a log file, of which nothing was acknowledged");
        }
    }
}

/// The bytes that a line of RocksDB's log says were left out ("….log: dropping 123 bytes; Corruption: …").
fn dropped_bytes(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(": dropping ")?;
    rest.split_once(" bytes")?.0.parse().ok()
}

pub(super) fn logger(recovery: Arc<Recovery>) -> InfoLogger {
    InfoLogger::new_callback_logger(LogLevel::Info, move |level, line| {
        let line = line.trim_end();
        match level {
            LogLevel::Fatal | LogLevel::Error => tracing::error!(target: "rocksdb", "{line}"),
            LogLevel::Warn => {
                recovery.note(line);
                tracing::warn!(target: "rocksdb", "{line}");
            }
            LogLevel::Info => tracing::debug!(target: "rocksdb", "{line}"),
            LogLevel::Header | LogLevel::Debug => tracing::trace!(target: "rocksdb", "{line}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recovery_drops_is_counted() {
        let recovery = Recovery::default();
        for line in [
            "[db/db_impl/db_impl_open.cc:1168] db/000004.log: dropping 90 bytes; Corruption: truncated record body",
            "db/000004.log: dropping 7 bytes; Corruption: checksum mismatch",
            "db/000005.log: dropping 1000 bytes",
            "[default] Recovering log #4 mode 2",
        ] {
            recovery.note(line);
        }
        assert_eq!(recovery.dropped.into_inner(), 1097);
    }
}
