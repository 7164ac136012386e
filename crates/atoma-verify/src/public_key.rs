//! A signer's public key.

use crate::{parse_error::ParseSignerError, scheme::Scheme};
use base64::{Engine, engine::general_purpose::STANDARD};
use core::{
    fmt,
    str::{FromStr, from_utf8},
};

/// A signer's public key, with its scheme.
///
/// Written as Sui writes it: base64 of the scheme's flag and the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    scheme: Scheme,
    /// The unused last byte of an Ed25519 key is zero.
    bytes: [u8; 33],
}

impl PublicKey {
    /// Returns an Ed25519 key.
    #[must_use]
    pub fn ed25519(bytes: [u8; 32]) -> Self {
        Self::padded(Scheme::Ed25519, &bytes)
    }

    /// Returns a secp256k1 key, from its compressed form.
    #[must_use]
    pub fn secp256k1(bytes: [u8; 33]) -> Self {
        Self::padded(Scheme::Secp256k1, &bytes)
    }

    /// Returns a secp256r1 key, from its compressed form.
    #[must_use]
    pub fn secp256r1(bytes: [u8; 33]) -> Self {
        Self::padded(Scheme::Secp256r1, &bytes)
    }

    /// Returns the key with these raw bytes: 32 for Ed25519, 33 (compressed) for the others.
    ///
    /// The bytes are checked to be a point of the curve when a signature is checked.
    ///
    /// # Errors
    ///
    /// If the bytes have another length.
    pub fn new(scheme: Scheme, bytes: &[u8]) -> Result<Self, ParseSignerError> {
        if bytes.len() != scheme.key_length() {
            return Err(ParseSignerError("public key with another length than its scheme's"));
        }
        Ok(Self::padded(scheme, bytes))
    }

    /// Returns the key's scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the raw bytes: 32 for Ed25519, 33 for the others.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.scheme.key_length()]
    }

    /// `bytes` has the length that the scheme's keys have.
    pub(crate) fn padded(scheme: Scheme, bytes: &[u8]) -> Self {
        let mut padded = [0; 33];
        padded[..bytes.len()].copy_from_slice(bytes);
        Self { scheme, bytes: padded }
    }
}

impl FromStr for PublicKey {
    type Err = ParseSignerError;

    /// Reads base64 of a flag and a key, as `sui keytool` prints it.
    fn from_str(text: &str) -> Result<Self, ParseSignerError> {
        let mut buffer = [0; 36];
        let length = STANDARD
            .decode_slice(text, &mut buffer)
            .map_err(|_| ParseSignerError("public key that is not base64 of a flag and a key"))?;
        let (flag, bytes) =
            buffer[..length].split_first().ok_or(ParseSignerError("empty public key"))?;
        let scheme =
            Scheme::from_flag(*flag).ok_or(ParseSignerError("public key of an unknown scheme"))?;
        Self::new(scheme, bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = [0; 34];
        let key = self.as_bytes();
        raw[0] = self.scheme.flag();
        raw[1..=key.len()].copy_from_slice(key);
        let mut text = [0; 48];
        let length =
            STANDARD.encode_slice(&raw[..=key.len()], &mut text).map_err(|_| fmt::Error)?;
        f.write_str(from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {self})", self.scheme)
    }
}
