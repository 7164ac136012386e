//! The grammar of one line.

use memchr::memchr2;

/// Returns the index of the first line end, a CR or a LF.
///
/// ```text
///   ├──── 16 ────┼──── 16 ────┼ … `near` ┼──── memchr2, vectorized ─────────────────────►
///     two words    two words
/// ```
///
/// The first `near` bytes, a multiple of 16, are searched here in words of eight bytes, so that a
/// short line costs no call. The call of the vectorized search pays off from about sixty bytes on.
#[inline(always)]
pub(crate) fn find_end(bytes: &[u8], near: usize) -> Option<usize> {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        let searched = bytes.len() - rest.len();
        if searched == near {
            return memchr2(b'\n', b'\r', rest).map(|index| searched + index);
        }
        if let Some(index) = find_end_in_block(block) {
            return Some(searched + index);
        }
        rest = after;
    }
    match bytes.last_chunk::<16>() {
        // Overlaps the bytes that have been searched already, instead of a loop over the last few.
        Some(block) => find_end_in_block(block).map(|index| bytes.len() - block.len() + index),
        None => find_end_in_few(bytes),
    }
}

#[inline(always)]
fn find_end_in_few(bytes: &[u8]) -> Option<usize> {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else {
        return bytes.iter().position(is_end);
    };
    find_end_in_word(*first).or_else(|| rest.iter().position(is_end).map(|index| index + 8))
}

#[inline(always)]
pub(crate) fn is_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[inline(always)]
fn find_end_in_block(block: &[u8; 16]) -> Option<usize> {
    let (first, second) = block.split_at(8);
    let (first, second) = (*first.first_chunk()?, *second.first_chunk()?);
    if below_sixteen(first) | below_sixteen(second) == 0 {
        return None;
    }
    find_end_in_word(first).or_else(|| find_end_in_word(second).map(|index| index + 8))
}

/// Returns non-zero if a byte is a control character below 16, as CR and LF are: the subtraction
/// borrows into the top bit of a smaller byte. JSON has none, so one test passes 16 bytes.
#[inline(always)]
fn below_sixteen(bytes: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    word.wrapping_sub(ONES * 16) & !word & TOP_BITS
}

/// Returns the index of the first line end. The borrow of a subtraction can mark a byte wrongly, but
/// only one after a line end, and the lowest mark is used.
#[inline(always)]
fn find_end_in_word(bytes: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(bytes);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOP_BITS;
    let ends = zeros(word ^ (ONES * b'\n' as u64)) | zeros(word ^ (ONES * b'\r' as u64));
    (ends != 0).then(|| ends.trailing_zeros() as usize / 8)
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const TOP_BITS: u64 = ONES << 7;

/// The fields of the standard, and `error`, which some servers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldName {
    Data,
    Event,
    Id,
    Retry,
    Error,
}

/// The length of the longest field name.
pub(crate) const LONGEST_NAME: usize = 5;

impl FieldName {
    /// Returns the field of that name, compared byte by byte: case and spaces matter.
    #[inline]
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"data" => Some(Self::Data),
            b"event" => Some(Self::Event),
            b"id" => Some(Self::Id),
            b"retry" => Some(Self::Retry),
            b"error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// Splits a line into field name and value at the first colon, and drops one space after it. A
/// comment has an empty name. A line without a colon is a name without a value.
pub(crate) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    // A colon further on ends an unknown name, which is ignored like a line without a colon.
    match line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':') {
        Some(colon) => (&line[..colon], without_space(&line[colon + 1..])),
        None => (line, &[]),
    }
}

/// Returns whether a byte may be in front of a flawed name: white space, NUL, or part of a byte order
/// mark.
pub(crate) fn is_junk(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0 | 0xEF | 0xBB | 0xBF)
}

/// Returns the value without its leading space, if it has one.
#[inline(always)]
pub(crate) fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// Returns the value of a `retry` field in milliseconds: `None` unless it is one or more ASCII digits.
/// A number that does not fit is `u64::MAX`.
pub(crate) fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = value.iter().map(|digit| u64::from(digit - b'0'));
    Some(digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_end_is_found_at_any_index() {
        for filler in [b'x', b'\t', 0, 0x0B, 0x0E, 0x8A, 0x8D, 0xFF] {
            for length in 0..100 {
                let bytes = [filler; 100];
                assert_eq!(find_end(&bytes[..length], 16), None, "{filler} {length}");
                assert_eq!(find_end(&bytes[..length], 64), None, "{filler} {length}");
                for end in [b'\n', b'\r'] {
                    let mut bytes = bytes;
                    bytes[length] = end;
                    for behind in (length + 1..=100).step_by(7) {
                        assert_eq!(find_end(&bytes[..behind], 16), Some(length));
                        assert_eq!(find_end(&bytes[..behind], 64), Some(length));
                    }
                    bytes[99] = b'\n';
                    assert_eq!(find_end(&bytes, 16), Some(length));
                    assert_eq!(find_end(&bytes, 64), Some(length));
                }
            }
        }
    }
}
