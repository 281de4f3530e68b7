//! What media need of other servers: a port that the federation edge implements and `src/app.rs` wires. What comes back is not to
//! be believed: it is bounded here, and shown as what it may be only.

use async_trait::async_trait;
use bytes::Bytes;
use kernel::{RemoteError, RemoteResult, id::ServerName};

use crate::Size;

/// A file as another server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub content_type: Option<String>,
    pub name: Option<String>,
    pub bytes: Bytes,
}

/// Other servers, as media see them. Each call has its own deadline behind the port and answers with an error after it.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// `GET /media/download/{mediaId}`: a file of at most so many bytes.
    async fn download(&self, of: &ServerName, id: &str, bytes_max: u64) -> RemoteResult<RemoteFile>;

    /// `GET /media/thumbnail/{mediaId}`
    async fn thumbnail(&self, of: &ServerName, id: &str, size: Size) -> RemoteResult<RemoteFile>;
}

/// No other servers at all.
pub struct Offline;

#[async_trait]
impl Remote for Offline {
    async fn download(&self, of: &ServerName, _: &str, _: u64) -> RemoteResult<RemoteFile> {
        Err(RemoteError::NotAllowed(of.to_owned()))
    }

    async fn thumbnail(&self, of: &ServerName, _: &str, _: Size) -> RemoteResult<RemoteFile> {
        Err(RemoteError::NotAllowed(of.to_owned()))
    }
}
