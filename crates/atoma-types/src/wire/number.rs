//! Reading numbers from JSON text, as serde_json reads them.
//!
//! The result is bit for bit that of serde_json, at less cost: the digits of nearly every number fit into a `u64`, and its power of
//! ten is exact as a float.
//!
//! ```text
//! -0.00056 e+3
//! │└──┬──┘ └┬┘
//! │   │     └── exponent: left to the standard library
//! │   └── significand 56 · 5 significant digits, 5 of them behind the point
//! └── sign
//! value = significand / 10^fraction, rounded once
//! ```
//!
//! The division rounds correctly if both numbers are exact: the significand up to 2^53, the power up to 10^22. Everything else is
//! parsed by the standard library.

use super::value::Wide;
use serde_json::Number;

/// Reads the number at a position, and returns its end. `None` if there is none, or one that
/// [`read_unusual`] reads.
pub(super) fn read(json: &str, start: usize) -> Option<(Number, usize)> {
    let bytes = json.as_bytes();
    // Most numbers of responses are counts and times.
    if let Some((count, end)) = short_count(bytes, start) {
        return Some((count.into(), end));
    }
    let is_negative = bytes.get(start) == Some(&b'-');
    let (digits, fraction) = Digits::of_number(bytes, start)?;
    let has_exponent = matches!(bytes.get(digits.at), Some(b'e' | b'E'));
    let end = if has_exponent { exponent_end(bytes, digits.at)? } else { digits.at };
    if fraction == 0 && !has_exponent {
        return Some((integer(&json[start..end])?, end));
    }
    let number = match digits.as_float(fraction).filter(|_| !has_exponent) {
        Some(number) if is_negative => -number,
        Some(number) => number,
        None => json[start..end].parse().ok()?,
    };
    Some((Number::from_f64(number)?, end))
}

/// Reads a number that [`read`] leaves out: an integer beyond 64 bits, or minus zero. The error says why it has no value; it is
/// `None` if this is not a number of JSON.
#[cold]
pub(super) fn read_unusual(
    json: &str,
    start: usize,
    wide: Wide,
) -> Result<(Number, usize), Option<&'static str>> {
    let bytes = json.as_bytes();
    let (digits, fraction) = Digits::of_number(bytes, start).ok_or(None)?;
    let has_exponent = matches!(bytes.get(digits.at), Some(b'e' | b'E'));
    let end = if has_exponent { exponent_end(bytes, digits.at).ok_or(None)? } else { digits.at };
    let number: f64 = json[start..end].parse().map_err(|_| None)?;
    let is_wide = fraction == 0 && !has_exponent && number != 0.0;
    match Number::from_f64(number) {
        None => Err(Some("number out of range")),
        Some(_) if is_wide && wide == Wide::Refuse => Err(Some("integer beyond 64 bits")),
        Some(number) => Ok((number, end)),
    }
}

/// Reads the number at a position as the nearest 32-bit float, and returns where it ends. One beyond the range is NaN.
pub(super) fn read_f32(json: &str, start: usize) -> Option<(f32, usize)> {
    let bytes = json.as_bytes();
    let (digits, fraction) = Digits::of_number(bytes, start)?;
    let at = digits.at;
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let end = exponent_end(bytes, at)?;
        return Some((long_f32(&json[start..end])?, end));
    }
    // Rounding twice, to 64 and then to 32 bits, is wrong only where the first result is halfway between two `f32`.
    let number = match digits.as_float(fraction).and_then(nearest_f32) {
        Some(number) if bytes[start] == b'-' => -number,
        Some(number) => number,
        None => long_f32(&json[start..at])?,
    };
    Some((number, at))
}

