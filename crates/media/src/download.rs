//! Files on their way out: this server's from disk, others' through memory.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use kernel::id::{OwnedServerName, ServerName};
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use tokio::{io::AsyncReadExt, sync::SemaphorePermit};

use crate::{
    Error, Media, RemoteFile, Result, Size,
    tables::{FILES, FileRow},
    upload::is_content_type,
};

/// Longest media id that is asked for.
const ID_BYTES_MAX: usize = 255;
/// Longest name of another server's file that is shown.
const NAME_CHARS_MAX: usize = 100;
/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 65_536;
/// Bytes that are kept in memory of others' files and of thumbnails; one that is nearly as large is not kept.
const KEPT_BYTES_MAX: u64 = 32 << 20;
const KEPT_MAX: usize = 4_000;

/// What is said of a file that says nothing of itself.
const UNKNOWN: &str = "application/octet-stream";

/// A file.
pub struct File {
    /// Of the form that a header can bear, whoever named it.
    pub content_type: String,
    pub name: Option<String>,
    pub content: Content,
}

/// Its bytes.
pub enum Content {
    Disk { file: tokio::fs::File, bytes: u64 },
    Memory(Bytes),
}

impl Content {
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Disk { bytes, .. } => *bytes,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Piece by piece.
    pub fn pieces(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(Some(self), |rest| async {
            match rest {
                None => Ok(None),
                Some(Self::Memory(bytes)) => Ok(Some((bytes, None))),
                Some(Self::Disk { mut file, bytes }) => {
                    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
                    let read = file.read_buf(&mut piece).await?;
                    Ok((read > 0).then(|| (piece.freeze(), Some(Self::Disk { file, bytes }))))
                }
            }
        })
    }

    /// All at once.
    ///
    /// # Errors
    /// `Disk`
    pub async fn whole(self) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::Disk { mut file, bytes } => {
                let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
                file.read_to_end(&mut whole).await?;
                Ok(whole.into())
            }
        }
    }
}

/// What is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    File(OwnedServerName, String),
    Thumbnail(OwnedServerName, String, Size),
}

#[derive(Clone)]
pub(crate) struct Bulk;

impl Weighter<Key, RemoteFile> for Bulk {
    fn weight(&self, _: &Key, file: &RemoteFile) -> u64 {
        // Nothing weighs nothing.
        file.bytes.len() as u64 + 512
    }
}

pub(crate) type Kept = Cache<Key, RemoteFile, Bulk>;

pub(crate) fn kept() -> Kept {
    // One shard: each would have its part of the bound, and keep no file that is larger.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(KEPT_MAX)
        .weight_capacity(KEPT_BYTES_MAX)
        .build()
        .unwrap_or_else(|_| unreachable!("both capacities are given"));
    Cache::with_options(options, Bulk, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

impl Media {
    /// A file of this server or of another.
    ///
    /// # Errors
    /// `NotFound`, `Remote`, `Disk`, `Store`.
    pub async fn file(&self, server: &ServerName, id: &str) -> Result<File> {
        if *server == *self.inner.server_name {
            return self.own_file(id).await;
        }
        Ok(self.fetched(server, id).await?.into())
    }

    /// A file of this server.
    ///
    /// # Errors
    /// `NotFound`, `Disk`, `Store`.
    pub async fn own_file(&self, id: &str) -> Result<File> {
        let row = self.row(id)?;
        let file = tokio::fs::File::open(self.inner.folder.path(id)).await?;
        Ok(File {
            content_type: row.content_type.unwrap_or_else(|| UNKNOWN.to_owned()),
            name: row.name,
            content: Content::Disk { file, bytes: row.bytes },
        })
    }

    pub(crate) fn row(&self, id: &str) -> Result<FileRow> {
        if !is_id(id) {
            return Err(Error::NotFound);
        }
        self.inner.scope.get(&FILES, (id,))?.ok_or(Error::NotFound)
    }

    /// Another server's file, from memory if it was asked for a moment ago; many who ask at once wait for one.
    pub(crate) async fn fetched(&self, server: &ServerName, id: &str) -> Result<RemoteFile> {
        if !is_id(id) {
            return Err(Error::NotFound);
        }
        if let Some(known) = self.inner.kept.get(&Key::File(server.to_owned(), id.to_owned())) {
            return Ok(known);
        }
        let _place = self.place_to_fetch().await?;
        self.fetched_here(server, id).await
    }

    /// A place among those who have files in memory. Taken before anybody waits for another's fetch, so that nobody waits in a
    /// circle.
    pub(crate) async fn place_to_fetch(&self) -> Result<SemaphorePermit<'_>> {
        self.inner.fetches.acquire().await.map_err(|_| Error::Internal("no more fetches"))
    }

    /// The same, for who has a place.
    pub(crate) async fn fetched_here(&self, server: &ServerName, id: &str) -> Result<RemoteFile> {
        if !is_id(id) {
            return Err(Error::NotFound);
        }
        let key = Key::File(server.to_owned(), id.to_owned());
        let fetch = async {
            let file = self.inner.remote.download(server, id, self.file_bytes_max()).await?;
            Ok::<_, Error>(presentable(file))
        };
        self.inner.kept.get_or_insert_async(&key, fetch).await
    }
}

impl From<RemoteFile> for File {
    fn from(file: RemoteFile) -> Self {
        let content_type = file.content_type.unwrap_or_else(|| UNKNOWN.to_owned());
        Self { content_type, name: file.name, content: Content::Memory(file.bytes) }
    }
}

/// Whether it can be a media id (spec, "mxc:// URIs"): it is looked for as a key, and never as a path.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The file with only what headers can bear of what its server says of it.
pub(crate) fn presentable(mut file: RemoteFile) -> RemoteFile {
    file.content_type = file.content_type.filter(|kind| is_content_type(kind));
    let shown = |name: String| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect::<String>();
    file.name = file.name.map(shown).filter(|name| !name.is_empty());
    file
}
