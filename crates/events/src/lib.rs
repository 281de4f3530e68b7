//! The rules of Matrix events, pure: what an event looks like, how it is hashed and signed, who may send it, what a
//! redaction leaves of it, and which state wins where a room forked.
//!
//! Does no I/O, knows no clock and no store: events in, verdict out. Wraps `ruma-events`, `ruma-signatures` and
//! `ruma-state-res`, so that no other crate names them; types and state keys cross this boundary as plain strings.

mod auth_types;
mod authorise;
mod build;
mod canonical;
mod client_format;
pub mod content;
mod error;
#[cfg(test)]
mod fixture;
mod format;
mod key_document;
mod pdu;
mod power;
mod public_key;
mod redact;
mod resolve;
mod signer;
mod template;
mod verify;
mod version;
mod vouch;
mod x_matrix;

pub use auth_types::{auth_types, auth_types_of};
pub use authorise::{authorise, authorise_stateless};
pub use build::Draft;
pub use canonical::{
    CanonicalJsonObject, CanonicalJsonValue, canonical_content, canonical_content_of, canonical_event, canonical_string,
};
pub use client_format::{ClientFormat, client_event, stripped_event};
pub use error::{Error, Result};
pub use format::{CONTENT_DEPTH_MAX, check_format};
pub use key_document::{KeyDocument, OldKey};
pub use pdu::{Pdu, StateKey};
pub use power::{Power, PowerLevels};
pub use public_key::is_blocked_key;
pub use redact::{may_redact, redact};
pub use resolve::{StateMap, auth_chain, resolve};
pub use signer::Signer;
pub use template::MembershipTemplate;
pub use verify::{KEYS_PER_SIGNER_MAX, PublicKeys, Verified, required_signers, signing_keys_of, verify};
pub use version::RoomVersion;
pub use vouch::InviteExpectation;
pub use x_matrix::{RequestToSign, XMatrix};
