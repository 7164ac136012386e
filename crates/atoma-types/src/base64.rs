//! Base64 of RFC 4648: embeddings and images are sent in it.
//!
//! An embedding of 1536 numbers is 8 KB of text, and one response may have thousands of them: floats are decoded in groups, without a
//! buffer between the text and the numbers.
//!
//! ```text
//! 16 characters ─► 4 × 3 bytes ─► 3 floats
//!
//! "YWJj"   Y        W        J        c
//!          011000   010110   001001   100011     six bits each
//!          01100001 01100010 01100011            "abc"
//! ```
//!
//! Four tables, one for each place in a group of four characters, have the bits of a character where the three bytes have them:
//! they are joined without shifts, and checked once for all sixteen. By one table of values, checked one by one, a response of 1,000
//! embeddings took 2.1 times as many instructions and 1.6 times as long.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Set in the bits of every byte that is not in the alphabet. It stays set when bits are joined.
const NONE: u32 = 1 << 31;

/// The bits that a character adds to three bytes, the first byte lowest, by its place in a group of four.
static BITS: [[u32; 256]; 4] = {
    let mut bits = [[NONE; 256]; 4];
    let mut value = 0;
    while value < 64 {
        add(&mut bits, ALPHABET[value], value as u32);
        value += 1;
    }
    // Both alphabets are read: `+` and `/`, or `-` and `_`.
    add(&mut bits, b'-', 62);
    add(&mut bits, b'_', 63);
    bits
};

/// Adds a character whose value has the bits `aaaaaa` in the first place, then `bbbbbb`, `cccccc` and `dddddd`:
///
/// ```text
/// third byte  second    first
/// ccdddddd    bbbbcccc  aaaaaabb
/// ```
const fn add(bits: &mut [[u32; 256]; 4], character: u8, value: u32) {
    let at = character as usize;
    bits[0][at] = value << 2;
    bits[1][at] = value >> 4 | (value & 0xF) << 12;
    bits[2][at] = value >> 2 << 8 | (value & 3) << 22;
    bits[3][at] = value << 16;
}

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
    decode_bytes(text.as_bytes())
}

fn decode_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut text = text.trim_ascii();
    while let [unpadded @ .., b'='] = text {
        text = unpadded;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut rest = text;
    while let Some((group, later)) = rest.split_first_chunk() {
        let bits = three_bytes(group);
        // Rare: text in lines. It is decoded again from the beginning, without them.
        if bits & NONE != 0 {
            return decode_lines(text);
        }
        bytes.extend_from_slice(&bits.to_le_bytes()[..3]);
        rest = later;
    }
    let mut group = [ALPHABET[0]; 4];
    group[..rest.len()].copy_from_slice(rest);
    let bits = three_bytes(&group);
    if bits & NONE != 0 {
        return decode_lines(text);
    }
    // One character alone has six bits, which are not a byte.
    let length = [Some(0), None, Some(1), Some(2)][rest.len()]?;
    bytes.extend_from_slice(&bits.to_le_bytes()[..length]);
    Some(bytes)
}

/// Decodes the little-endian bytes of 32-bit floats straight into them: four characters in sixteen give three floats.
pub(crate) fn decode_floats(text: &str) -> Option<Vec<f32>> {
    let mut floats = Vec::with_capacity(text.len() / 16 * 3 + 3);
    let mut rest = text.trim_ascii().as_bytes();
    while let Some((group, later)) = rest.split_first_chunk() {
        let Some(three) = three_floats(group) else { break };
        floats.extend_from_slice(&three);
        rest = later;
    }
    // The end with its padding, or text with line ends.
    let bytes = decode_bytes(rest).filter(|bytes| bytes.len() % 4 == 0)?;
    let float = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    floats.extend(bytes.chunks_exact(4).map(float));
    Some(floats)
}

/// Decodes sixteen characters of the alphabet.
#[inline]
fn three_floats(group: &[u8; 16]) -> Option<[f32; 3]> {
    let four = |at| three_bytes(&[group[at], group[at + 1], group[at + 2], group[at + 3]]);
    let [a, b, c, d] = [four(0), four(4), four(8), four(12)];
    if (a | b | c | d) & NONE != 0 {
        return None;
    }
    Some([a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8].map(f32::from_bits))
}

/// Decodes four characters to three bytes, the first of them lowest. [`NONE`] is set if one is not in the alphabet.
#[inline]
fn three_bytes(group: &[u8; 4]) -> u32 {
    let bits = |place: usize| BITS[place][group[place] as usize];
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// Decodes text that has something else in it: line ends, if anything.
#[cold]
fn decode_lines(text: &[u8]) -> Option<Vec<u8>> {
    let joined: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // Nothing was removed, so it would fail again.
    if joined.len() == text.len() { None } else { decode_bytes(&joined) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn every_byte_is_read_or_rejected_at_every_place() {
        let value = |byte| match byte {
            b'-' => Some(62),
            b'_' => Some(63),
            _ => ALPHABET.iter().position(|character| *character == byte),
        };
        for (place, byte) in (0..16).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
            let mut text = *b"Cv+/09-_Zz5AbYQw";
            text[place] = byte;
            let bits =
                text.iter().try_fold(0, |bits, byte| Some(bits << 6 | value(*byte)? as u128));
            let wanted = bits.map(|bits: u128| bits.to_be_bytes()[4..].to_vec());
            let floats = three_floats(&text).map(|floats| floats.map(f32::to_le_bytes).concat());
            assert_eq!(floats, wanted, "{byte} at {place}");
            // Elsewhere, line ends are skipped and padding is not needed.
            if !byte.is_ascii_whitespace() && byte != b'=' {
                assert_eq!(decode_bytes(&text), wanted, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn sixteen_characters_are_decoded_as_one_group() {
        let text = encode(b"twelve bytes");
        let floats = three_floats(text.as_bytes().first_chunk().unwrap()).unwrap();
        assert_eq!(floats.map(f32::to_le_bytes).concat(), b"twelve bytes");
        assert_eq!(three_floats(b"AAAAAAAAAAAAAAA="), None);
    }

    #[test]
    fn other_text_is_not_base64() {
        for text in ["A", "AAAAA", "AA!A", "Zm9v=Zm9v", "äöü", "[0.1]"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn encoded_bytes_are_decoded_to_themselves(bytes: Vec<u8>, end in "[ \r\n=]{0,3}") {
            let text = encode(&bytes);
            let floats = decode_floats(&text)
                .map(|floats| floats.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>());
            let wanted = Some(bytes);
            prop_assert_eq!(&decode(&text), &wanted);
            prop_assert_eq!(&decode(&format!("{text}{end}")), &wanted);
            prop_assert_eq!(floats, wanted.filter(|bytes| bytes.len() % 4 == 0));
        }
    }
}
