//! Forgiving readers of the state events that the server itself acts on.
//!
//! What another server wrote may be of any type: a field that cannot be read counts as absent, so that one odd event never
//! breaks a room, a sync or a join (a `predecessor` that was a string once did).

mod create;
mod lenient;
mod member;
mod room;
mod server_acl;

pub use create::{CreateContent, Predecessor};
pub use member::{MemberContent, Membership, ThirdPartyInvite};
pub use room::{
    CanonicalAliasContent, HistoryVisibility, JoinRule, JoinRulesContent, avatar_url, encryption_algorithm,
    guests_may_join, history_visibility, name, replacement_room, topic,
};
pub use server_acl::ServerAcl;

#[cfg(test)]
mod tests;
