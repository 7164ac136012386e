//! Text of servers, made fit to be shown.

use std::borrow::Cow;

/// At most 200 characters of `body` on one line, controls replaced.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LIMIT)]);
    let mut line: String = text
        .trim()
        .chars()
        .take(LIMIT)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.trim().chars().nth(LIMIT).is_some() || body.len() > 4 * LIMIT {
        line.push('…');
    }
    line
}

/// `text` with each occurrence of `secret` replaced.
pub(crate) fn redact<'a>(text: &'a [u8], secret: &[u8]) -> Cow<'a, [u8]> {
    let find = |text: &[u8]| text.windows(secret.len()).position(|window| window == secret);
    if secret.is_empty() || secret.len() > text.len() || find(text).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut cleansed, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = find(rest) {
        cleansed.extend_from_slice(&rest[..at]);
        cleansed.extend_from_slice(b"[key]");
        rest = &rest[at + secret.len()..];
    }
    cleansed.extend_from_slice(rest);
    Cow::Owned(cleansed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(b""), "");
        assert_eq!(excerpt(b" \n<html>\n\x1b[31mred\n "), "<html>  [31mred");
        assert_eq!(excerpt("é".repeat(200).as_bytes()), "é".repeat(200));
        assert_eq!(excerpt("é".repeat(201).as_bytes()), "é".repeat(200) + "…");
        assert_eq!(excerpt(&[b'x'; 5000]), "x".repeat(200) + "…");
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"", b""),
            (b"sk-1", b"[key]"),
            (b"no secret", b"no secret"),
            (b"Bearer sk-1!", b"Bearer [key]!"),
            (b"sk-1sk-1 sk-", b"[key][key] sk-"),
            (b"ssk-1", b"s[key]"),
        ];
        for (text, cleansed) in cases {
            assert_eq!(&redact(text, b"sk-1")[..], cleansed);
        }
        assert_eq!(&redact(b"abc", b"")[..], b"abc");
    }
}
