//! The owner of people: users, sessions and tokens, devices and their keys, what a user stores, what waits for a device.
//!
//! Knows no HTTP and no room: rooms appear only as ids that account data and key backups are filed under. One
//! [`Accounts`] per tenant. Reads answer at once; writes are `async` and return once they are on disk. Whatever a sync
//! shows is announced in the feed as a [`Change`].

mod accounts;
mod backup;
mod change;
mod changes;
mod data;
mod devices;
mod error;
mod filters;
mod inbox;
mod json;
mod keys;
mod login_tokens;
mod oauth;
mod openid;
mod outbox;
mod profile;
mod push_rules;
mod pushers;
mod remote;
mod remote_keys;
mod remote_profiles;
mod seen;
mod sessions;
mod sweep;
mod tables;
mod tags;
mod tokens;
mod users;

#[cfg(test)]
mod testing;

pub use accounts::Accounts;
pub use backup::{BackupKey, BackupVersion, KeysState};
pub use change::{Change, TOPIC};
pub use changes::DataChange;
pub use data::is_managed;
pub use devices::Device;
pub use error::{Error, Result};
pub use inbox::{InboxItem, ToDevice};
pub use kernel::{RemoteError, RemoteResult};
pub use keys::{
    ClaimedKey, CrossSigningKeys, KeyUpload, SignatureFailure, UserKeys,
    for_others::DeviceListNews,
    one_time::{ClaimRequest, ONE_TIME_KEY_ALGORITHM},
};
pub use oauth::{
    clients::OauthClient,
    codes::{AuthorizationCode, NewCode},
    consents::Consent,
    device_grants::{Decision, DeviceGrant, NewDeviceGrant, Poll, StartedGrant},
};
pub use outbox::OutboxItem;
pub use profile::{Profile, ProfileField};
pub use push_rules::{Placement, RuleRef};
pub use pushers::Pusher;
pub use remote::{DeviceList, DeviceListUpdate, ListedDevice, Offline, PublicKeys, Remote, SigningKeyUpdate, Wanted};
pub use remote_keys::{RemoteAnswer, SharedSince};
pub use sessions::{NewSession, Session, SessionInfo, SessionKind, Tokens};
pub use sweep::Sweeper;
pub use users::{Identity, NewUser, User, UserKind};
