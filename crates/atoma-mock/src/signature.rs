/// Appends `signature` and `response_hash` as the last two members of a JSON object.
///
/// Both have the form and the size of the real ones (base64 of a 97-byte Ed25519 signature and of a
/// 32-byte hash) and depend on the text alone. They do not verify: nothing here has a key.
pub(crate) fn sign(mut object: String) -> String {
    let seed = fnv1a(object.as_bytes());
    let mut signature = [0; 97];
    fill(&mut signature[1..], seed);
    let mut hash = [0; 32];
    fill(&mut hash, !seed);

    object.pop();
    if !object.ends_with('{') {
        object.push(',');
    }
    object.push_str("\"signature\":\"");
    base64(&signature, &mut object);
    object.push_str("\",\"response_hash\":\"");
    base64(&hash, &mut object);
    object.push_str("\"}");
    object
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Fills `bytes` from a seed with the splitmix64 sequence.
fn fill(bytes: &mut [u8], mut seed: u64) {
    for eight in bytes.chunks_mut(8) {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        eight.copy_from_slice(&mixed.to_le_bytes()[..eight.len()]);
    }
}

/// Standard alphabet, padded (RFC 4648 §4).
fn base64(bytes: &[u8], text: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                let digit = bits >> (18 - 6 * place) & 63;
                text.push(char::from(ALPHABET[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_vectors_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut text = String::new();
            base64(plain.as_bytes(), &mut text);
            assert_eq!(text, encoded);
        }
    }

    #[test]
    fn the_two_members_come_last_in_fixed_size() {
        let signed = sign(r#"{"id":"x"}"#.to_owned());
        assert!(signed.starts_with(r#"{"id":"x","signature":"A"#), "{signed}");
        let value: serde_json::Value = serde_json::from_str(&signed).unwrap();
        assert_eq!(value["signature"].as_str().unwrap().len(), 132);
        assert_eq!(value["response_hash"].as_str().unwrap().len(), 44);
        assert!(signed.find("response_hash").unwrap() > signed.find("signature").unwrap());
    }

    #[test]
    fn the_text_alone_decides() {
        assert_eq!(sign("{}".to_owned()), sign("{}".to_owned()));
        assert_ne!(sign(r#"{"a":1}"#.to_owned())[7..], sign(r#"{"a":2}"#.to_owned())[7..]);
    }
}
