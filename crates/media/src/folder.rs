//! The folder of a tenant's files: each under its id, in one of 4,096 folders; unfinished ones apart.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where files are until they are whole.
const UNFINISHED: &str = "unfinished";
/// Folders that may have been made with a tenant's: its own, that of all tenants, the data folder and what that is in.
const FOLDERS_ABOVE: usize = 4;
/// Letters of an id that name its folder.
const PREFIX: usize = 2;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let unfinished = root.join(UNFINISHED);
        fs::create_dir_all(&unfinished)?;
        // The folder itself, and those above it that may be as new.
        for folder in root.ancestors().take(FOLDERS_ABOVE) {
            match fs::File::open(folder) {
                Ok(folder) => folder.sync_all()?,
                Err(error) => tracing::debug!(%error, folder = %folder.display(), "a folder cannot be synced"),
            }
        }
        for left in fs::read_dir(&unfinished)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self(root.to_owned()))
    }

    pub(crate) fn unfinished(&self, id: &str) -> PathBuf {
        self.0.join(UNFINISHED).join(id)
    }

    /// `id` is one that this server gave, never what somebody asked for (hazard M1).
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.0.join(id.get(..PREFIX).unwrap_or(id)).join(id)
    }

    /// Gives a file, whose bytes are on disk, its place, and returns once that is on disk too.
    pub(crate) async fn place(&self, id: &str) -> io::Result<()> {
        let (from, to, root) = (self.unfinished(id), self.path(id), self.0.clone());
        let place = move || {
            let folder = to.parent().unwrap_or(&root);
            fs::create_dir_all(folder)?;
            fs::rename(from, &to)?;
            for folder in [folder, &root] {
                fs::File::open(folder)?.sync_all()?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(place).await.map_err(io::Error::other)?
    }
}
