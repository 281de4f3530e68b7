//! How far acknowledged changes went, told by a file that is not RocksDB's.
//!
//! RocksDB cannot know that the end of its last log file is missing: a file cut between two records, or a folder put back
//! from an older copy, opens as if nothing had been. So each commit, once it is synced, leaves RocksDB's sequence number
//! here, in place and without a sync of its own: it costs a microsecond and survives the process. A power cut may leave an
//! older number, which alarms later, never wrongly.

use std::{fs, fs::File, io, os::unix::fs::FileExt, path::Path};

use crate::{Error, Result};

/// In the database's folder, where RocksDB leaves names alone that it does not know.
const NAME: &str = "ACKNOWLEDGED";
const BYTES: usize = 16;

pub(super) struct Witness(File);

impl Witness {
    /// Also returns the number last left there; none in a new folder, or if it cannot be read.
    pub(super) fn open(folder: &Path) -> Result<(Self, Option<u64>)> {
        let path = folder.join(NAME);
        let failed = |error: io::Error| Error::Engine(format!("{} cannot be opened: {error}", path.display()));
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed)?;
        let mut bytes = [0; BYTES];
        let number = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(failed(error)),
        };
        Ok((Self(file), number))
    }

    /// A failure is no failure of the commit, which is on disk; it only blinds the next start.
    pub(super) fn note(&self, sequence: u64) {
        if let Err(error) = self.0.write_all_at(&encode(sequence), 0) {
            tracing::warn!(%error, "the file {NAME} cannot be written");
        }
    }
}

/// The number and half a hash of it, so that damage to the file is not taken for a number.
fn encode(sequence: u64) -> [u8; BYTES] {
    let number = sequence.to_be_bytes();
    let hash = *blake3::hash(&number).as_bytes();
    let mut bytes = [0; BYTES];
    for (to, from) in bytes.iter_mut().zip(number.into_iter().chain(hash)) {
        *to = from;
    }
    bytes
}

fn decode(bytes: [u8; BYTES]) -> Option<u64> {
    let number = u64::from_be_bytes(*bytes.first_chunk()?);
    (encode(number) == bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_not_taken_for_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let (witness, number) = Witness::open(folder.path()).unwrap();
        assert_eq!(number, None);
        witness.note(1000);
        witness.note(1001);
        assert_eq!(Witness::open(folder.path()).unwrap().1, Some(1001));
        let mut bytes = fs::read(folder.path().join(NAME)).unwrap();
        bytes[6] ^= 1;
        fs::write(folder.path().join(NAME), bytes).unwrap();
        assert_eq!(Witness::open(folder.path()).unwrap().1, None);
    }
}
