//! A signer's address.

use crate::{hash::blake2b256, parse_error::ParseSignerError, public_key::PublicKey};
use core::{fmt, str::FromStr};

/// A signer's Sui address: BLAKE2b-256 of the scheme's flag and the public key.
///
/// Written as `0x` and 64 hexadecimal digits.
///
/// ```
/// use atoma_verify::SuiAddress;
///
/// let text = "0x29dfbf688abce7ab43bb8e70cae158ae961196e721440f515482f8ba1684390f";
/// let address: SuiAddress = text.parse()?;
/// assert_eq!(address.to_string(), text);
/// # Ok::<(), atoma_verify::ParseSignerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiAddress([u8; 32]);

impl SuiAddress {
    /// Returns the address with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the address's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<PublicKey> for SuiAddress {
    fn from(key: PublicKey) -> Self {
        Self::from(&key)
    }
}

impl From<&PublicKey> for SuiAddress {
    fn from(key: &PublicKey) -> Self {
        Self(blake2b256([&[key.scheme().flag()][..], key.as_bytes()]))
    }
}

impl From<&Self> for SuiAddress {
    fn from(address: &Self) -> Self {
        *address
    }
}

impl FromStr for SuiAddress {
    type Err = ParseSignerError;

    /// Reads `0x` and exactly 64 hexadecimal digits in either case. Short forms are errors.
    fn from_str(text: &str) -> Result<Self, ParseSignerError> {
        let digits = text.strip_prefix("0x").ok_or(ParseSignerError("address without 0x"))?;
        if digits.len() != 64 {
            return Err(ParseSignerError("address without 64 hexadecimal digits"));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let digit = |letter: u8| char::from(letter).to_digit(16);
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(ParseSignerError("address with a letter that is not hexadecimal"));
            };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for SuiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SuiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
