//! Words that every other crate shares: ids, tenants, time, chance, faults, limits, workers.
//!
//! Never does I/O, never knows HTTP, depends on nothing of ours.

pub mod clock;
pub mod fault;
pub mod id;
pub mod limits;
pub mod position;
pub mod random;
pub mod remote;
pub mod tenant;
pub mod worker;

pub use clock::{Clock, SystemClock, Timestamp};
pub use fault::{Fault, Kind};
pub use position::Position;
pub use random::{Random, SystemRandom};
pub use remote::{RemoteError, RemoteResult};
pub use tenant::{Tenant, TenantId};
pub use worker::{Progress, Worker};
