//! The end of the process, announced to everything that waits.

use std::sync::Arc;

use tokio::sync::watch;

/// Says that the server is about to stop. Long polls watch it, so that they answer at once instead of holding it up.
/// Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Announces it; again is harmless.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once it has begun, also if that was before.
    pub async fn begun(&self) {
        // The sender lives as long as `self`, so this can only end by the value.
        let mut begun = self.0.subscribe();
        let _closed = begun.wait_for(|begun| *begun).await;
    }
}
