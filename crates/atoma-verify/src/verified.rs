//! The result of a check.

use crate::{claim::Claim, public_key::PublicKey, scheme::Scheme, sui_address::SuiAddress};
use core::fmt;

/// The result of a check that passed: the holder of this key signed exactly this text.
///
/// Its text form says "verified" only if the signer was pinned. Otherwise it says who signed: anyone
/// can make a key and sign with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    signer: SuiAddress,
    public_key: PublicKey,
    hash: [u8; 32],
    pinned: bool,
}

impl Verified {
    /// For a claim whose signature was checked.
    pub(crate) fn new(claim: &Claim, signer: SuiAddress, pinned: bool) -> Self {
        Self { signer, public_key: claim.signature.key, hash: claim.hash, pinned }
    }

    /// Returns the signer's Sui address.
    #[must_use]
    pub fn signer(&self) -> SuiAddress {
        self.signer
    }

    /// Returns the signer's public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Returns the signature's scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.public_key.scheme()
    }

    /// Returns the BLAKE2b-256 hash of the signed text.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns whether the signer is one that the verifier was made with. `false` means that the text
    /// is signed, and nothing about whose key it is.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pinned {
            write!(f, "verified: signed by pinned signer {}", self.signer)
        } else {
            write!(f, "signed by {}", self.signer)
        }
    }
}
