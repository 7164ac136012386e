//! A text's claim to be signed, with the hash already compared.

use crate::{
    error::VerifyError,
    hash::blake2b256,
    signature::{Signature, decode_hash, same_hash},
    split::split_bytes,
};

/// The hash of a text and the signature that came with it, which has not been checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) hash: [u8; 32],
    pub(crate) signature: Signature,
}

impl Claim {
    /// Reads a JSON text with its two members, and compares the hash.
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, VerifyError> {
        let signed = split_bytes(text)?;
        let claim = Self::of_hash(signed.signature(), signed.response_hash())?;
        same_hash(&blake2b256(signed.preimage().map(str::as_bytes)), &claim.hash)?;
        Ok(claim)
    }

    /// Reads the members that came with an encrypted text, and compares the hash of the plaintext.
    pub(crate) fn of_plaintext(
        plaintext: &[u8],
        signature: &str,
        response_hash: &str,
    ) -> Result<Self, VerifyError> {
        let claim = Self::of_hash(signature, response_hash)?;
        same_hash(&blake2b256([plaintext]), &claim.hash)?;
        Ok(claim)
    }

    /// Reads the members alone: a claim that this hash was signed, of an unknown text.
    pub(crate) fn of_hash(signature: &str, response_hash: &str) -> Result<Self, VerifyError> {
        Ok(Self { hash: decode_hash(response_hash)?, signature: Signature::decode(signature)? })
    }
}
