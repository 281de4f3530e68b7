//! The stored schema of accounts, whole. Numbers are never used again. Tokens, codes and grants lie under their SHA-256.

use kernel::{
    Position, Timestamp,
    id::{OwnedDeviceId, OwnedRoomId, OwnedServerName, OwnedUserId},
};
use serde::{Deserialize, Serialize};
use store::{Space, Stamped, Table, blob::Blobs};

use crate::{Identity, SessionKind, UserKind};

/// SHA-256.
pub(crate) type Hash = [u8; 32];

pub(crate) const USERS: Table<(OwnedUserId,), UserRow> = Table::new(0x0201, "users", Space::Index);
/// (issuer, subject) → whose identity it is; stays when the account is deactivated.
pub(crate) const IDENTITIES: Table<(String, String), UserIdRow> = Table::new(0x0202, "identities", Space::Index);
/// E-mail address → the account that an administrator created for it and that has no identity yet.
pub(crate) const PRECREATED: Table<(String,), UserIdRow> = Table::new(0x0203, "precreated", Space::Index);
pub(crate) const PROFILES: Table<(OwnedUserId,), ProfileRow> = Table::new(0x0204, "profiles", Space::Index);
pub(crate) const DEVICES: Table<(OwnedUserId, OwnedDeviceId), DeviceRow> = Table::new(0x0205, "devices", Space::Index);
pub(crate) const SEEN: Table<(OwnedUserId, OwnedDeviceId), SeenRow> = Table::new(0x0206, "seen", Space::Index);
/// A device has at most one session.
pub(crate) const SESSIONS: Table<(OwnedUserId, OwnedDeviceId), SessionRow> =
    Table::new(0x0207, "sessions", Space::Index);
pub(crate) const ACCESS_TOKENS: Table<(Hash,), DeviceKey> = Table::new(0x0208, "access_tokens", Space::Index);
/// The part that all refresh tokens of a session share → the session.
pub(crate) const REFRESH_FAMILIES: Table<(Hash,), DeviceKey> = Table::new(0x0209, "refresh_families", Space::Index);
pub(crate) const LOGIN_TOKENS: Table<(Hash,), LoginTokenRow> = Table::new(0x020a, "login_tokens", Space::Index);
pub(crate) const OAUTH_CLIENTS: Table<(String,), OauthClientRow> = Table::new(0x020b, "oauth_clients", Space::Index);
pub(crate) const CODES: Table<(Hash,), CodeRow> = Table::new(0x020c, "codes", Space::Index);
pub(crate) const DEVICE_GRANTS: Table<(Hash,), GrantRow> = Table::new(0x020d, "device_grants", Space::Index);
/// User code → device grant.
pub(crate) const USER_CODES: Table<(String,), HashRow> = Table::new(0x020e, "user_codes", Space::Index);
pub(crate) const CONSENTS: Table<(OwnedUserId, String), ConsentRow> = Table::new(0x020f, "consents", Space::Index);
/// When which short-lived row is to be deleted.
pub(crate) const EXPIRIES: Table<(Timestamp, Hash), Expiring> = Table::new(0x0210, "expiries", Space::Index);
/// Until when the user may replace their cross-signing keys.
pub(crate) const RESET_WINDOWS: Table<(OwnedUserId,), u64> = Table::new(0x0211, "reset_windows", Space::Index);
/// Canonical JSON, with the device's own signature and no other.
pub(crate) const DEVICE_KEYS: Table<(OwnedUserId, OwnedDeviceId), String> =
    Table::new(0x0212, "device_keys", Space::Event);
/// When the user's devices or keys last changed.
pub(crate) const DEVICE_LISTS: Table<(OwnedUserId,), Stamped<()>> = Table::new(0x0213, "device_lists", Space::Index);
/// The same in the order of the changes; only each user's last.
pub(crate) const DEVICE_LIST_LOG: Table<(Position, OwnedUserId), ()> =
    Table::new(0x0214, "device_list_log", Space::Log);
