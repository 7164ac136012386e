//! The grammar of one line.

use memchr::memchr2;

/// The index of the first line end: a CR or a LF.
#[inline(always)]
pub(crate) fn find_end(bytes: &[u8]) -> Option<usize> {
    memchr2(b'\n', b'\r', bytes)
}

/// A field the standard gives a meaning to, and the one that some servers invent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Data,
    Event,
    Id,
    Retry,
    Error,
}

/// The length of the longest field name.
pub(crate) const LONGEST_NAME: usize = 5;

impl Field {
    /// Names are compared byte for byte: case and spaces matter.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether a line cut inside its name could have become one of the fields.
    pub(crate) fn could_begin(start: &[u8]) -> bool {
        NAMES.iter().any(|(known, _)| known.starts_with(start))
    }
}

const NAMES: [(&[u8], Field); 5] = [
    (b"data", Field::Data),
    (b"event", Field::Event),
    (b"id", Field::Id),
    (b"retry", Field::Retry),
    (b"error", Field::Error),
];

/// A line's field name and value: parted at the first colon, one space after it dropped. A comment
/// has an empty name; a line without a colon is a name alone.
pub(crate) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':') {
        Some(colon) => (&line[..colon], without_space(&line[colon + 1..])),
        None => (line, &[]),
    }
}

/// The value without the one space that may stand before it.
#[inline(always)]
pub(crate) fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// The value of a `retry` field: ASCII digits and nothing else, in milliseconds.
pub(crate) fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = value.iter().map(|digit| u64::from(digit - b'0'));
    Some(digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit)))
}
