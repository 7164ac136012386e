//! Whose signatures are accepted.

use crate::{
    claim::Claim,
    error::VerifyError,
    signature::ParsedKey,
    stream::{Mode, StreamVerifier},
    sui_address::SuiAddress,
    trust::Trust,
    verified::Verified,
};
#[cfg(feature = "std")]
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Checks that the exact text of a JSON response is signed, by anyone.
///
/// The same as [`Verifier::any_signer`] and [`Verifier::check`].
///
/// ```
/// let text = concat!(
///     r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[],"usage":null,"#,
///     r#""signature":"AOYvCx4ogKcTFMDNnQCDJwN46YpOZ5eLAoie9N8meA0IUtglp0AuNUEx19CLCR2bH+MsWjNECMuj"#,
///     r#"wNA0rJSH/QWKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXA==","#,
///     r#""response_hash":"WQbZ+pWX19GAQYyo7zP/BuFQo8J1kCx3RC7L26Uw5PI="}"#,
/// );
/// let verified = atoma_verify::verify(text)?;
/// assert_eq!(
///     verified.to_string(),
///     "signed by 0x29dfbf688abce7ab43bb8e70cae158ae961196e721440f515482f8ba1684390f",
/// );
/// # Ok::<(), atoma_verify::VerifyError>(())
/// ```
///
/// # Errors
///
/// See [`Verifier::check`].
pub fn verify(text: impl AsRef<[u8]>) -> Result<Verified, VerifyError> {
    Verifier::any_signer().check(text)
}

/// A policy that says whose signatures count, and checks texts by it.
///
/// Cloning is cheap. Clones of a verifier that trusts on first use share the first signer.
///
/// ```
/// use atoma_verify::{SuiAddress, Verifier};
///
/// let node: SuiAddress =
///     "0x29dfbf688abce7ab43bb8e70cae158ae961196e721440f515482f8ba1684390f".parse()?;
/// let verifier = Verifier::pinned([node])?;
/// assert!(verifier.check(r#"{"id":"x"}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Verifier {
    trust: Trust,
    mode: Mode,
}

impl Verifier {
    /// Returns a verifier that accepts these signers only: addresses, public keys, or references to them.
    ///
    /// # Errors
    ///
    /// [`NoSigner`] for an empty list, which would accept nothing.
    pub fn pinned<S: Into<SuiAddress>>(
        signers: impl IntoIterator<Item = S>,
    ) -> Result<Self, NoSigner> {
        let signers: Vec<SuiAddress> = signers.into_iter().map(Into::into).collect();
        if signers.is_empty() {
            return Err(NoSigner);
        }
        Ok(Self::new(Trust::Pinned(signers.into())))
    }

    /// Returns a verifier that accepts any signer. A pass proves that somebody signed the text, which
    /// finds damage on the way, but not an attacker, who can sign with another key.
    #[must_use]
    pub fn any_signer() -> Self {
        Self::new(Trust::Any)
    }

    /// Returns a verifier that accepts any signer at first, and from then on that signer only.
    ///
    /// The first signer is the one of the first text that passes, on this verifier or on a clone of it.
    /// Make one verifier per conversation. To trust the same signer again later, save
    /// [`first_signer`](Self::first_signer) and [pin](Self::pinned) it.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn trust_on_first_use() -> Self {
        Self::new(Trust::FirstUse(Arc::default()))
    }

    /// Sets which signatures of a stream are checked, and when. Default: [`Mode::EveryChunk`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Checks the exact text of a JSON response.
    ///
    /// # Errors
    ///
    /// If the text is malformed or not signed, its hash or its signature is wrong, or its signer is not
    /// accepted; see [`VerifyErrorKind`](crate::VerifyErrorKind).
    pub fn check(&self, text: impl AsRef<[u8]>) -> Result<Verified, VerifyError> {
        self.check_claim(&Claim::of_text(text.as_ref())?)
    }

    /// Checks the plaintext of a confidential response, with the two members that came next to its
    /// ciphertext. The plaintext is hashed as it is: nothing is cut out.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub fn check_plaintext(
        &self,
        plaintext: impl AsRef<[u8]>,
        signature: &str,
        response_hash: &str,
    ) -> Result<Verified, VerifyError> {
        self.check_claim(&Claim::of_plaintext(plaintext.as_ref(), signature, response_hash)?)
    }

    /// Returns a verifier for the chunks of one stream, which accepts one signer from the first chunk to
    /// the last.
    #[must_use]
    pub fn stream(&self) -> StreamVerifier {
        StreamVerifier::new(self.trust.clone(), self.mode)
    }

    /// Returns whether this verifier was made with a list of signers.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.trust.is_pinned()
    }

    /// Returns the signer that was trusted on first use, once there is one.
    #[must_use]
    pub fn first_signer(&self) -> Option<SuiAddress> {
        match &self.trust {
            #[cfg(feature = "std")]
            Trust::FirstUse(first) => first.get().copied(),
            _ => None,
        }
    }

    fn new(trust: Trust) -> Self {
        Self { trust, mode: Mode::EveryChunk }
    }

    fn check_claim(&self, claim: &Claim) -> Result<Verified, VerifyError> {
        let key = &claim.signature.key;
        let signer = SuiAddress::from(key);
        self.trust.admit(signer)?;
        ParsedKey::parse(key)?.check(&claim.hash, &claim.signature.bytes)?;
        self.trust.remember(signer)?;
        Ok(Verified::new(claim, signer, self.trust.is_pinned()))
    }
}

/// The error for a verifier that was to be pinned to nobody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSigner;

impl fmt::Display for NoSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no signer to pin: the list is empty")
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for NoSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("NoSigner").finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for NoSigner {}
