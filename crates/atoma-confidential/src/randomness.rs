use core::{error::Error, fmt};

/// A source of cryptographically secure random bytes.
///
/// Closures of the form `FnMut(&mut [u8])` implement it. A source that repeats itself gives two requests
/// the same key and nonce, which reveals both: use fixed bytes in tests only.
///
/// ```
/// use atoma_confidential::Randomness;
///
/// let mut counter = 0;
/// let mut fixed = |bytes: &mut [u8]| bytes.fill_with(|| { counter += 1; counter });
/// let mut bytes = [0; 3];
/// Randomness::fill(&mut fixed, &mut bytes)?;
/// assert_eq!(bytes, [1, 2, 3]);
/// # Ok::<(), atoma_confidential::RandomnessError>(())
/// ```
pub trait Randomness {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// If the source has failed; nothing is sealed then.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError>;
}

impl<F: FnMut(&mut [u8])> Randomness for F {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        self(bytes);
        Ok(())
    }
}

/// The random bytes of the operating system.
#[cfg(feature = "getrandom")]
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a value without settings")]
pub struct SystemRandomness;

#[cfg(feature = "getrandom")]
impl Randomness for SystemRandomness {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        getrandom::getrandom(bytes).map_err(|_| RandomnessError)
    }
}

/// A source of random bytes has failed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "sources of randomness outside of this crate return it"
)]
pub struct RandomnessError;

impl fmt::Display for RandomnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes available")
    }
}

crate::error::debug_as_line!(RandomnessError {});

impl Error for RandomnessError {}
