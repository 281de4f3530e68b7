//! Bounds: every queue, loop, page and retry has one. Units are last in the names.

/// Longest event, canonical JSON with signatures (spec, "Size limits").
pub const EVENT_BYTES_MAX: usize = 65_535;
/// Longest user, room, event id, event type, state key (spec, "Size limits").
pub const ID_BYTES_MAX: usize = 255;
/// Events that a new event may cite as `prev_events` (spec, server-server API).
pub const PREV_EVENTS_MAX: usize = 20;
/// Events that a new event may cite as `auth_events`.
pub const AUTH_EVENTS_MAX: usize = 10;
/// Longest JSON body of a client's request.
pub const BODY_BYTES_MAX: usize = 1_048_576;
/// Deepest nesting of a JSON body.
pub const JSON_DEPTH_MAX: usize = 128;
/// Longest value that the store takes as one; larger goes to a blob.
pub const VALUE_BYTES_MAX: usize = 90_000;
/// Longest key of the store.
pub const KEY_BYTES_MAX: usize = 4_096;
/// Bytes of keys and values in one commit.
pub const BATCH_BYTES_MAX: usize = 8_388_608;
/// Commits that may wait for the committer; more are answered `Unavailable`.
pub const COMMIT_QUEUE_MAX: usize = 4_096;
/// Bytes of commits that may wait for the committer; more are answered `Unavailable`.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 67_108_864;
/// Commits that share one sync to disk.
pub const COMMIT_GROUP_MAX: usize = 256;
/// Rows of one scan.
pub const SCAN_ROWS_MAX: usize = 10_000;
