//! The chunks of one stream.

use crate::{
    claim::Claim,
    error::{Reason, VerifyError},
    public_key::PublicKey,
    signature::ParsedKey,
    sui_address::SuiAddress,
    trust::Trust,
    verified::Verified,
};
use alloc::vec::Vec;

/// Which signatures of a stream are checked, and when. The hash of a chunk is always compared before
/// the chunk is passed on, and its signature must always name the stream's one signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Each chunk's signature, before the chunk is passed on: 55 µs per chunk with Ed25519. Default.
    #[default]
    EveryChunk,
    /// The signatures of the first chunk, of every `every`-th one after it, and of the last.
    ///
    /// Leaves open: an attacker can forge the chunks in between, since their signatures are not checked.
    /// Damage is found.
    UncheckedBetween {
        /// The distance between two checked chunks. 0 and 1 check every chunk.
        every: u32,
    },
    /// All signatures, but only in [`StreamVerifier::finish`].
    ///
    /// Leaves open: a forged chunk is found only after the program has seen all of them, and not at all
    /// if the stream is dropped earlier. Keeps about 100 bytes per chunk.
    UncheckedUntilEnd,
}

/// Checks the chunks of one stream, in order. Made by [`Verifier::stream`](crate::Verifier::stream).
///
/// One signer signs the whole stream: a chunk by another is an error, even if that signer is pinned too.
/// After an error, every further call returns that error.
///
/// Each chunk is signed alone, so dropped and reordered chunks cannot be detected. Repeated ones are
/// [counted](Self::repeats).
///
/// ```
/// use atoma_verify::Verifier;
///
/// # fn run(chunks: &[&str]) -> Result<(), atoma_verify::VerifyError> {
/// let mut verifier = Verifier::any_signer().stream();
/// for chunk in chunks {
///     verifier.check(chunk)?;
///     // Use the chunk.
/// }
/// println!("{} chunks {}", verifier.chunks(), verifier.finish()?);
/// # Ok(())
/// # }
/// # assert!(run(&[]).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct StreamVerifier {
    trust: Trust,
    mode: Mode,
    signer: Option<StreamSigner>,
    last: Option<Claim>,
    /// Claims whose signatures are checked at the end: in sampled streams the last one at most.
    unchecked: Vec<Claim>,
    chunks: u64,
    repeats: u64,
    failed: Option<VerifyError>,
}

/// The signer of the first chunk.
#[derive(Debug, Clone)]
struct StreamSigner {
    key: PublicKey,
    parsed: ParsedKey,
    address: SuiAddress,
}

impl StreamVerifier {
    pub(crate) fn new(trust: Trust, mode: Mode) -> Self {
        Self {
            trust,
            mode,
            signer: None,
            last: None,
            unchecked: Vec::new(),
            chunks: 0,
            repeats: 0,
            failed: None,
        }
    }

    /// Checks the exact text of the next chunk.
    ///
    /// # Errors
    ///
    /// As for [`Verifier::check`](crate::Verifier::check);
    /// [`SignerChanged`](crate::VerifyErrorKind::SignerChanged) if another signer signed the chunks before.
    pub fn check(&mut self, text: impl AsRef<[u8]>) -> Result<Checked, VerifyError> {
        self.check_claim(Claim::of_text(text.as_ref()))
    }

    /// Checks the plaintext of the next chunk of a confidential stream, with the two members that came
    /// next to its ciphertext.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub fn check_plaintext(
        &mut self,
        plaintext: impl AsRef<[u8]>,
        signature: &str,
        response_hash: &str,
    ) -> Result<Checked, VerifyError> {
        self.check_claim(Claim::of_plaintext(plaintext.as_ref(), signature, response_hash))
    }

    /// Ends the stream: checks the signatures that [`Mode`] left for the end, and returns the result for
    /// the last chunk.
    ///
    /// # Errors
    ///
    /// The first error of the stream; [`MissingSignature`](crate::VerifyErrorKind::MissingSignature) if it
    /// had no chunks.
    pub fn finish(&mut self) -> Result<Verified, VerifyError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let (Some(signer), Some(last)) = (&self.signer, &self.last) else {
            return Err(Reason::Missing("chunk").into());
        };
        let unchecked = core::mem::take(&mut self.unchecked);
        let verified = unchecked
            .iter()
            .try_for_each(|claim| signer.check(claim))
            .and_then(|()| self.trust.remember(signer.address))
            .map(|()| Verified::new(last, signer.address, self.trust.is_pinned()));
        self.failed = verified.as_ref().err().cloned();
        verified
    }

    /// Returns how many chunks have passed.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Returns how many chunks had the same text and signature as the chunk directly before them.
    ///
    /// A repeat alone is not an error: two equal tokens in a row give identical chunks.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Returns the stream's signer, once a chunk has passed.
    #[must_use]
    pub fn signer(&self) -> Option<SuiAddress> {
        self.signer.as_ref().filter(|_| self.chunks > 0).map(|signer| signer.address)
    }

    pub(crate) fn check_claim(
        &mut self,
        claim: Result<Claim, VerifyError>,
    ) -> Result<Checked, VerifyError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let checked = claim.and_then(|claim| self.accept(claim));
        self.failed = checked.as_ref().err().cloned();
        checked
    }

    fn accept(&mut self, claim: Claim) -> Result<Checked, VerifyError> {
        let key = &claim.signature.key;
        let signer = match &mut self.signer {
            Some(signer) if signer.key == *key => &*signer,
            Some(signer) => {
                return Err(Reason::SignerChanged { from: signer.address, to: key.into() }.into());
            }
            none => {
                let address = SuiAddress::from(key);
                self.trust.admit(address)?;
                &*none.insert(StreamSigner { key: *key, parsed: ParsedKey::parse(key)?, address })
            }
        };
        let check_now = match self.mode {
            Mode::EveryChunk => true,
            Mode::UncheckedBetween { every } => self.chunks % u64::from(every.max(1)) == 0,
            Mode::UncheckedUntilEnd => false,
        };
        if !matches!(self.mode, Mode::UncheckedUntilEnd) {
            // An unchecked chunk that is not the last one any more.
            self.unchecked.clear();
        }
        let mut verified = None;
        if check_now {
            signer.check(&claim)?;
            self.trust.remember(signer.address)?;
            verified = Some(Verified::new(&claim, signer.address, self.trust.is_pinned()));
        } else {
            self.unchecked.push(claim);
        }
        let repeat = self.last == Some(claim);
        self.repeats += u64::from(repeat);
        self.chunks += 1;
        self.last = Some(claim);
        Ok(Checked { hash: claim.hash, verified, repeat })
    }
}

impl StreamSigner {
    fn check(&self, claim: &Claim) -> Result<(), VerifyError> {
        self.parsed.check(&claim.hash, &claim.signature.bytes)
    }
}

/// The result for one chunk that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    hash: [u8; 32],
    verified: Option<Verified>,
    repeat: bool,
}

impl Checked {
    /// Returns the result of the signature check, or `None` if [`Mode`] skipped or postponed it: only the
    /// hash was compared.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// Returns the BLAKE2b-256 hash of the chunk's signed text.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns whether this chunk has the same text and signature as the one directly before it.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.repeat
    }
}
