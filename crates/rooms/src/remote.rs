//! What rooms need of other servers: a port that the federation edge implements and `src/app.rs` wires.
//!
//! Events cross it as JSON text, unverified: whatever comes back passes the same checks as what other servers send by
//! themselves. Which servers may be reached at all is decided behind the port.

use async_trait::async_trait;
use events::{Pdu, RoomVersion};
use kernel::{
    Fault, Kind, Timestamp,
    id::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, ServerName, UserId},
};
use store::Direction;

/// Other servers, as rooms see them. Each call has its own deadline behind the port and answers with an error after it.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// Whether this server may have to do with the other at all, whatever state that is in.
    fn reaches(&self, _: &ServerName) -> bool {
        true
    }

    /// The signing keys of these ids (server, key id), as far as they can be had; for events sent at `sent_at`, so that a
    /// document that had expired by then is fetched anew.
    async fn keys(&self, wanted: &[(OwnedServerName, String)], sent_at: Timestamp) -> Vec<RemoteKey>;

    /// `GET /make_join`, `/make_leave` or `/make_knock`: what to put into a member event of `user`.
    ///
    /// `versions` are the room versions that we know; only joins and knocks tell them.
    async fn template(
        &self,
        to: &ServerName,
        handshake: Handshake,
        room: &RoomId,
        user: &UserId,
        versions: &[&str],
    ) -> RemoteResult<RemoteTemplate>;

    /// `PUT /v2/send_join`
    async fn send_join(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<JoinAnswer>;

    /// `PUT /v2/send_leave`
    async fn send_leave(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<()>;

    /// `PUT /v1/send_knock`: the stripped state of the room.
    async fn send_knock(&self, to: &ServerName, room: &RoomId, event: &Pdu) -> RemoteResult<Vec<String>>;

    /// `PUT /v2/invite`: the event with the other server's signature added.
    async fn send_invite(
        &self,
        to: &ServerName,
        event: &Pdu,
        room_version: &str,
        stripped_state: &[String],
    ) -> RemoteResult<String>;

    /// `POST /get_missing_events`
    async fn missing_events(&self, to: &ServerName, room: &RoomId, gap: &Gap<'_>) -> RemoteResult<Vec<String>>;

    /// `GET /state_ids`: the state before the event, and its auth chain.
    async fn state_ids(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateIds>;

    /// `GET /state`: the same, the events themselves.
    async fn state(&self, to: &ServerName, room: &RoomId, at: &EventId) -> RemoteResult<StateEvents>;

    /// `GET /event`
    async fn event(&self, to: &ServerName, id: &EventId) -> RemoteResult<String>;

    /// `GET /event_auth`
    async fn event_auth(&self, to: &ServerName, room: &RoomId, id: &EventId) -> RemoteResult<Vec<String>>;

    /// `GET /backfill`: these events and what came before them, newest first.
    async fn backfill(
        &self,
        to: &ServerName,
        room: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
    ) -> RemoteResult<Vec<String>>;

    /// `GET /timestamp_to_event`
    async fn event_by_time(
        &self,
        to: &ServerName,
        room: &RoomId,
        at: Timestamp,
        direction: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)>;

    /// `GET /query/directory` of the alias's server: the room, and servers that are in it.
    async fn resolve_alias(&self, alias: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)>;

    /// `POST /publicRooms`: the answer as JSON text.
    async fn public_rooms(&self, to: &ServerName, ask: &AskedRooms<'_>) -> RemoteResult<String>;

    /// `GET /hierarchy`: the answer as JSON text.
    async fn hierarchy(&self, to: &ServerName, room: &RoomId, suggested_only: bool) -> RemoteResult<String>;
}

/// Which membership a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Join,
    Leave,
    Knock,
}

/// A signing key of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKey {
    pub server: OwnedServerName,
    /// `ed25519:` and a version.
    pub key_id: String,
    pub key: [u8; 32],
    /// Events signed later do not count, from room version 5 on.
    pub valid_until: Timestamp,
}

/// An answer to `/make_join` and its like.
#[derive(Clone, Debug)]
pub struct RemoteTemplate {
    /// Version 1 if it is not said.
    pub room_version: Option<String>,
    pub event: String,
}

impl RemoteTemplate {
    /// # Errors
    /// [`RemoteError::IncompatibleRoomVersion`] for one that this server does not know.
    pub(crate) fn version(&self) -> RemoteResult<RoomVersion> {
        let named = self.room_version.as_deref().unwrap_or(RoomVersion::V1.as_str());
        RoomVersion::parse(named).map_err(|_| RemoteError::IncompatibleRoomVersion(named.chars().take(32).collect()))
    }
}

/// The room versions that this server knows, for [`Remote::template`].
pub(crate) fn versions() -> Vec<&'static str> {
    RoomVersion::all().map(RoomVersion::as_str).collect()
}

/// An answer to `/send_join`.
#[derive(Clone, Debug, Default)]
pub struct JoinAnswer {
    /// The join as the other server has it, with its signature in a restricted room.
    pub event: Option<String>,
    /// The state before the join.
    pub state: Vec<String>,
    pub auth_chain: Vec<String>,
}

/// What a request for missing events says.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    /// The latest events that we have.
    pub earliest: &'a [OwnedEventId],
    /// Events whose predecessors we miss.
    pub latest: &'a [OwnedEventId],
    pub limit: usize,
    pub min_depth: u64,
}

