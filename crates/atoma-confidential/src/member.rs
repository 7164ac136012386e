//! Members that hold base64, as both envelopes and responses do.

use crate::{encoding, json};
use alloc::{borrow::Cow, vec::Vec};

/// A member that must not appear twice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Member<'a> {
    /// The JSON text of the value that came last.
    value: Option<&'a str>,
    /// Whether there was more than one.
    is_duplicate: bool,
}

/// The reason why a member cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Absent or `null`.
    Missing,
    /// Present twice, so it is ambiguous.
    Duplicate,
    /// Of another JSON type, or not canonical base64.
    Malformed,
    /// Of another number of bytes.
    Size,
}

impl<'a> Member<'a> {
    /// Stores a value, and notes whether there was one before.
    pub(crate) fn put(&mut self, value: &'a str) {
        self.is_duplicate |= self.value.is_some();
        self.value = Some(value);
    }

    /// The text of the value, unless absent or `null`.
    pub(crate) fn value(self) -> Result<Option<&'a str>, Fault> {
        if self.is_duplicate {
            return Err(Fault::Duplicate);
        }
        Ok(self.value.filter(|&value| value != "null"))
    }

    /// The text of the value, which must be there.
    pub(crate) fn required(self) -> Result<&'a str, Fault> {
        self.value()?.ok_or(Fault::Missing)
    }

    /// The value as a string, decoded.
    pub(crate) fn string(self) -> Result<Cow<'a, str>, Fault> {
        json::string(self.required()?).ok_or(Fault::Malformed)
    }

    /// The bytes of base64 of any length.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, Fault> {
        self.base64(encoding::decode)
    }

    /// The bytes of base64 of a fixed length.
    pub(crate) fn fixed<const N: usize>(self) -> Result<[u8; N], Fault> {
        self.base64(encoding::decode_fixed)
    }

    /// Decodes the string as it is first, because base64 needs no escapes and hardly any server writes `\/`.
    fn base64<T>(self, decode: impl Fn(&str) -> Result<T, encoding::Fault>) -> Result<T, Fault> {
        let value = self.required()?;
        let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let decoded = match decode(text.ok_or(Fault::Malformed)?) {
            Err(_) => decode(&self.string()?),
            decoded => decoded,
        };
        decoded.map_err(|fault| match fault {
            encoding::Fault::Base64 => Fault::Malformed,
            encoding::Fault::Size(_) => Fault::Size,
        })
    }
}