/// The 32-bit float nearest to a number that is not negative, and is rounded to this 64-bit one. `None` if that depends on the
/// number itself: where this one is halfway between two, below the normal range, or beyond it.
#[inline]
fn nearest_f32(number: f64) -> Option<f32> {
    // The bits of an `f64` that an `f32` lacks, and the pattern that is exactly halfway.
    const DROPPED: u64 = (1 << 29) - 1;
    const HALF: u64 = 1 << 28;
    #[allow(clippy::cast_possible_truncation, reason = "it is rounded")]
    let nearest = number as f32;
    let is_normal = number >= f64::from(f32::MIN_POSITIVE) && nearest.is_finite();
    let is_halfway = number.to_bits() & DROPPED == HALF;
    (number == 0.0 || (is_normal && !is_halfway)).then_some(nearest)
}

/// Reads a number through the standard library. One beyond the range is NaN.
#[cold]
fn long_f32(text: &str) -> Option<f32> {
    let number: f32 = text.parse().ok()?;
    Some(if number.is_finite() { number } else { f32::NAN })
}

/// Reads a whole number of up to 18 digits without a sign.
#[inline]
pub(super) fn short_count(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let (mut count, mut at) = (0, start);
    while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
        count = u64::wrapping_mul(count, 10).wrapping_add(u64::from(byte - b'0'));
        at += 1;
    }
    // More than 18 digits may have wrapped around; they are rejected below.
    let is_whole = !matches!(bytes.get(at), Some(b'.' | b'e' | b'E'));
    let is_short = match at - start {
        1 => true,
        2..=18 => bytes[start] != b'0',
        _ => false,
    };
    (is_whole && is_short).then_some((count, at))
}

/// Reads an integer that is not a short count: one with a sign, or of more than 18 digits.
#[cold]
fn integer(text: &str) -> Option<Number> {
    match text.parse::<u64>() {
        Ok(number) => Some(number.into()),
        // Minus zero is a float.
        Err(_) => text.parse::<i64>().ok().filter(|number| *number != 0).map(Number::from),
    }
}

/// Where a number ends whose exponent begins here.
fn exponent_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_signed = matches!(bytes.get(start + 1), Some(b'+' | b'-'));
    let mut digits = Digits { at: start + 1 + usize::from(is_signed), ..Digits::default() };
    digits.pass(bytes)?;
    Some(digits.at)
}

/// The powers of ten that are exact as floats.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The digits of a number, read up to a position.
#[derive(Clone, Copy, Default)]
struct Digits {
    at: usize,
    /// Their value; wrong if there are more than 19 significant ones.
    significand: u64,
    /// Their number, without a zero before the point.
    significant: usize,
}

impl Digits {
    /// Passes the digits of the number at a position, and returns them with how many are behind the point.
    #[inline]
    fn of_number(bytes: &[u8], start: usize) -> Option<(Self, usize)> {
        let first = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut digits = Self { at: first, ..Self::default() };
        let whole = digits.pass(bytes)?;
        let starts_with_zero = bytes[first] == b'0';
        if starts_with_zero && whole > 1 {
            return None;
        }
        let mut fraction = 0;
        if bytes.get(digits.at) == Some(&b'.') {
            digits.at += 1;
            fraction = digits.pass(bytes)?;
        }
        digits.significant = whole + fraction - usize::from(starts_with_zero);
        Some((digits, fraction))
    }

    /// Their value with the point before the last `fraction` digits, unless there are too many.
    ///
    /// Both are exact as floats, so their quotient is rounded once: to the nearest float.
    #[inline]
    fn as_float(&self, fraction: usize) -> Option<f64> {
        let power = POWERS_OF_TEN.get(fraction)?;
        #[allow(clippy::cast_precision_loss, reason = "it has 53 bits")]
        let is_exact = self.significant <= 19 && self.significand <= 1 << 53;
        is_exact.then_some(self.significand as f64 / power)
    }

