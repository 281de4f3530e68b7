//! Background work: named, bounded steps that the binary runs, supervises and reports.

use async_trait::async_trait;

/// What a step of a [`Worker`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done, and there may be more at once.
    Busy,
    /// Nothing is left to do now.
    Idle,
}

/// A job that goes on for as long as the server. A test calls `work` until it is [`Progress::Idle`] instead of waiting.
#[async_trait]
pub trait Worker: Send + Sync + 'static {
    /// Names the worker in logs and metrics.
    fn name(&self) -> &'static str;

    /// One bounded step.
    async fn work(&self) -> Result<Progress, Box<dyn std::error::Error + Send + Sync>>;

    /// Resolves when `work` may have something to do again.
    async fn wait_for_work(&self);
}
