//! Values over the contract's limit, cut into rows that fit.

use bytes::{Bytes, BytesMut};
use kernel::limits::VALUE_BYTES_MAX;

use crate::{
    Batch, Error, Result, Scope,
    codec::{Part, Stands},
    table::Table,
};

/// A table of large values: (key, number of the piece) → piece.
pub type Blobs<K> = Table<(K, u32), Bytes>;

/// Replaces the blob. `old_bytes` is the length of the one before it, 0 if there was none.
pub fn put<K>(batch: &mut Batch, table: &Blobs<K>, key: impl Stands<K> + Copy, blob: &[u8], old_bytes: usize) {
    let mut pieces = 0;
    for (number, piece) in (0_u32..).zip(blob.chunks(VALUE_BYTES_MAX)) {
        batch.put(table, (key, number), &Bytes::copy_from_slice(piece));
        pieces = number + 1;
    }
    let old_pieces = u32::try_from(old_bytes.div_ceil(VALUE_BYTES_MAX)).unwrap_or(u32::MAX);
    for number in pieces..old_pieces {
        batch.delete(table, (key, number));
    }
}

/// The whole blob; `None` when there is none (an empty blob is none).
///
/// # Errors
/// [`Error::Damaged`] when a piece is missing before the last.
pub fn get<K: Part>(scope: &Scope, table: &Blobs<K>, key: impl Stands<K>) -> Result<Option<Bytes>> {
    let pieces = scope.scan(table, (key,)).rows()?;
    let mut blob = BytesMut::new();
    for (expected, ((_, number), piece)) in (0_u32..).zip(&pieces) {
        if expected != *number {
            return Err(Error::Damaged { table: table.name(), reason: format!("piece {expected} is missing") });
        }
        blob.extend_from_slice(piece);
    }
    Ok((!pieces.is_empty()).then(|| blob.freeze()))
}