/// (user, device, algorithm, upload, number within it) → key: to be given out in this order.
pub(crate) const ONE_TIME_KEYS: Table<(OwnedUserId, OwnedDeviceId, String, Position, u32), OneTimeKeyRow> =
    Table::new(0x0215, "one_time_keys", Space::Index);
/// (user, device, algorithm) → key
pub(crate) const FALLBACK_KEYS: Table<(OwnedUserId, OwnedDeviceId, String), FallbackKeyRow> =
    Table::new(0x0216, "fallback_keys", Space::Index);
/// (user, usage) → canonical JSON. The master key bears no signature, the others that of the master key.
pub(crate) const CROSS_SIGNING: Table<(OwnedUserId, u8), String> = Table::new(0x0217, "cross_signing", Space::Index);
/// (owner, device id or master key, signer, signer's key id) → a verified signature.
pub(crate) const SIGNATURES: Table<(OwnedUserId, String, OwnedUserId, String), String> =
    Table::new(0x0218, "signatures", Space::Index);
/// (signer, owner of the master key that they signed) → when.
pub(crate) const SIGNED: Table<(OwnedUserId, OwnedUserId), Stamped<()>> = Table::new(0x0219, "signed", Space::Index);
pub(crate) const INBOX: Table<(OwnedUserId, OwnedDeviceId, Position), InboxRow> =
    Table::new(0x021a, "inbox", Space::Log);
/// (sender, device, type, transaction) that was sent to devices.
pub(crate) const SENT: Table<(OwnedUserId, OwnedDeviceId, String, String), ()> =
    Table::new(0x021b, "sent", Space::Index);
/// The same in order of time, to be forgotten by.
pub(crate) const SENT_LOG: Table<(OwnedUserId, OwnedDeviceId, Position), SentRow> =
    Table::new(0x021c, "sent_log", Space::Log);
/// (user, room or "", type) → content
pub(crate) const DATA: Table<(OwnedUserId, String, String), Stamped<DataRow>> =
    Table::new(0x021d, "data", Space::Event);
pub(crate) const DATA_BLOBS: Blobs<(OwnedUserId, String, String)> = Table::new(0x021e, "data_blobs", Space::Event);
/// The current account data in the order of its commits.
pub(crate) const DATA_LOG: Table<(OwnedUserId, Position), DataKey> = Table::new(0x021f, "data_log", Space::Log);
/// Bytes of the user's account data.
pub(crate) const DATA_USAGE: Table<(OwnedUserId,), u64> = Table::new(0x0220, "data_usage", Space::Index);
pub(crate) const FILTERS: Table<(OwnedUserId, String), String> = Table::new(0x0221, "filters", Space::Index);
/// (user, app id, push key)
pub(crate) const PUSHERS: Table<(OwnedUserId, String, String), PusherRow> = Table::new(0x0222, "pushers", Space::Index);
/// (app id, push key, user): finds other users' pushers to the same place.
pub(crate) const PUSH_KEYS: Table<(String, String, OwnedUserId), ()> = Table::new(0x0223, "push_keys", Space::Index);
/// (user, version); deleted versions keep their row, so that no number comes twice.
pub(crate) const BACKUPS: Table<(OwnedUserId, u64), BackupRow> = Table::new(0x0224, "backups", Space::Index);
pub(crate) const BACKUP_KEYS: Table<(OwnedUserId, u64, OwnedRoomId, String), BackupKeyRow> =
    Table::new(0x0225, "backup_keys", Space::Event);
/// What remains to be erased in the background: (user, backup version), or all of the user's when the version is 0.
pub(crate) const ERASURES: Table<(OwnedUserId, u64), ()> = Table::new(0x0226, "erasures", Space::Index);
/// The last changes of each local user's devices and keys, for other servers.
pub(crate) const DEVICE_CHANGES: Table<(OwnedUserId, Position), DeviceChangeRow> =
    Table::new(0x0227, "device_changes", Space::Log);
/// Users of other servers whose devices are kept here, because they share a room with somebody.
pub(crate) const REMOTE_LISTS: Table<(OwnedUserId,), RemoteListRow> = Table::new(0x0228, "remote_lists", Space::Index);
pub(crate) const REMOTE_DEVICES: Table<(OwnedUserId, OwnedDeviceId), RemoteDeviceRow> =
    Table::new(0x0229, "remote_devices", Space::Event);
