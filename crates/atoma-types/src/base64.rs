//! Base64 of RFC 4648: embeddings and images are sent in it.
//!
//! An embedding of 1536 numbers is 8 KB of text, and one response may have thousands of them: floats are decoded in groups, without a
//! buffer between the text and the numbers.
//!
//! ```text
//! 16 characters ─► 12 bytes ─► 3 floats
//! ```
//!
//! The groups of four characters are decoded by a table of 256 entries, in which one value marks everything that is not base64.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// No character of the alphabet.
const NONE: u8 = 0xff;

/// The value of each byte. Both alphabets are read: `+` and `/`, or `-` and `_`.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

/// Encodes bytes in the standard alphabet, with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        // Four characters of six bits each; those beyond the group are padding.
        for place in 0..4 {
            let value = bits >> (18 - 6 * place) & 63;
            let is_padding = place > group.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[value as usize]) });
        }
    }
    text
}

/// Decodes text in either alphabet, with or without padding; line ends in it are skipped. `None` if it is not base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii().trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut groups = text.chunks_exact(4);
    for group in &mut groups {
        let values = [group[0], group[1], group[2], group[3]].map(|byte| VALUES[byte as usize]);
        // Rare: text in lines. It is decoded again from the beginning, without them.
        if values.contains(&NONE) {
            return decode_lines(text);
        }
        let bits = values.iter().fold(0, |bits, &value| bits << 6 | u32::from(value));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    let rest = groups.remainder();
    let mut bits = 0;
    for &byte in rest {
        let value = VALUES[byte as usize];
        if value == NONE {
            return decode_lines(text);
        }
        bits = bits << 6 | u32::from(value);
    }
    match rest.len() {
        0 => {}
        2 => bytes.push((bits >> 4) as u8),
        3 => bytes.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        // One character alone has six bits, which are not a byte.
        _ => return None,
    }
    Some(bytes)
}

/// Decodes the little-endian bytes of 32-bit floats straight into them: four characters in sixteen give three floats.
pub(crate) fn decode_floats(text: &str) -> Option<Vec<f32>> {
    let mut floats = Vec::with_capacity(text.len() / 16 * 3 + 3);
    let (mut rest, float) =
        (text.trim_ascii(), |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    while let Some((group, later)) = rest.split_at_checked(16) {
        let Some(bytes) = twelve_bytes(group.as_bytes()) else { break };
        floats.extend(bytes.chunks_exact(4).map(float));
        rest = later;
    }
    // The end with its padding, or text with line ends.
    let bytes = decode(rest).filter(|bytes| bytes.len() % 4 == 0)?;
    floats.extend(bytes.chunks_exact(4).map(float));
    Some(floats)
}

/// Decodes sixteen characters of the alphabet.
#[inline]
fn twelve_bytes(group: &[u8]) -> Option<[u8; 12]> {
    let mut bytes = [0; 12];
    for (four, three) in group.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
        let values = [four[0], four[1], four[2], four[3]].map(|byte| VALUES[byte as usize]);
        if values.contains(&NONE) {
            return None;
        }
        let bits = values.iter().fold(0, |bits, &value| bits << 6 | u32::from(value));
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

/// Decodes text that has something else in it: line ends, if anything.
#[cold]
fn decode_lines(text: &[u8]) -> Option<Vec<u8>> {
    let joined: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // Nothing was removed, so it would fail again.
    if joined.len() == text.len() {
        return None;
    }
    decode(std::str::from_utf8(&joined).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648.
    const VECTORS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    #[test]
    fn the_vectors_of_the_standard_hold() {
        for (plain, encoded) in VECTORS {
            assert_eq!(encode(plain.as_bytes()), encoded);
            assert_eq!(decode(encoded).unwrap(), plain.as_bytes());
            assert_eq!(decode(encoded.trim_end_matches('=')).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn both_alphabets_and_line_ends_are_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(&bytes);
        assert_eq!(decode(&text).unwrap(), bytes);
        assert_eq!(decode(&text.replace('+', "-").replace('/', "_")).unwrap(), bytes);
        for line in 1..9 {
            let lines: Vec<_> = text.as_bytes().chunks(line).map(String::from_utf8_lossy).collect();
            assert_eq!(decode(&lines.join("\r\n")).unwrap(), bytes, "{line}");
        }
    }

    #[test]
    fn floats_are_those_of_the_bytes() {
        for count in 0..40_u8 {
            let floats: Vec<f32> =
                (0..count).map(|number| f32::from(number).sqrt() - 3.0).collect();
            let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
            let text = encode(&bytes);
            let lines = text.as_bytes().chunks(7).map(String::from_utf8_lossy);
            let lines = lines.collect::<Vec<_>>().join("\r\n");
            for text in [&text, text.trim_end_matches('='), &lines] {
                assert_eq!(decode_floats(text).as_deref(), Some(&floats[..]), "{text}");
            }
        }
        for text in
            ["A", "AAAA", "AAAAAAAAAAAAAAAAAAA!", "zczMPQAAgL4AAEBAzczM", "äöüäöüäöüäöüäöüäöü"]
        {
            assert_eq!(decode_floats(text), None, "{text}");
        }
    }

    #[test]
    fn sixteen_characters_are_decoded_as_one_group() {
        let bytes: [u8; 12] = *b"twelve bytes";
        assert_eq!(twelve_bytes(encode(&bytes).as_bytes()), Some(bytes));
        assert_eq!(twelve_bytes(b"AAAAAAAAAAAAAAA="), None);
    }

    #[test]
    fn other_text_is_not_base64() {
        for text in ["A", "AAAAA", "AA!A", "Zm9v=Zm9v", "äöü", "[0.1]"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