/// Which of the rooms that a server lists are asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskedRooms<'a> {
    pub limit: usize,
    /// A page of an earlier answer.
    pub since: Option<&'a str>,
    pub term: Option<&'a str>,
    /// The types wanted, `None` among them for rooms without one; empty: any type.
    pub room_types: &'a [Option<&'a str>],
}

#[derive(Clone, Debug, Default)]
pub struct StateIds {
    pub state: Vec<OwnedEventId>,
    pub auth_chain: Vec<OwnedEventId>,
}

#[derive(Clone, Debug, Default)]
pub struct StateEvents {
    pub state: Vec<String>,
    pub auth_chain: Vec<String>,
}

pub type RemoteResult<T> = Result<T, RemoteError>;

/// Why another server did not do what it was asked for. Its own words go to logs, never to clients: a client that is told
/// that *its* token is unknown signs out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is not on the allowlist: nothing was sent.
    #[error("This server has no connection to {0}")]
    NotAllowed(OwnedServerName),
    #[error("{0} cannot be reached now")]
    Unreachable(OwnedServerName),
    #[error("{server} refused: {errcode}")]
    Refused { server: OwnedServerName, status: u16, errcode: String, text: String },
    #[error("{0} does not know of it")]
    NotFound(OwnedServerName),
    /// The room has a version that we do not know; which, if it says so.
    #[error("The room has a version that this server does not know")]
    IncompatibleRoomVersion(String),
    #[error("The answer of {0} cannot be understood")]
    Malformed(OwnedServerName),
}

impl RemoteError {
    /// Whether the same question may be answered another time.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused { status: 429 | 500.., .. })
    }
}

impl Fault for RemoteError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAllowed(_) => Kind::Forbidden,
            Self::Refused { status: 403, .. } => Kind::Forbidden,
            Self::Refused { errcode, .. } if errcode == "M_UNABLE_TO_AUTHORISE_JOIN" => Kind::UnableToAuthoriseJoin,
            Self::Refused { errcode, .. } if errcode == "M_UNABLE_TO_GRANT_JOIN" => Kind::UnableToGrantJoin,
            Self::NotFound(_) => Kind::NotFound,
            Self::IncompatibleRoomVersion(version) => Kind::IncompatibleRoomVersion { room_version: version.clone() },
            Self::Unreachable(_) | Self::Refused { .. } | Self::Malformed(_) => Kind::Unavailable,
        }
    }
}

/// No other servers at all.
pub struct Offline;

impl Offline {
    fn refuse<T>(to: &ServerName) -> RemoteResult<T> {
        Err(RemoteError::NotAllowed(to.to_owned()))
    }
}

#[async_trait]
impl Remote for Offline {
    fn reaches(&self, _: &ServerName) -> bool {
        false
    }

    async fn keys(&self, _: &[(OwnedServerName, String)], _: Timestamp) -> Vec<RemoteKey> {
        Vec::new()
    }

    async fn template(
        &self,
        to: &ServerName,
        _: Handshake,
        _: &RoomId,
        _: &UserId,
        _: &[&str],
    ) -> RemoteResult<RemoteTemplate> {
        Self::refuse(to)
    }

    async fn send_join(&self, to: &ServerName, _: &RoomId, _: &Pdu) -> RemoteResult<JoinAnswer> {
        Self::refuse(to)
    }

    async fn send_leave(&self, to: &ServerName, _: &RoomId, _: &Pdu) -> RemoteResult<()> {
        Self::refuse(to)
    }

    async fn send_knock(&self, to: &ServerName, _: &RoomId, _: &Pdu) -> RemoteResult<Vec<String>> {
        Self::refuse(to)
    }

    async fn send_invite(&self, to: &ServerName, _: &Pdu, _: &str, _: &[String]) -> RemoteResult<String> {
        Self::refuse(to)
    }

    async fn missing_events(&self, to: &ServerName, _: &RoomId, _: &Gap<'_>) -> RemoteResult<Vec<String>> {
        Self::refuse(to)
    }

    async fn state_ids(&self, to: &ServerName, _: &RoomId, _: &EventId) -> RemoteResult<StateIds> {
        Self::refuse(to)
    }

    async fn state(&self, to: &ServerName, _: &RoomId, _: &EventId) -> RemoteResult<StateEvents> {
        Self::refuse(to)
    }

    async fn event(&self, to: &ServerName, _: &EventId) -> RemoteResult<String> {
        Self::refuse(to)
    }

    async fn event_auth(&self, to: &ServerName, _: &RoomId, _: &EventId) -> RemoteResult<Vec<String>> {
        Self::refuse(to)
    }

    async fn backfill(&self, to: &ServerName, _: &RoomId, _: &[OwnedEventId], _: usize) -> RemoteResult<Vec<String>> {
        Self::refuse(to)
    }

    async fn event_by_time(
        &self,
        to: &ServerName,
        _: &RoomId,
        _: Timestamp,
        _: Direction,
    ) -> RemoteResult<(OwnedEventId, Timestamp)> {
        Self::refuse(to)
    }

    async fn resolve_alias(&self, alias: &RoomAliasId) -> RemoteResult<(OwnedRoomId, Vec<OwnedServerName>)> {
        Self::refuse(alias.server_name())
    }

    async fn public_rooms(&self, to: &ServerName, _: &AskedRooms<'_>) -> RemoteResult<String> {
        Self::refuse(to)
    }

    async fn hierarchy(&self, to: &ServerName, _: &RoomId, _: bool) -> RemoteResult<String> {
        Self::refuse(to)
    }
}
