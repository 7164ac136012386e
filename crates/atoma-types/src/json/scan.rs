//! The tokens of a JSON text: their places, their kinds, and the names that lead to them.
//!
//! The scanner checks only strings and words. Text that is not JSON yields tokens as well, and the
//! caller decides how to handle them: repairing copies them, the chunk template gives up.
//!
//! ```text
//! {"choices":[{"delta":{"content":"Hi","n":1}}]}
//! M Name    MMM Name  MM Name    M T  M N MWMMMM
//!                                  └─ path: choices, delta, content
//!
//! M a mark · N a name · T a text · W a word
//! ```
//!
//! Strings are searched eight or sixteen bytes per step, because nearly all bytes of a stream are inside strings.

use super::{path::Path, unescape::unescape};

/// A pass over the first JSON value of a text.
pub(crate) struct Scanner<'a> {
    /// The whole text; tokens are positions in it.
    text: &'a [u8],
    /// Where the next token begins.
    at: usize,
    /// The containers around `at`, and the names of their members.
    path: Path<'a>,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Its place in the text; a string without its quotes.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A bracket, a colon, a comma, white space, or a byte that JSON does not have.
    Mark(u8),
    /// A string that names a member.
    Name(Contents),
    /// A string that is a value.
    Text(Contents),
    /// A number or a literal.
    Word,
}

/// The contents of a string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contents {
    /// Whether there is a backslash, so that the text differs from its source.
    pub(crate) has_escapes: bool,
    /// Whether it has its closing quote and no raw control characters, which JSON does not allow.
    pub(crate) is_valid: bool,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner at the beginning of a text.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, path: Path::default() }
    }

    /// The names that lead to the value of the last token.
    pub(crate) fn path(&self) -> &Path<'a> {
        &self.path
    }

    /// Where the next token begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Returns whether the object or list that is the first value has been closed.
    pub(crate) fn is_done(&self) -> bool {
        self.at > 0 && self.path.is_outside() && matches!(self.text[self.at - 1], b'}' | b']')
    }

    /// Returns the next token, or `None` at the end of the text. It never fails: a byte that JSON does not have is a mark.
    pub(crate) fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let byte = *self.text.get(start)?;
        Some(match byte {
            b'"' => self.string(start + 1),
            _ if is_in_word(byte) => {
                let word = self.text[start..].iter().take_while(|byte| is_in_word(**byte));
                self.at = start + word.count();
                Token { kind: Kind::Word, start, end: self.at }
            }
            _ => {
                self.path.mark(byte);
                self.at = start + 1;
                Token { kind: Kind::Mark(byte), start, end: self.at }
            }
        })
    }

    /// Reads a string whose opening quote is before `start`. Whether it is a name or a value depends on the path alone.
    fn string(&mut self, start: usize) -> Token {
        let (length, contents) = string(&self.text[start..]);
        let end = start + length;
        // There may be no closing quote to pass.
        self.at = self.text.len().min(end + 1);
        let kind = if self.path.is_naming() {
            self.path.name(&self.text[start..end]);
            Kind::Name(contents)
        } else {
            Kind::Text(contents)
        };
        Token { kind, start, end }
    }
}

/// Returns whether a byte belongs to a number or a literal. Wider than the grammar, so that `NaN` and `1e999` are one word each.
fn is_in_word(byte: u8) -> bool {
    matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

/// Returns the length of a string up to its closing quote or the end of the text, and its contents.
fn string(bytes: &[u8]) -> (usize, Contents) {
    let mut at = 0;
    let mut contents = Contents { has_escapes: false, is_valid: true };
    loop {
        at += plain(&bytes[at..]);
        match bytes.get(at) {
            Some(b'"') => return (at, contents),
            Some(b'\\') => {
                // Passes the escaped byte too: it may be a quote. The digits of `\u` are plain.
                contents.has_escapes = true;
                at = bytes.len().min(at + 2);
            }
            Some(_) => {
                // A raw control character: noted, and passed like any other.
                contents.is_valid = false;
                at += 1;
            }
            None => {
                contents.is_valid = false;
                return (at, contents);
            }
        }
    }
}

/// Adds a string up to its closing quote to `text`, and returns the position of that quote. `None`
/// if an escape is not valid or half a surrogate pair.
pub(crate) fn read_string(json: &str, text: &mut String) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = plain(&json.as_bytes()[at..]);
        text.push_str(&json[at..at + length]);
        at += length;
        match json.as_bytes().get(at)? {
            b'"' => return Some(at),
            // By far the most frequent escape in the output of models.
            b'\\' if json.as_bytes().get(at + 1) == Some(&b'n') => {
                text.push('\n');
                at += 2;
            }
            b'\\' => {
                let mut rest = &json[at + 1..];
                text.push(unescape(&mut rest)?);
                at = json.len() - rest.len();
            }
            _ => return None,
        }
    }
}

