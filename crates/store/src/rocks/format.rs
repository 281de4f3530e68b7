//! Whose database lies in a folder: ours of this format, one still to be made, or one that must not be touched.
//!
//! The format is the name of an empty column family. So it is in RocksDB's own manifest: it can be read without opening
//! anything, goes with every backup, and a binary that does not know it cannot open the database by mistake.

use std::{fs, io, path::Path};

use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, Options as Set};

use crate::{Error, Result, kv::Space};

/// What the names of all formats begin with.
const MAGIC: &str = "beffroi-store-";
/// The format that this binary reads and writes. A change of keys or of the meaning of rows takes the next number.
pub(super) const FAMILY: &str = "beffroi-store-2";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A database of this format.
    Ours,
    /// Nothing, or a database whose making was cut short before anything was written.
    Unfinished,
}

/// Looks without changing anything.
///
/// # Errors
/// [`Error::Engine`] when what lies there is not ours to open.
pub(super) fn inspect(path: &Path, database: &Set) -> Result<Found> {
    if !path.join("CURRENT").try_exists().map_err(|error| refused(path, &error.to_string()))? {
        return match remains(path) {
            Ok(None) => Ok(Found::Unfinished),
            Ok(Some(file)) => Err(refused(path, &format!("it has {file} but no CURRENT: its database is damaged"))),
            Err(error) => Err(refused(path, &error.to_string())),
        };
    }
    let families = DB::list_cf(database, path).map_err(|error| Error::Engine(explain(path, &error)))?;
    let mut formats = families.iter().filter(|name| name.starts_with(MAGIC));
    match (formats.next().map(String::as_str), formats.next()) {
        (Some(FAMILY), None) => Ok(Found::Ours),
        (Some(format), _) => {
            Err(refused(path, &format!("its format is {format}, and this binary knows {FAMILY} only: use a newer one")))
        }
        (None, _) if is_blank(path, database, &families)? => Ok(Found::Unfinished),
        (None, _) => Err(refused(path, "another program has made the database in it")),
    }
}

/// A file that a database leaves behind; one that has just been begun has none yet.
fn remains(path: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if [".sst", ".log", ".ldb"].iter().any(|suffix| name.ends_with(suffix)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether the database has our families only and nothing was ever written to it: then a first start was cut short.
fn is_blank(path: &Path, database: &Set, families: &[String]) -> Result<bool> {
    let ours = |name: &String| name == DEFAULT_COLUMN_FAMILY_NAME || Space::ALL.iter().any(|s| s.name() == name);
    if !families.iter().all(ours) {
        return Ok(false);
    }
    let db = DB::open_cf_for_read_only(database, path, families, false)
        .map_err(|error| Error::Engine(explain(path, &error)))?;
    Ok(db.latest_sequence_number() == 0)
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Engine(format!("the folder {} is not opened: {reason}", path.display()))
}

/// RocksDB's errors of opening, with what an operator can do about the most common one.
pub(super) fn explain(path: &Path, error: &rocksdb::Error) -> String {
    if error.as_ref().contains("lock ") {
        return format!("another process has the database in {} open", path.display());
    }
    format!("the database in {} cannot be opened: {error}", path.display())
}
