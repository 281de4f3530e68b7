//! How people come in to rooms and go out of them by way of another server than their own, and are invited from there (spec,
//! server-server API, "Joining Rooms", "Inviting to a room", "Leaving Rooms", "Knocking upon a room").
//!
//! Both directions: what other servers ask of this one (`offer`, `admit`, `invited`), and what this one asks of them for its users
//! (`join`, `leave`, `knock`, `invite`). No lock is held while another server is asked.

mod admit;
mod arrivals;
mod countersigned;
mod import;
mod invite;
mod invited;
mod join;
mod knock;
mod leave;
mod offer;
mod progress;
mod restricted;
mod stripped;
mod ways;

pub use admit::Joined;
pub use invited::OfferedInvite;
pub use offer::Template;

pub(crate) use arrivals::Arrivals;
