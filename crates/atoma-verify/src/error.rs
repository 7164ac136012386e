//! The error of a check.

use crate::{scheme::Scheme, sui_address::SuiAddress};
use core::fmt;

/// The reason why a text's signature was not accepted.
///
/// Its text is one line, and holds nothing of the checked text.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyError {
    reason: Reason,
}

impl VerifyError {
    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        match self.reason {
            Reason::Malformed(_) => VerifyErrorKind::Malformed,
            Reason::Missing(_) => VerifyErrorKind::MissingSignature,
            Reason::Encoding(_) => VerifyErrorKind::BadEncoding,
            Reason::UnknownFlag(_) => VerifyErrorKind::UnknownScheme,
            Reason::NotCompiled(_) => VerifyErrorKind::SchemeNotCompiled,
            Reason::HashMismatch => VerifyErrorKind::HashMismatch,
            Reason::Key(_) => VerifyErrorKind::InvalidKey,
            Reason::Signature(_) => VerifyErrorKind::InvalidSignature,
            Reason::HighS(_) => VerifyErrorKind::HighS,
            Reason::UnknownSigner(_) => VerifyErrorKind::UnknownSigner,
            Reason::SignerChanged { .. } => VerifyErrorKind::SignerChanged,
            #[cfg(feature = "receipt")]
            Reason::Receipt(_) => VerifyErrorKind::BadReceipt,
        }
    }

    /// Returns the signer that the text names, if the signer is the reason for the failure: it is not
    /// pinned, or not the one that signed before. Nothing proves that this signer signed the text.
    #[must_use]
    pub fn signer(&self) -> Option<SuiAddress> {
        match self.reason {
            Reason::UnknownSigner(signer) | Reason::SignerChanged { to: signer, .. } => {
                Some(signer)
            }
            _ => None,
        }
    }
}

/// The kinds of [`VerifyError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The text is not one JSON object with at most one plain `signature` and `response_hash`.
    Malformed,
    /// The text has no `signature` or no `response_hash`, or a stream ended without a signed chunk.
    MissingSignature,
    /// The signature or the hash is not padded base64 of the right length.
    BadEncoding,
    /// The signature's first byte names a scheme that Atoma's nodes do not use.
    UnknownScheme,
    /// The signature's scheme needs the feature `ecdsa` of this crate, which is off.
    SchemeNotCompiled,
    /// The hash of the text is not the one in `response_hash`: the text was altered.
    HashMismatch,
    /// The signature names a public key that is not a point of its curve.
    InvalidKey,
    /// The signature is not one of this hash by this key.
    InvalidSignature,
    /// The ECDSA signature is in its high form, which anyone can make from the low form.
    HighS,
    /// The signer is not one of the pinned signers.
    UnknownSigner,
    /// The signer is not the one that signed the conversation or the stream so far.
    SignerChanged,
    /// The receipt is not readable, or was altered.
    BadReceipt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Malformed(&'static str),
    Missing(&'static str),
    Encoding(&'static str),
    UnknownFlag(u8),
    NotCompiled(Scheme),
    HashMismatch,
    Key(Scheme),
    Signature(Scheme),
    #[cfg_attr(not(feature = "ecdsa"), expect(dead_code))]
    HighS(Scheme),
    UnknownSigner(SuiAddress),
    SignerChanged {
        from: SuiAddress,
        to: SuiAddress,
    },
    #[cfg(feature = "receipt")]
    Receipt(&'static str),
}

impl From<Reason> for VerifyError {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Malformed(doubt) => write!(f, "malformed signed text: {doubt}"),
            Reason::Missing(missing) => write!(f, "response is not signed: no {missing}"),
            Reason::Encoding(fault) => write!(f, "malformed signature: {fault}"),
            Reason::UnknownFlag(flag) => write!(f, "unknown signature scheme: flag {flag}"),
            Reason::NotCompiled(scheme) => {
                write!(f, "signature scheme {scheme} is not compiled in (feature `ecdsa`)")
            }
            Reason::HashMismatch => f.write_str("response_hash does not match the response"),
            Reason::Key(scheme) => write!(f, "invalid {scheme} public key in the signature"),
            Reason::Signature(scheme) => write!(f, "invalid {scheme} signature"),
            Reason::HighS(scheme) => write!(f, "invalid {scheme} signature: high s"),
            Reason::UnknownSigner(signer) => write!(f, "signer {signer} is not pinned"),
            Reason::SignerChanged { from, to } => {
                write!(f, "signer changed from {from} to {to}")
            }
            #[cfg(feature = "receipt")]
            Reason::Receipt(fault) => write!(f, "invalid receipt: {fault}"),
        }
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("VerifyError").field("reason", &self.reason).finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for VerifyError {}
