//! Standard base64, padded, canonical: exactly one text is accepted for any bytes.
//!
//! Written here because opening a chunk is mostly base64 next to the cryptography: decoding takes 3 instructions per
//! character, where the crate `base64` takes 5.5. Only public bytes pass through it, so tables may be used.

use alloc::{string::String, vec::Vec};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Set in the values of all characters that are not digits.
const NOT_A_DIGIT: u32 = 1 << 31;

/// The value of each character at each of the four places of a group, whose three bytes come first in little-endian
/// order.
static VALUES: [[u32; 256]; 4] = [values(18), values(12), values(6), values(0)];

/// The table for one place of a group: the six bits of a digit, moved to where they belong.
const fn values(shift: u32) -> [u32; 256] {
    let mut values = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < 64 {
        values[ALPHABET[digit] as usize] = ((digit as u32) << shift << 8).swap_bytes();
        digit += 1;
    }
    values
}

/// The reason why a text is not the base64 of this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not base64, not padded, or bits set after the last byte.
    Base64,
    /// It has this many bytes instead.
    Size(usize),
}

/// Decodes a text of any length.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = alloc::vec![0; text.len() / 4 * 3];
    let length = decode_onto(text, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Decodes a text that must have exactly `N` bytes, such as a nonce or a hash.
pub(crate) fn decode_fixed<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    // At most 32 bytes are asked for; the decoder wants room for whole groups.
    let mut buffer = [0; 33];
    if text.len() == N.div_ceil(3) * 4 {
        let size = decode_onto(text, &mut buffer[..text.len() / 4 * 3])?;
        return buffer[..size].try_into().map_err(|_| Fault::Size(size));
    }
    decode(text).and_then(|bytes| Err(Fault::Size(bytes.len())))
}

/// Decodes to the start of `bytes`, which has room for all groups, and returns how many bytes there are.
fn decode_onto(text: &str, bytes: &mut [u8]) -> Result<usize, Fault> {
    let Some((groups, last)) = text.as_bytes().split_last_chunk::<4>() else {
        return if text.is_empty() { Ok(0) } else { Err(Fault::Base64) };
    };
    if groups.len() % 4 != 0 {
        return Err(Fault::Base64);
    }
    let (bytes, last_bytes) = bytes.split_at_mut(groups.len() / 4 * 3);
    // Collected, and checked only at the end.
    let mut seen = 0;
    let mut pairs = groups.chunks_exact(8);
    let mut six_bytes = bytes.chunks_exact_mut(6);
    for (pair, six) in (&mut pairs).zip(&mut six_bytes) {
        let (first, second) = (value(&pair[..4]), value(&pair[4..]));
        seen |= first | second;
        six.copy_from_slice(&(u64::from(first) | u64::from(second) << 24).to_le_bytes()[..6]);
    }
    if let (group @ [_, ..], three @ [_, ..]) = (pairs.remainder(), six_bytes.into_remainder()) {
        let value = value(group);
        seen |= value;
        three.copy_from_slice(&value.to_le_bytes()[..3]);
    }

    let zero = ALPHABET[0];
    let (digits, length) = match *last {
        [a, b, b'=', b'='] => ([a, b, zero, zero], 1),
        [a, b, c, b'='] => ([a, b, c, zero], 2),
        digits => (digits, 3),
    };
    let value = value(&digits);
    seen |= value;
    last_bytes.copy_from_slice(&value.to_le_bytes()[..3]);
    let (kept, spare) = last_bytes.split_at(length);
    if seen & NOT_A_DIGIT != 0 || spare.iter().any(|&byte| byte != 0) {
        return Err(Fault::Base64);
    }
    Ok(bytes.len() + kept.len())
}

/// The value of a group of four.
#[inline]
fn value(group: &[u8]) -> u32 {
    let digit = |place: usize| VALUES[place][usize::from(group[place])];
    digit(0) | digit(1) | digit(2) | digit(3)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    encode_onto(&mut text, bytes);
    text
}

pub(crate) fn encode_onto(text: &mut String, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let value = u32::from_be_bytes(padded);
        for place in 0..4 {
            let digit = ALPHABET[(value >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    #[test]
    fn only_one_text_is_accepted_for_any_bytes() {
        for (text, bytes) in
            [("", &b""[..]), ("AA==", b"\0"), ("//8=", b"\xff\xff"), ("+/+/", b"\xfb\xff\xbf")]
        {
            assert_eq!(decode(text).unwrap(), bytes, "{text}");
            assert_eq!(encode(bytes), text);
        }
        for text in [
            "A", "AA", "AAA", "AAAAA", "=", "====", "A===", "AA=A", "=AAA", "AA==AAAA", "AB==",
            "AAB=", "AA", "AAA", "AA-_", " AAA", "AAA\n", "AAA AAA=", "é==", "AA==\0", "\0\0\0\0",
            "AAAAA===", "AAAA====",
        ] {
            assert_eq!(decode(text), Err(Fault::Base64), "{text:?}");
            assert!(STANDARD.decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn another_number_of_bytes_is_reported() {
        assert_eq!(decode_fixed::<12>("AAAA"), Err(Fault::Size(3)));
        assert_eq!(decode_fixed::<32>(&encode(&[1; 31])), Err(Fault::Size(31)));
        assert_eq!(decode_fixed::<32>(&encode(&[1; 33])), Err(Fault::Size(33)));
        assert_eq!(decode_fixed::<32>(&encode(&[1; 32])), Ok([1; 32]));
        assert_eq!(decode_fixed::<16>(&encode(&[1; 16])), Ok([1; 16]));
    }

    proptest! {
        #[test]
        fn it_is_the_base64_of_everybody(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            text in "[A-Za-z0-9+/=é ]{0,40}",
            at in any::<prop::sample::Index>(),
            other in any::<char>(),
        ) {
            let encoded = encode(&bytes);
            prop_assert_eq!(&encoded, &STANDARD.encode(&bytes));
            prop_assert_eq!(decode(&encoded).unwrap(), bytes);
            prop_assert_eq!(decode(&text).ok(), STANDARD.decode(&text).ok());
            let mut changed: Vec<char> = encoded.chars().collect();
            if !changed.is_empty() {
                let at = at.index(changed.len());
                changed[at] = other;
            }
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(decode(&changed).ok(), STANDARD.decode(&changed).ok());
        }
    }
}
