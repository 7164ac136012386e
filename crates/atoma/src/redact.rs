//! Makes the text of servers safe to show: short, on one line, without secrets.

use http::Uri;
use std::borrow::Cow;

/// Returns at most 200 characters of `body` on one line, without control characters.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LIMIT)]);
    let mut line: String = text
        .trim_ascii()
        .chars()
        .take(LIMIT)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.trim_ascii().chars().nth(LIMIT).is_some() || body.len() > 4 * LIMIT {
        line.push('…');
    }
    line
}

/// Returns a URL without user, password and the values of its query, any of which may be a secret.
pub(crate) fn url_without_secrets(url: &Uri) -> String {
    let scheme = url.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) => format!("{name}=REDACTED"),
        None => "REDACTED".to_owned(),
    };
    let query = url.query().map(|query| query.split('&').map(shown).collect::<Vec<_>>().join("&"));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}{host}{port}{}{query}", url.path())
}

/// Replaces each occurrence of `secret` in `text`, also where JSON escapes its characters.
pub(crate) fn redact<'a>(text: &'a [u8], secret: &[u8]) -> Cow<'a, [u8]> {
    // No spelling is shorter than the secret itself, so most headers need no search.
    let Some(first) = secret.first().filter(|_| text.len() >= secret.len()) else {
        return Cow::Borrowed(text);
    };
    let may_begin = |byte: &u8| byte == first || *byte == b'\\';
    let mut redacted = Vec::new();
    let (mut at, mut kept) = (0, 0);
    while let Some(skipped) = text[at..].iter().position(may_begin) {
        at += skipped;
        match length_of(secret, &text[at..]) {
            Some(length) => {
                redacted.extend_from_slice(&text[kept..at]);
                redacted.extend_from_slice(b"[key]");
                at += length;
                kept = at;
            }
            None => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    redacted.extend_from_slice(&text[kept..]);
    Cow::Owned(redacted)
}

/// Returns the number of bytes that `secret` takes at the beginning of `text`, if it is there.
///
/// Any number of backslashes may precede a character: JSON inside JSON escapes twice.
fn length_of(secret: &[u8], text: &[u8]) -> Option<usize> {
    let mut rest = text;
    for byte in secret {
        let escaped = without_backslashes(rest);
        rest = match rest.strip_prefix(&[*byte]) {
            Some(rest) => rest,
            None if escaped.len() == rest.len() => return None,
            None => escaped.strip_prefix(&[*byte]).or_else(|| after_unicode(*byte, escaped))?,
        };
    }
    Some(text.len() - rest.len())
}

fn without_backslashes(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| **byte == b'\\').count();
    &text[count..]
}

/// Returns the text after `uXXXX`, if that is `byte`.
fn after_unicode(byte: u8, text: &[u8]) -> Option<&[u8]> {
    let (escape, rest) = text.split_at_checked(5)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"u")?).ok()?;
    let value = u32::from_str_radix(digits, 16).ok()?;
    (value == u32::from(byte)).then_some(rest)
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
        // Only the first 800 bytes are looked at: the rest may not be blank.
        assert_eq!(excerpt(format!("a{}b", " ".repeat(799)).as_bytes()), "a…");
        assert_eq!(excerpt(format!("a{}", " ".repeat(799)).as_bytes()), "a");
        assert_eq!(excerpt("🙂".repeat(200).as_bytes()), "🙂".repeat(200));
    }

    #[test]
    fn a_url_keeps_neither_password_nor_values() {
        for (url, shown) in [
            ("http://localhost:8000/v1/models", "http://localhost:8000/v1/models"),
            ("https://user:secret@a.test/v1", "https://a.test/v1"),
            ("https://[::1]/x?key=secret&v=1", "https://[::1]/x?key=REDACTED&v=REDACTED"),
            ("https://a.test/x?secret", "https://a.test/x?REDACTED"),
        ] {
            assert_eq!(url_without_secrets(&url.parse().unwrap()), shown);
        }
    }

    #[test]
    fn a_secret_is_removed_wherever_it_is() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"", b""),
            (b"sk-1", b"[key]"),
            (b"no secret", b"no secret"),
            (b"Bearer sk-1!", b"Bearer [key]!"),
            (b"sk-1sk-1 sk-", b"[key][key] sk-"),
            (b"ssk-1", b"s[key]"),
        ];
        for (text, redacted) in cases {
            assert_eq!(&redact(text, b"sk-1")[..], redacted);
        }
        assert_eq!(&redact(b"abc", b"")[..], b"abc");
    }

    #[test]
    fn a_secret_is_known_however_json_escapes_it() {
        for text in [
            r"a/b+c",
            r"a\/b+c",
            r"a\/b\u002Bc",
            r"\u0061\u002f\u0062\u002b\u0063",
            r"a\\\/b\\u002bc",
        ] {
            assert_eq!(&redact(text.as_bytes(), b"a/b+c")[..], b"[key]", "{text}");
        }
        for text in
            [r"a\/b+", r"a\u002", r"a\n/b+c", r"a\u00e9/b+c", r"\a\", "a\u{e9}", "au002fb+c"]
        {
            assert_eq!(redact(text.as_bytes(), b"a/b+c"), text.as_bytes(), "{text}");
        }
        assert_eq!(&redact(br"a\b a\\b", br"a\b")[..], b"[key] [key]");
    }
}
