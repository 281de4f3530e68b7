//! The schema of this crate: every table and row, on one page. Numbers 0x0301 and up.

use kernel::{Timestamp, id::OwnedUserId};
use serde::{Deserialize, Serialize};
use store::{Space, Table};

/// Media id → a file of this server, whose bytes lie in the folder under the same id.
pub(crate) const FILES: Table<(String,), FileRow> = Table::new(0x0301, "files", Space::Index);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRow {
    pub(crate) uploader: OwnedUserId,
    pub(crate) uploaded: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) content_type: Option<String>,
    pub(crate) name: Option<String>,
}

store::record! {
    FileRow: 1;
}
