//! The cryptography of one signature.
//!
//! ```text
//! base64 of:   flag │ signature, 64 bytes │ public key, 32 or 33 bytes
//!                │                           │
//!                └─ scheme                   └─► SuiAddress of the signer
//! ```
//!
//! The key comes with the signature, so a valid signature alone proves only that somebody signed. The verifier compares the signer
//! with the addresses that the caller trusts.

use crate::{
    error::{Reason, VerifyError},
    public_key::PublicKey,
    scheme::Scheme,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

/// A decoded signature: the claimed signer, and the 64 bytes that have to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The key of the claimed signer, with its scheme.
    pub(crate) key: PublicKey,
    /// The two numbers of the signature, 32 bytes each.
    pub(crate) bytes: [u8; 64],
}

impl Signature {
    /// The length in base64 of both 97 and 98 bytes.
    const ENCODED: usize = 132;

    /// Decodes base64 of flag, signature and public key.
    pub(crate) fn decode(text: &str) -> Result<Self, VerifyError> {
        const NOT_BASE64: Reason = Reason::Encoding("signature is not base64");
        // The flag first: signatures of other schemes have other lengths.
        let head = text.as_bytes().get(..4).ok_or(NOT_BASE64)?;
        let mut flag = [0; 3];
        STANDARD.decode_slice(head, &mut flag).map_err(|_| NOT_BASE64)?;
        let scheme = Scheme::from_flag(flag[0]).ok_or(Reason::UnknownFlag(flag[0]))?;
        if text.len() != Self::ENCODED {
            return Err(Reason::Encoding("signature has a wrong length").into());
        }
        let mut raw = [0; Self::ENCODED / 4 * 3];
        let length = STANDARD.decode_slice(text, &mut raw).map_err(|_| NOT_BASE64)?;
        if length != 65 + scheme.key_length() {
            return Err(Reason::Encoding("signature has a wrong length").into());
        }
        let mut bytes = [0; 64];
        bytes.copy_from_slice(&raw[1..65]);
        Ok(Self { key: PublicKey::padded(scheme, &raw[65..length]), bytes })
    }

    /// Encodes flag, signature and public key as base64.
    #[cfg(any(feature = "receipt", feature = "signing"))]
    pub(crate) fn encode(&self) -> alloc::string::String {
        let flag = [self.key.scheme().flag()];
        STANDARD.encode([&flag[..], &self.bytes, self.key.as_bytes()].concat())
    }
}

/// Decodes base64 of a hash.
pub(crate) fn decode_hash(text: &str) -> Result<[u8; 32], VerifyError> {
    let mut raw = [0; 33];
    match STANDARD.decode_slice(text, &mut raw) {
        Ok(32) => {
            let mut hash = [0; 32];
            hash.copy_from_slice(&raw[..32]);
            Ok(hash)
        }
        _ => Err(Reason::Encoding("response_hash is not base64 of 32 bytes").into()),
    }
}

/// Compares in constant time.
pub(crate) fn same_hash(computed: &[u8; 32], received: &[u8; 32]) -> Result<(), VerifyError> {
    let is_same = words(computed).ct_eq(&words(received));
    if bool::from(is_same) { Ok(()) } else { Err(Reason::HashMismatch.into()) }
}

/// Four comparisons instead of 32.
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let word = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    [word(0), word(8), word(16), word(24)]
}

/// A public key that is ready to check signatures. Parsing one takes 7 µs, so a stream keeps it.
#[derive(Debug, Clone)]
pub(crate) enum ParsedKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    #[cfg(feature = "ecdsa")]
    Secp256k1(k256::ecdsa::VerifyingKey),
    #[cfg(feature = "ecdsa")]
    Secp256r1(p256::ecdsa::VerifyingKey),
}

impl ParsedKey {
    pub(crate) fn parse(key: &PublicKey) -> Result<Self, VerifyError> {
        let scheme = key.scheme();
        let invalid = Reason::Key(scheme);
        if !scheme.is_compiled() {
            return Err(Reason::NotCompiled(scheme).into());
        }
        // A key has one compressed form. Others would give the same signer a second address.
        if scheme != Scheme::Ed25519 && !matches!(key.as_bytes()[0], 2 | 3) {
            return Err(invalid.into());
        }
        match scheme {
            Scheme::Ed25519 => {
                let bytes = key.as_bytes().try_into().map_err(|_| invalid)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| invalid)?;
                Ok(Self::Ed25519(key))
            }
            #[cfg(feature = "ecdsa")]
            Scheme::Secp256k1 => k256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes())
                .map(Self::Secp256k1)
                .map_err(|_| invalid.into()),
            #[cfg(feature = "ecdsa")]
            Scheme::Secp256r1 => p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes())
                .map(Self::Secp256r1)
                .map_err(|_| invalid.into()),
            #[cfg(not(feature = "ecdsa"))]
            _ => Err(Reason::NotCompiled(scheme).into()),
        }
    }

    /// Checks a signature of this hash. The 32 bytes of the hash are the signed message: no intent
    /// prefix of Sui, and ECDSA hashes them once more with SHA-256.
    pub(crate) fn check(&self, hash: &[u8; 32], signature: &[u8; 64]) -> Result<(), VerifyError> {
        match self {
            Self::Ed25519(key) => {
                // Not `verify`, which accepts keys of small order, such as the identity: one
                // signature for all texts.
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verify_strict(hash, &signature)
                    .map_err(|_| Reason::Signature(Scheme::Ed25519).into())
            }
            #[cfg(feature = "ecdsa")]
            Self::Secp256k1(key) => {
                use k256::ecdsa::{Signature, signature::hazmat::PrehashVerifier};
                let invalid = Reason::Signature(Scheme::Secp256k1);
                let signature = Signature::from_slice(signature).map_err(|_| invalid)?;
                if signature.normalize_s().is_some() {
                    return Err(Reason::HighS(Scheme::Secp256k1).into());
                }
                key.verify_prehash(&sha256(hash), &signature).map_err(|_| invalid.into())
            }
            #[cfg(feature = "ecdsa")]
            Self::Secp256r1(key) => {
                use p256::ecdsa::{Signature, signature::hazmat::PrehashVerifier};
                let invalid = Reason::Signature(Scheme::Secp256r1);
                let signature = Signature::from_slice(signature).map_err(|_| invalid)?;
                // The curve's own check accepts both forms of s.
                if signature.normalize_s().is_some() {
                    return Err(Reason::HighS(Scheme::Secp256r1).into());
                }
                key.verify_prehash(&sha256(hash), &signature).map_err(|_| invalid.into())
            }
        }
    }
}

#[cfg(feature = "ecdsa")]
fn sha256(hash: &[u8; 32]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(hash).into()
}