/// When which of the lists is to be asked for again.
pub(crate) const REMOTE_STALE: Table<(Timestamp, OwnedUserId), ()> = Table::new(0x022a, "remote_stale", Space::Index);
/// To-device messages on their way to other servers, in the order in which they were sent.
pub(crate) const OUTBOX: Table<(OwnedServerName, Position), OutboxRow> = Table::new(0x022b, "outbox", Space::Log);
/// (sender, message id) that came from another server.
pub(crate) const RECEIVED: Table<(OwnedUserId, String), ()> = Table::new(0x022c, "received", Space::Index);
/// The same by server in order of time, to be forgotten by.
pub(crate) const RECEIVED_LOG: Table<(OwnedServerName, Position), ReceivedRow> =
    Table::new(0x022d, "received_log", Space::Log);
pub(crate) const OPENID_TOKENS: Table<(Hash,), LoginTokenRow> = Table::new(0x022e, "openid_tokens", Space::Index);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) kind: UserKind,
    pub(crate) identity: Option<Identity>,
    pub(crate) email: Option<String>,
    pub(crate) admin: bool,
    pub(crate) locked: bool,
    pub(crate) suspended: bool,
    pub(crate) deactivated: bool,
    pub(crate) created: Timestamp,
    pub(crate) signed_in_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserIdRow(pub(crate) OwnedUserId);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProfileRow {
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    /// Field → value as JSON, in the order of names.
    pub(crate) fields: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceRow {
    /// Tells this device from earlier ones of its id.
    pub(crate) instance: [u8; 8],
    pub(crate) display_name: Option<String>,
    pub(crate) created: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenRow {
    pub(crate) ip: String,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceKey {
    pub(crate) user: OwnedUserId,
    pub(crate) device: OwnedDeviceId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    /// Tells this session of the device from earlier and later ones.
    pub(crate) id: [u8; 16],
    pub(crate) kind: SessionKind,
    pub(crate) started: Timestamp,
    pub(crate) access_lifetime_ms: Option<u64>,
    pub(crate) access: AccessRow,
    pub(crate) refresh: Option<RefreshRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessRow {
    pub(crate) hash: Hash,
    pub(crate) expires: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshRow {
    pub(crate) family: Hash,
    pub(crate) current: Hash,
    /// The pair before this one, valid until this one's access token is used.
    pub(crate) previous: Option<PreviousRow>,
    /// The refresh token retired last, and when: its quick return is a stray repetition, not a theft.
    pub(crate) retired: Option<(Hash, Timestamp)>,
    /// Refresh tokens that were given, never used, and replaced: void, but no sign of a theft.
    pub(crate) void: Vec<Hash>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreviousRow {
    pub(crate) access: AccessRow,
    pub(crate) refresh: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginTokenRow {
    pub(crate) user: OwnedUserId,
    pub(crate) expires: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OauthClientRow {
    pub(crate) metadata: String,
    /// The last registration with this metadata.
    pub(crate) registered: Timestamp,
    /// Somebody has signed in with it: it is kept.
    pub(crate) used: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeRow {
    pub(crate) client_id: String,
    pub(crate) user: OwnedUserId,
    pub(crate) details: String,
    pub(crate) expires: Timestamp,
    /// The session that it gave.
    pub(crate) gave: Option<(OwnedDeviceId, [u8; 16])>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantRow {
    pub(crate) client_id: String,
    pub(crate) details: String,
    pub(crate) user_code: String,
    pub(crate) expires: Timestamp,
    pub(crate) state: GrantState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GrantState {
    Pending,
    Approved(OwnedUserId),
    Denied,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct HashRow(pub(crate) Hash);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsentRow {
    pub(crate) scope: String,
    pub(crate) given: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Expiring {
    LoginToken,
    Code,
    DeviceGrant {
        user_code: String,
    },
    /// Deleted only if it is still unused.
    OauthClient {
        id: String,
    },
    OpenidToken,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OneTimeKeyRow {
    /// `algorithm:key_id`
    pub(crate) key_id: String,
    pub(crate) json: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FallbackKeyRow {
    pub(crate) key_id: String,
    pub(crate) json: String,
    pub(crate) used: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InboxRow {
    pub(crate) sender: OwnedUserId,
    pub(crate) kind: String,
    pub(crate) content: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentRow {
    pub(crate) kind: String,
    pub(crate) txn_id: String,
    pub(crate) at: Timestamp,
    /// Counts the device's transactions, so that the length of its log is known from both ends.
    pub(crate) number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DataRow {
    Inline(String),
    /// Lies in `data_blobs`, of so many bytes.
    Blob(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataKey {
    /// Empty for global account data.
    pub(crate) room: String,
    pub(crate) kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PusherRow {
    pub(crate) device: OwnedDeviceId,
    pub(crate) json: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupRow {
    pub(crate) algorithm: String,
    pub(crate) auth_data: String,
    /// Counts the changes of its keys.
    pub(crate) etag: u64,
    pub(crate) count: u64,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupKeyRow {
    pub(crate) first_message_index: u64,
    pub(crate) forwarded_count: u64,
    pub(crate) is_verified: bool,
    pub(crate) session_data: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceChangeRow {
    /// `None`: the master or self-signing key.
    pub(crate) device: Option<OwnedDeviceId>,
    /// Counts the user's changes, so that the length of the log is known from both ends.
    pub(crate) number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteListRow {
    /// The last update that is in it, as the answer said that gave it, or the last that was applied.
    pub(crate) stream_id: u64,
    /// The updates that came last, oldest first. All of them are in it, unless it is stale.
    pub(crate) seen: Vec<u64>,
    /// Where the tenant's stream stood when the list was last asked for. Whoever has shared a room with the user since then
    /// may rely on it, for the user's server tells this one of all that changed after it.
    pub(crate) asked: Position,
    /// Canonical JSON with the user's own signatures, as the next.
    pub(crate) master: Option<String>,
    pub(crate) self_signing: Option<String>,
    /// `None`: nothing was missed since.
    pub(crate) stale: Option<StaleRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StaleRow {
    /// When it is to be asked for again in the background.
    pub(crate) due: Timestamp,
    /// Failures since it became stale.
    pub(crate) failures: u32,
    /// Counts the updates that came meanwhile, so that an answer that was under way then is not taken for the last word.
    pub(crate) missed: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteDeviceRow {
    /// Canonical JSON with the user's own signatures.
    pub(crate) keys: String,
    pub(crate) display_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    pub(crate) sender: OwnedUserId,
    pub(crate) kind: String,
    pub(crate) message_id: String,
    /// User → device or `*` → content.
    pub(crate) messages: String,
    /// How many rows, and bytes of messages, were put into the server's outbox before it, so that its load is known from
    /// both ends.
    pub(crate) rows_before: u64,
    pub(crate) bytes_before: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceivedRow {
    pub(crate) sender: OwnedUserId,
    pub(crate) message_id: String,
    pub(crate) at: Timestamp,
    /// Counts the server's messages, so that the length of its log is known from both ends.
    pub(crate) number: u64,
}

store::record! {
    UserRow: 1;
    UserIdRow: 1;
    ProfileRow: 1;
    DeviceRow: 1;
    SeenRow: 1;
    DeviceKey: 1;
    SessionRow: 1;
    LoginTokenRow: 1;
    OauthClientRow: 1;
    CodeRow: 1;
    GrantRow: 1;
    HashRow: 1;
    ConsentRow: 1;
    Expiring: 1;
    OneTimeKeyRow: 1;
    FallbackKeyRow: 1;
    InboxRow: 1;
    SentRow: 1;
    DataRow: 1;
    DataKey: 1;
    PusherRow: 1;
    BackupRow: 1;
    BackupKeyRow: 1;
    DeviceChangeRow: 1;
    RemoteListRow: 1;
    RemoteDeviceRow: 1;
    OutboxRow: 1;
    ReceivedRow: 1;
}

#[cfg(test)]
mod tests;
