//! The cryptography of both sides: one key for a request and all of its responses.
//!
//! ```text
//! secret × other's public key ── X25519 ──► shared ── HKDF-SHA256, salt ──► AES-256-GCM key
//! plaintext ── nonce, key ──► ciphertext and tag           plaintext ── BLAKE2b-256 ──► hash, signed by the node
//! ```
//!
//! The key serves both directions. Nothing in the ciphertext says which one it is, so the session compares nonces.

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInPlace};
use alloc::vec::Vec;
use blake2::{Blake2b, Digest, digest::consts::U32};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

/// The sizes in bytes: of a nonce, of a salt, and of a tag.
pub(crate) const NONCE: usize = 12;
pub(crate) const SALT: usize = 16;
pub(crate) const TAG: usize = 16;

/// An X25519 secret, cleared on drop.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// AES-256-GCM under the key of one request. The key schedule is cleared on drop.
pub(crate) struct Cipher(Aes256Gcm);

/// A public key that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeakKey {
    /// The shared secret would be zero with every secret.
    LowOrder,
    /// Another encoding of a smaller number: no X25519 implementation outputs it.
    NotCanonical,
}

impl Cipher {
    /// Agrees on the key: HKDF-SHA256 of the X25519 shared secret, with `salt` and empty info.
    pub(crate) fn agree(
        own: &Secret,
        other: &[u8; 32],
        salt: &[u8; SALT],
    ) -> Result<Self, WeakKey> {
        let shared = Zeroizing::new(x25519(**own, *other));
        // The node does not check this; a low-order point gives zero with every secret.
        if equal_in_constant_time(&shared, &[0; 32]) {
            return Err(WeakKey::LowOrder);
        }
        if !is_canonical(other) {
            return Err(WeakKey::NotCanonical);
        }
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), shared.as_slice())
            .expand(&[], key.as_mut_slice())
            .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 can give");
        Ok(Self(Aes256Gcm::new(key.as_ref().into())))
    }

    /// Encrypts and appends the tag. `None` if the text is longer than AES-GCM allows (64 GiB).
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE], plaintext: &[u8]) -> Option<Vec<u8>> {
        // Reserved in full, so that no plaintext stays behind in a buffer that was too small.
        let mut buffer = Vec::with_capacity(plaintext.len() + TAG);
        buffer.extend_from_slice(plaintext);
        let tag = self.0.encrypt_in_place_detached(nonce.into(), b"", &mut buffer).ok()?;
        buffer.extend_from_slice(&tag);
        Some(buffer)
    }

    /// Checks the tag, then decrypts within `buffer`, which shrinks to the plaintext.
    pub(crate) fn decrypt(&self, nonce: &[u8; NONCE], buffer: &mut Vec<u8>) -> bool {
        let Some(end) = buffer.len().checked_sub(TAG) else {
            return false;
        };
        // The tag is behind the text, as in the wire format.
        let (text, tag) = buffer.split_at_mut(end);
        let tag: &[u8] = tag;
        let opened = self.0.decrypt_in_place_detached(nonce.into(), b"", text, tag.into()).is_ok();
        if opened {
            buffer.truncate(end);
        }
        opened
    }
}

/// The public key of a secret.
pub(crate) fn public_key(secret: &Secret) -> [u8; 32] {
    x25519(**secret, X25519_BASEPOINT_BYTES)
}

/// BLAKE2b with a digest of 32 bytes, unkeyed.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

/// Compares two hashes or keys without a branch on their bytes.
pub(crate) fn equal_in_constant_time(a: &[u8; 32], b: &[u8; 32]) -> bool {
    words(a).ct_eq(&words(b)).into()
}

/// Four comparisons instead of 32.
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let word = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    [word(0), word(8), word(16), word(24)]
}

/// Returns whether the number is less than the prime 2^255 - 19 (little-endian, top bit included).
fn is_canonical(key: &[u8; 32]) -> bool {
    let all_ones = key[1..31].iter().all(|&byte| byte == 0xff);
    key[31] < 0x7f || (key[31] == 0x7f && !(all_ones && key[0] >= 0xed))
}
