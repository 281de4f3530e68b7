//! House rules, pure: who may sign in, and under what name; which other servers there are.
//!
//! Facts in, verdict out: no I/O, no clock, no knowledge of Matrix events or of HTTP. What is decided here is decided once
//! for every way in.

mod allowlist;
mod email;
mod error;
mod names;
mod sign_in;

pub use allowlist::Allowlist;
pub use email::Email;
pub use error::{Error, Result};
pub use names::{display_name, localpart};
pub use sign_in::{Claims, Reason, Rules, Verdict, admit};
