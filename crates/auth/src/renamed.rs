//! The port through which rooms learn of a new name; the binary wires it to their owner.

use async_trait::async_trait;
use kernel::id::UserId;

/// Told when ProConnect gave a person another name than before (DESIGN §6). The profile has it already.
///
/// Called once per change, after it is on disk. What must not be lost follows the feed's profile changes instead.
#[async_trait]
pub trait Renamed: Send + Sync + 'static {
    async fn renamed(&self, user: &UserId, display_name: &str);
}
