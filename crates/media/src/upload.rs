//! Uploads: bytes as they come, within a bound, on disk before they are acknowledged.

use std::path::PathBuf;

use kernel::id::OwnedUserId;
use tokio::io::AsyncWriteExt;

use crate::{
    Error, Media, Result,
    tables::{FILES, FileRow},
};

/// Characters of a media id: 6 bits of chance each, so that nobody guesses one.
const ID_LENGTH: usize = 32;
/// Longest type and longest name.
const TYPE_BYTES_MAX: usize = 127;
const NAME_BYTES_MAX: usize = 255;

/// What is known of a file besides its bytes.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub uploader: OwnedUserId,
    /// `image/png`
    pub content_type: Option<String>,
    pub name: Option<String>,
}

/// A file on its way in. Given up, it is deleted.
pub struct Incoming {
    id: String,
    path: PathBuf,
    /// Where it is to lie.
    place: PathBuf,
    file: tokio::fs::File,
    bytes: u64,
    bytes_max: u64,
    is_kept: bool,
}

impl Incoming {
    /// Adds a piece.
    ///
    /// # Errors
    /// `TooLarge`, `Disk`.
    pub async fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > self.bytes_max {
            return Err(Error::TooLarge(self.bytes_max));
        }
        Ok(self.file.write_all(piece).await?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // In the one place or the other.
        for path in [&self.path, &self.place] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "an unfinished upload is left behind");
                }
                _ => {}
            }
        }
    }
}

impl Media {
    /// Begins an upload.
    ///
    /// # Errors
    /// `Disk`
    pub async fn receive(&self) -> Result<Incoming> {
        let id = self.inner.random.token(ID_LENGTH);
        let path = self.inner.folder.unfinished(&id);
        let place = self.inner.folder.path(&id);
        let file = tokio::fs::File::create_new(&path).await?;
        Ok(Incoming { id, path, place, file, bytes: 0, bytes_max: self.file_bytes_max(), is_kept: false })
    }

    /// Keeps an upload whose bytes have all come. Returns the media id.
    ///
    /// # Errors
    /// `InvalidParam` for a type or name that cannot be; `Disk`, `Store`. Nothing is kept then.
    pub async fn keep(&self, mut incoming: Incoming, new: NewFile) -> Result<String> {
        let content_type = new.content_type.filter(|kind| !kind.is_empty());
        if content_type.as_deref().is_some_and(|kind| !is_content_type(kind)) {
            return Err(Error::InvalidParam("This is no content type"));
        }
        let name = new.name.filter(|name| !name.is_empty());
        if name.as_deref().is_some_and(|name| name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control)) {
            return Err(Error::InvalidParam("A file's name has 255 bytes at most, and no control characters"));
        }
        incoming.file.flush().await?;
        incoming.file.sync_all().await?;
        self.inner.folder.place(&incoming.id).await?;
        let row = FileRow {
            uploader: new.uploader,
            uploaded: self.inner.clock.now(),
            bytes: incoming.bytes,
            content_type,
            name,
        };
        let mut batch = self.inner.scope.batch();
        batch.put(&FILES, (incoming.id.as_str(),), &row);
        self.inner.scope.commit(batch).await?;
        incoming.is_kept = true;
        Ok(std::mem::take(&mut incoming.id))
    }
}

/// `type/subtype`, with parameters or not: what can stand in a header.
pub(crate) fn is_content_type(text: &str) -> bool {
    text.len() <= TYPE_BYTES_MAX && text.contains('/') && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
