use core::fmt;

/// The error for text or bytes that are not a signer's address or public key.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseSignerError(pub(crate) &'static str);

impl fmt::Display for ParseSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid signer: {}", self.0)
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for ParseSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_tuple("ParseSignerError").field(&self.0).finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for ParseSignerError {}
