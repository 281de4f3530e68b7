//! The owner of files: what people upload, thumbnails, and what other servers have.
//!
//! A file lies on disk as it came and is described by a row; it is acknowledged once both are there to stay. What other servers
//! have is fetched when somebody asks for it and kept in memory only, within bounds. Knows no HTTP. A [`Media`] is one tenant's.

mod download;
mod error;
mod folder;
mod remote;
mod tables;
mod thumbnail;
mod upload;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use kernel::{Clock, Random, id::OwnedServerName};
use store::Scope;
use tokio::sync::Semaphore;

pub use download::{Content, File};
pub use error::{Error, Result};
pub use remote::{Offline, Remote, RemoteFile};
pub use thumbnail::{Method, Size};
pub use upload::{Incoming, NewFile};

/// Files that are fetched from other servers, or read to be scaled, at one time.
const FETCHES_MAX: usize = 4;
/// Images that are scaled at one time: nothing but computing, and it takes memory.
const SCALINGS_MAX: usize = 1;

/// How a tenant keeps files.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where they lie; made if it is not there.
    pub folder: PathBuf,
    /// Longest file that is taken, from people here and from other servers.
    pub file_bytes_max: u64,
}

/// One tenant's files. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    inner: Arc<Inner>,
}

struct Inner {
    scope: Scope,
    server_name: OwnedServerName,
    folder: folder::Folder,
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    remote: Arc<dyn Remote>,
    kept: download::Kept,
    fetches: Semaphore,
    scalings: Arc<Semaphore>,
}

impl Media {
    /// Opens the tenant's files; uploads that a killed process left unfinished are deleted.
    ///
    /// # Errors
    /// `Disk` when the folder cannot be made or read.
    pub fn open(
        scope: Scope,
        server_name: OwnedServerName,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        remote: Arc<dyn Remote>,
    ) -> Result<Self> {
        let folder = folder::Folder::open(&settings.folder)?;
        Ok(Self {
            inner: Arc::new(Inner {
                scope,
                server_name,
                folder,
                settings,
                clock,
                random,
                remote,
                kept: download::kept(),
                fetches: Semaphore::new(FETCHES_MAX),
                scalings: Arc::new(Semaphore::new(SCALINGS_MAX)),
            }),
        })
    }

    /// Longest file that is taken.
    pub fn file_bytes_max(&self) -> u64 {
        self.inner.settings.file_bytes_max
    }
}
