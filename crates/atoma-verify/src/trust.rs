//! The signers that are accepted.

use crate::{
    error::{Reason, VerifyError},
    sui_address::SuiAddress,
};
use alloc::sync::Arc;
#[cfg(feature = "std")]
use std::sync::OnceLock;

/// Whose signatures count.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    Any,
    Pinned(Arc<[SuiAddress]>),
    #[cfg(feature = "std")]
    FirstUse(Arc<OnceLock<SuiAddress>>),
}

impl Trust {
    /// Judges a signer before its signature is checked, which takes far longer.
    pub(crate) fn admit(&self, signer: SuiAddress) -> Result<(), VerifyError> {
        match self {
            Self::Any => Ok(()),
            Self::Pinned(signers) if signers.contains(&signer) => Ok(()),
            Self::Pinned(_) => Err(Reason::UnknownSigner(signer).into()),
            #[cfg(feature = "std")]
            Self::FirstUse(first) => match first.get() {
                Some(first) => same_signer(*first, signer),
                None => Ok(()),
            },
        }
    }

    /// Remembers a signer whose signature was checked, if it is the first one.
    pub(crate) fn remember(&self, signer: SuiAddress) -> Result<(), VerifyError> {
        match self {
            // Two calls may both have been the first so far: the slower one is compared here.
            #[cfg(feature = "std")]
            Self::FirstUse(first) => same_signer(*first.get_or_init(|| signer), signer),
            _ => self.admit(signer),
        }
    }

    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned(_))
    }
}

#[cfg(feature = "std")]
fn same_signer(from: SuiAddress, to: SuiAddress) -> Result<(), VerifyError> {
    if from == to { Ok(()) } else { Err(Reason::SignerChanged { from, to }.into()) }
}
