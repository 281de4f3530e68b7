//! The schema of this crate: every table and row, on one page. Numbers 0x0701 and up.

use kernel::{Timestamp, id::OwnedServerName};
use serde::{Deserialize, Serialize};
use store::{Space, Table};

/// (server, key id) → a signing key of another server. Kept for ever: what it signed may be shown to us years later.
pub(crate) const SERVER_KEYS: Table<(OwnedServerName, String), KeyRow> =
    Table::new(0x0701, "server_keys", Space::Index);
/// Server → the document of its keys, as it was last fetched from the server itself.
pub(crate) const KEY_DOCUMENTS: Table<(OwnedServerName,), DocumentRow> =
    Table::new(0x0702, "key_documents", Space::Index);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) key: [u8; 32],
    /// What it signs later does not count.
    pub(crate) valid_until: Timestamp,
    /// Its server signs with it no more.
    pub(crate) is_old: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentRow {
    /// Canonical, at most 64 KiB.
    pub(crate) json: String,
    pub(crate) fetched_at: Timestamp,
}

store::record! {
    KeyRow: 1;
    DocumentRow: 1;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use store::Record;

    use super::*;

    #[test]
    fn table_numbers_are_unique_and_of_this_crate() {
        let source = include_str!("tables.rs").split("#[cfg(test)]").next().unwrap();
        let numbers: Vec<&str> = source.split("Table::new(0x").skip(1).map(|rest| &rest[..4]).collect();
        let unique: BTreeSet<_> = numbers.iter().collect();
        assert_eq!((unique.len(), numbers.len()), (2, 2));
        assert!(numbers.iter().all(|number| number.starts_with("07")));
    }

    #[test]
    fn rows_are_written_like_this() {
        let hex = |record: Vec<u8>| record.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let key = KeyRow { key: [7; 32], valid_until: Timestamp(300), is_old: true };
        assert_eq!(hex(key.encode().unwrap()), format!("01{}ac0201", "07".repeat(32)));
        let document = DocumentRow { json: "{}".to_owned(), fetched_at: Timestamp(300) };
        assert_eq!(hex(document.encode().unwrap()), "01027b7dac02");
    }
}