    /// Passes one or more digits, and returns how many.
    #[inline]
    fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = bytes.get(self.at) {
            let digit = u64::from(byte - b'0');
            self.significand = self.significand.wrapping_mul(10).wrapping_add(digit);
            self.at += 1;
        }
        let count = self.at - start;
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_serde_json_reads_them() {
        for text in [
            "0",
            "-1",
            "1.5",
            "-0.0",
            "0.000562937057111412345",
            "-1.2345678901234567",
            "1e2",
            "1E-2",
            "1.5e+3",
            "9007199254740993.5",
            "123456789012345678",
            "-123456789012345678",
            "-100000000000000000",
            "-999999999999999999",
            "1000000000000000000",
            "-1000000000000000000",
            "-9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "-9223372036854775808",
            "0.1234567890123456789012345678901234567890",
            "5e-324",
            "12345678901234567.25",
        ] {
            let wanted: Number = serde_json::from_str(text).unwrap();
            assert_eq!(read(text, 0), Some((wanted, text.len())), "{text}");
        }
    }

    #[test]
    fn floats_of_32_bits_are_the_nearest() {
        let halfway = 2.0_f64.powi(-126) - 2.0_f64.powi(-150);
        for text in [
            "0",
            "-0.0",
            "0.1",
            "16777217",
            "16777217.0000000001",
            "-16777219",
            "340282346638528859811704183484516925440",
            "1.00000005960464477539",
            &format!("{halfway:.170}"),
            &format!("-{halfway:.170}1"),
            "0.000000000000000000000011754942",
            "1e-45",
            "7.006492321624085e-46",
        ] {
            let wanted: f32 = text.parse().unwrap();
            let (number, end) = read_f32(text, 0).unwrap();
            assert_eq!((number.to_bits(), end), (wanted.to_bits(), text.len()), "{text}");
        }
        assert!(read_f32("1e39", 0).unwrap().0.is_nan());
    }

    #[test]
    fn a_float_of_64_bits_is_rounded_only_where_it_decides() {
        let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        let halfway = 16_777_217.0;
        let next_below = |number: f64| f64::from_bits(number.to_bits() - 1);
        let next_above = |number: f64| f64::from_bits(number.to_bits() + 1);
        for (name, number, wanted) in [
            ("zero", 0.0, Some(0.0)),
            ("one", 1.0, Some(1.0)),
            ("a tenth", 0.1, Some(0.1)),
            ("halfway", halfway, None),
            ("just below halfway", next_below(halfway), Some(16_777_216.0)),
            ("just above halfway", next_above(halfway), Some(16_777_218.0)),
            ("the least normal one", least, Some(f32::MIN_POSITIVE)),
            ("below the normal range", next_below(least), None),
            ("the greatest", most, Some(f32::MAX)),
            ("beyond the range", most * 2.0, None),
        ] {
            assert_eq!(nearest_f32(number), wanted, "{name}");
        }
    }

    #[test]
    fn only_integers_are_too_wide_and_minus_zero_is_none_of_them() {
        let float = |number| Ok(Number::from_f64(number).unwrap());
        let (wide, beyond) = (Some("integer beyond 64 bits"), Some("number out of range"));
        for (text, refused, rounded) in [
            ("-0", float(-0.0), float(-0.0)),
            ("0e5", float(0.0), float(0.0)),
            ("1.5", float(1.5), float(1.5)),
            ("1e20", float(1e20), float(1e20)),
            ("18446744073709551616", Err(wide), float(18446744073709551616.0)),
            ("-9223372036854775809", Err(wide), float(-9223372036854775809.0)),
            ("1e999", Err(beyond), Err(beyond)),
            ("-1.5e999", Err(beyond), Err(beyond)),
            ("1e", Err(None), Err(None)),
            ("x", Err(None), Err(None)),
        ] {
            for (wide, wanted) in [(Wide::Refuse, refused), (Wide::Round, rounded)] {
                let wanted = wanted.map(|number| (number, text.len()));
                assert_eq!(read_unusual(text, 0, wide), wanted, "{text} {wide:?}");
            }
        }
    }

    #[test]
    fn other_text_and_integers_beyond_64_bits_are_left_out() {
        for text in [
            "",
            "-",
            "01",
            "-01",
            "1.",
            ".5",
            "1.e1",
            "1e",
            "1e+",
            "+1",
            "-0",
            "18446744073709551616",
            "-9223372036854775809",
            "1e999",
            "NaN",
        ] {
            assert_eq!(read(text, 0), None, "{text}");
        }
    }
}
