//! The part of a JSON string that is read as it is.
//!
//! `atoma-verify` has the search by words too: the crates share none below them.

/// How many bytes come before the next quote, backslash or control character.
///
/// Eight bytes per step, and [`BLOCK`] once a text is long, as ciphertexts are.
#[inline(always)]
pub(super) fn length_of_plain_text(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(word) = bytes.get(length..).and_then(<[u8]>::first_chunk) {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
        if length == 32 {
            length += length_of_plain_blocks(&bytes[length..]);
        }
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    length + bytes[length..].iter().position(is_special).unwrap_or(bytes.len() - length)
}

const BLOCK: usize = 64;

/// How many bytes there are in the blocks before the first one with a special byte.
#[inline(never)]
pub(super) fn length_of_plain_blocks(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(block) = bytes.get(length..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // Zero for a special byte. Without a branch, so that the compiler uses vector instructions.
        let distance = |byte: u8| (byte ^ b'"').min(byte ^ b'\\').min(byte.saturating_sub(0x1f));
        if block.iter().fold(u8::MAX, |least, &byte| least.min(distance(byte))) == 0 {
            break;
        }
        length += BLOCK;
    }
    length
}

/// Sets the top bit of the first special byte, counted from the low end; bits above it may be wrong.
///
/// A subtraction from each byte borrows into its top bit where the byte is smaller, unless a byte below has borrowed
/// before; `!word` drops the bytes whose top bit was set from the start. One exclusive or with 2 moves the quote to
/// 0x20 and leaves the control characters below it, so that a single subtraction finds both.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOP_BITS: u64 = ONES << 7;
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & TOP_BITS
}
