use core::fmt;

/// The error for text or bytes that are not a signer's address or public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseSignerError(pub(crate) &'static str);

impl fmt::Display for ParseSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid signer: {}", self.0)
    }
}

impl core::error::Error for ParseSignerError {}