/// Returns the number of bytes before a quote, a backslash or a control character.
///
/// Most names and tokens end in the first word of eight bytes, which is checked where this is called.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> usize {
    match bytes.first_chunk().map(|word| special(*word)) {
        Some(0) => 8 + plain_words(&bytes[8..]),
        Some(found) => found.trailing_zeros() as usize / 8,
        None => plain_words(bytes),
    }
}

/// The same for the rest of a long string. Not inlined: the caller's first word decides for most tokens.
#[inline(never)]
fn plain_words(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // Compiled to vector instructions: half the instructions of two words.
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if block.iter().fold(false, |found, byte| found | is_special(*byte)) {
            break;
        }
        rest = after;
    }
    while let Some((word, after)) = rest.split_first_chunk() {
        let found = special(*word);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    // Fewer than eight bytes remain.
    bytes.len() - rest.len() + rest.iter().take_while(|byte| !is_special(**byte)).count()
}

/// Returns whether a byte is a quote, a backslash or a control character. Without branches, which would keep a block from being
/// compared as one vector.
#[inline]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Returns the top bits of the special bytes of a word. Only the lowest one is right: that of the
/// first such byte.
///
/// By the usual trick: `word - 0x01…01` borrows where a byte of `word` is zero, which sets its top
/// bit. Bytes whose top bit was set before are not ASCII.
#[inline]
fn special(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOP_BITS: u64 = ONES << 7;
    let quotes = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * 0x20);
    (quotes | backslashes | controls) & !word & TOP_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let mut scanner = Scanner::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(token) = scanner.next() {
            let span = &text[token.start..token.end];
            found.push(match token.kind {
                Kind::Mark(byte) => char::from(byte).to_string(),
                Kind::Name(_) => format!("name {span}"),
                Kind::Text(contents) if contents.is_valid => format!("text {span}"),
                Kind::Text(_) => format!("broken {span}"),
                Kind::Word => format!("word {span}"),
            });
            if scanner.is_done() {
                found.push(format!("rest {}", &text[scanner.at()..]));
                break;
            }
        }
        found
    }

    #[test]
    fn tokens_are_found_in_any_text() {
        for (text, wanted) in [
            (
                r#"{"a":["b",-1.5e3]}{"#,
                &["{", "name a", ":", "[", "text b", ",", "word -1.5e3", "]", "}", "rest {"][..],
            ),
            (r#"{"a\"":"\\"} x"#, &["{", r#"name a\""#, ":", r"text \\", "}", "rest  x"]),
            (r#"["0123456789"]"#, &["[", "text 0123456789", "]", "rest "]),
            ("[\"a\nb\"]", &["[", "broken a\nb", "]", "rest "]),
            (r#"["a"#, &["[", "broken a"]),
            (r#"["a\"#, &["[", r"broken a\"]),
            ("NaN é", &["word NaN", " ", "Ã", "©"]),
        ] {
            let text: &str = text;
            if text.is_ascii() {
                assert_eq!(tokens(text), wanted, "{text}");
            } else {
                let mut scanner = Scanner::new(text.as_bytes());
                assert_eq!(std::iter::from_fn(|| scanner.next()).count(), wanted.len(), "{text}");
            }
        }
    }

    #[test]
    fn nothing_is_done_before_the_first_token() {
        for text in ["", "}", "[]"] {
            assert!(!Scanner::new(text.as_bytes()).is_done(), "{text}");
        }
    }

    #[test]
    fn the_first_special_byte_is_found_at_any_place_of_any_length() {
        for length in 0..70 {
            let text = ["a é~\u{7f}"; 12].concat().as_bytes()[..length].to_vec();
            assert_eq!(plain(&text), length, "{length}");
            for place in 0..length {
                for special in [b'"', b'\\', 0, 0x1F] {
                    let mut text = text.clone();
                    text[place] = special;
                    assert_eq!(plain(&text), place, "{length} {place} {special}");
                    // A later one changes nothing.
                    text[length - 1] = b'"';
                    assert_eq!(plain(&text), place, "{length} {place} {special}");
                }
            }
        }
    }
}
