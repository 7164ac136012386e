//! Standard base64, padded, canonical: exactly one text is accepted for any bytes.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The reason why a text is not the base64 of this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not base64, not padded, or bits set after the last byte.
    Base64,
    /// It has this many bytes instead.
    Size(usize),
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    STANDARD.decode(text).map_err(|_| Fault::Base64)
}

pub(crate) fn decode_fixed<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    // At most 32 bytes are asked for; the decoder wants room for whole groups of three.
    let mut buffer = [0; 48];
    if text.len() == N.div_ceil(3) * 4 {
        if let Ok(size) = STANDARD.decode_slice(text, &mut buffer) {
            return buffer[..size].try_into().map_err(|_| Fault::Size(size));
        }
    }
    decode(text).and_then(|bytes| Err(Fault::Size(bytes.len())))
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn encode_onto(text: &mut String, bytes: &[u8]) {
    STANDARD.encode_string(bytes, text);
}
