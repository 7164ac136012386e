//! BLAKE2b-256, the hash of Atoma's nodes and of Sui.

use blake2::{Blake2b, Digest, digest::consts::U32};

/// Returns the BLAKE2b-256 digest of the pieces in a row.
pub(crate) fn blake2b256<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Blake2b::<U32>::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize().into()
}
