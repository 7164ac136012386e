//! The signature schemes.

use core::fmt;

/// A signature scheme of Sui that Atoma's nodes can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// Ed25519, flag 0.
    Ed25519,
    /// ECDSA over secp256k1 with SHA-256, flag 1.
    Secp256k1,
    /// ECDSA over secp256r1 (NIST P-256) with SHA-256, flag 2.
    Secp256r1,
}

impl Scheme {
    /// Returns the byte that names this scheme in Sui's signatures, keys and addresses.
    #[must_use]
    pub const fn flag(self) -> u8 {
        match self {
            Self::Ed25519 => 0,
            Self::Secp256k1 => 1,
            Self::Secp256r1 => 2,
        }
    }

    /// Returns the scheme that this flag names, or `None` for multisig, zkLogin and the like.
    #[must_use]
    pub const fn from_flag(flag: u8) -> Option<Self> {
        match flag {
            0 => Some(Self::Ed25519),
            1 => Some(Self::Secp256k1),
            2 => Some(Self::Secp256r1),
            _ => None,
        }
    }

    /// Returns whether this build can check signatures of the scheme: Ed25519 always, the others with
    /// the feature `ecdsa`.
    #[must_use]
    pub const fn is_compiled(self) -> bool {
        matches!(self, Self::Ed25519) || cfg!(feature = "ecdsa")
    }

    /// Length of a public key in bytes.
    pub(crate) const fn key_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::Secp256k1 | Self::Secp256r1 => 33,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "ed25519",
            Self::Secp256k1 => "secp256k1",
            Self::Secp256r1 => "secp256r1",
        })
    }
}
