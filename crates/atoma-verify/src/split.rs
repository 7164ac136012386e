//! Cuts the two top-level members out of the exact text.

use crate::{
    error::{Reason, VerifyError},
    plain_text::length_of_plain_text,
};
use core::str::from_utf8;

/// A response's text in parts: the text that was signed, and the two members that sign it.
///
/// Borrowed from the text given to [`split`]; nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedText<'a> {
    runs: [&'a str; 3],
    signature: &'a str,
    response_hash: &'a str,
}

impl<'a> SignedText<'a> {
    /// Returns the value of the top-level member `signature`: base64 that has not been decoded yet.
    #[must_use]
    pub fn signature(&self) -> &'a str {
        self.signature
    }

    /// Returns the value of the top-level member `response_hash`: base64 that has not been decoded yet.
    #[must_use]
    pub fn response_hash(&self) -> &'a str {
        self.response_hash
    }

    /// Returns the signed text piece by piece: the response's text without the two members, without
    /// the commas that belong to them, and without the white space that touches a cut.
    ///
    /// ```
    /// let text = r#"{"id":"x", "signature":"s", "choices":[], "response_hash":"h"}"#;
    /// let signed = atoma_verify::split(text)?;
    /// assert_eq!(signed.preimage().collect::<String>(), r#"{"id":"x","choices":[]}"#);
    /// # Ok::<(), atoma_verify::VerifyError>(())
    /// ```
    pub fn preimage(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        preimage(self.runs)
    }
}

/// Cuts the top-level members `signature` and `response_hash` out of a JSON object.
///
/// The members may be anywhere at the top level; members with these names deeper down are part of
/// the signed text. One pass, no allocation, no recursion: nesting of any depth takes constant memory.
///
/// This function does not check all of JSON's grammar. It checks as much as it takes to be sure where
/// the top-level members begin and end. A program that uses the text must parse it as well.
///
/// # Errors
///
/// [`Malformed`](crate::VerifyErrorKind::Malformed) if the text is ambiguous: it is not one object
/// (white space may surround it, a byte order mark may not), a member occurs twice, has a value
/// that is not a plain string, or has a name spelled with escapes.
/// [`MissingSignature`](crate::VerifyErrorKind::MissingSignature) if either member is missing.
pub fn split(text: &str) -> Result<SignedText<'_>, VerifyError> {
    let parts = Parts::read(text)?;
    let signature = parts.signature.ok_or(Reason::Missing("signature"))?;
    let response_hash = parts.response_hash.ok_or(Reason::Missing("response_hash"))?;
    Ok(SignedText { runs: parts.runs, signature, response_hash })
}

/// Splits bytes, which must be UTF-8: a lossy reading is not the text that was signed.
pub(crate) fn split_bytes(text: &[u8]) -> Result<SignedText<'_>, VerifyError> {
    split(from_utf8(text).map_err(|_| Reason::Malformed("text is not UTF-8"))?)
}

/// The pieces of an object that is made of these runs of members.
pub(crate) fn preimage<'a>(runs: [&'a str; 3]) -> impl Iterator<Item = &'a str> + use<'a> {
    let kept = runs.into_iter().filter(|run| !run.is_empty());
    let pieces = kept.enumerate().flat_map(|(index, run)| [if index == 0 { "" } else { "," }, run]);
    core::iter::once("{").chain(pieces).chain(["}"])
}

/// An object's text around the two members, either of which may be missing.
///
/// ```text
/// { "id":1 , "signature":"…" , "a":2,"b":3 ,"response_hash":"…" }
///  └─run─┘ └──────cut──────┘ └───run──┘ └──────────cut────────┘
/// ```
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// The members before, between and behind the cuts. Members that follow each other share a run.
    pub(crate) runs: [&'a str; 3],
    pub(crate) signature: Option<&'a str>,
    pub(crate) response_hash: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, VerifyError> {
        let mut parts = Self::default();
        let mut scan = Scan { text, at: 0 };
        scan.skip_space();
        scan.expect(b'{', "text is not a JSON object")?;

        // A run begins behind `{` or behind a cut, and ends at the last member before the next cut.
        // White space at its edge is kept only where the edge is a brace of the object.
        let mut run_start = scan.at;
        let mut run_end = scan.at;
        let mut cuts = 0;
        scan.skip_space();
        let mut more = scan.peek() != Some(b'}');
        while more {
            scan.skip_space();
            let member_start = scan.at;
            let name = scan.string()?;
            scan.skip_space();
            scan.expect(b':', "member without a colon")?;
            scan.skip_space();
            match parts.slot(name)? {
                Some(slot) => {
                    let value = scan.plain_string()?;
                    if slot.replace(value).is_some() {
                        return Err(Reason::Malformed("signature or response_hash twice").into());
                    }
                    // Empty if no member was kept since the last cut.
                    parts.runs[cuts] = &text[run_start..run_end];
                    cuts += 1;
                    run_start = scan.at;
                    run_end = scan.at;
                }
                None => {
                    scan.value()?;
                    if run_start == run_end && cuts > 0 {
                        run_start = member_start;
                    }
                    run_end = scan.at;
                }
            }
            scan.skip_space();
            more = scan.comma_or_end()?;
        }
        if cuts == 0 || run_start < run_end {
            // The last member was kept: white space behind it touches the brace, not a cut.
            run_end = scan.at;
        }
        scan.expect(b'}', "object does not end")?;
        parts.runs[cuts] = &text[run_start..run_end];
        scan.skip_space();
        if scan.at < text.len() {
            return Err(Reason::Malformed("text after the object").into());
        }
        Ok(parts)
    }

    /// The place for this member's value, if it is one of the two.
    fn slot(&mut self, name: &str) -> Result<Option<&mut Option<&'a str>>, VerifyError> {
        match name {
            "signature" => Ok(Some(&mut self.signature)),
            "response_hash" => Ok(Some(&mut self.response_hash)),
            _ if name.contains('\\') && !surely_another_name(name) => {
                Err(Reason::Malformed("member name spelled with escapes").into())
            }
            _ => Ok(None),
        }
    }
}

/// Whether a name with escapes is certain to spell neither of the two names.
fn surely_another_name(name: &str) -> bool {
    let mut spelled = [0; "response_hash".len()];
    let mut length = 0;
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        let letter = if byte == b'\\' {
            match rest.next() {
                Some(b'u') => {
                    let code = (0..4).try_fold(0, |code, _| {
                        Some(code * 16 + char::from(rest.next()?).to_digit(16)?)
                    });
                    // An escape that is not one could be read as anything.
                    let Some(code) = code else { return false };
                    u8::try_from(code).unwrap_or(0)
                }
                // None of the other escapes spells a letter.
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
                _ => return false,
            }
        } else {
            byte
        };
        match spelled.get_mut(length) {
            Some(place) => *place = letter,
            None => return true,
        }
        length += 1;
    }
    spelled[..length] != *b"signature" && spelled[..length] != *b"response_hash"
}

/// A position in the text. All positions at which it stops are next to ASCII, so slicing is safe.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), VerifyError> {
        if self.peek() != Some(byte) {
            return Err(Reason::Malformed(otherwise).into());
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads a comma, which another member must follow (`true`), or stops at the closing brace.
    fn comma_or_end(&mut self) -> Result<bool, VerifyError> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => Ok(false),
            _ => Err(Reason::Malformed("no comma or brace after a member").into()),
        }
    }

    /// Reads a string and returns its inside, escapes and all.
    fn string(&mut self) -> Result<&'a str, VerifyError> {
        self.expect(b'"', "member without a name")?;
        let start = self.at;
        self.string_end()?;
        Ok(&self.text[start..self.at - 1])
    }

    /// Reads the value of one of the two members.
    fn plain_string(&mut self) -> Result<&'a str, VerifyError> {
        if self.peek() != Some(b'"') {
            return Err(Reason::Malformed("signature or response_hash is not a string").into());
        }
        let value = self.string()?;
        if value.contains('\\') {
            return Err(Reason::Malformed("signature or response_hash with escapes").into());
        }
        Ok(value)
    }

    /// Moves from the inside of a string to behind its closing quote.
    fn string_end(&mut self) -> Result<(), VerifyError> {
        let bytes = self.text.as_bytes();
        loop {
            self.at += length_of_plain_text(&bytes[self.at..]);
            let special = self.peek().ok_or(Reason::Malformed("string does not end"))?;
            self.at += 1;
            match special {
                b'"' => return Ok(()),
                // An escaped quote does not close the string; an escaped backslash escapes nothing.
                b'\\' if matches!(self.peek(), Some(b'"' | b'\\')) => self.at += 1,
                b'\\' => {}
                _ => return Err(Reason::Malformed("control character in a string").into()),
            }
        }
    }

    /// Moves behind a value of any kind.
    fn value(&mut self) -> Result<(), VerifyError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string_end()
            }
            Some(b'{' | b'[') => self.container_end(),
            _ => self.scalar_end(),
        }
    }

    /// Moves behind an object or an array. Depth is a counter, not a stack, so that it costs nothing.
    /// The kinds of the outermost 128 brackets are remembered: parsers seldom read deeper than that.
    fn container_end(&mut self) -> Result<(), VerifyError> {
        let mut depth = 0_usize;
        let mut kinds = 0_u128;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => self.string_end()?,
                b'{' | b'[' => {
                    if depth < 128 {
                        kinds = kinds & !(1 << depth) | u128::from(byte == b'{') << depth;
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth < 128 && (kinds >> depth & 1 == 1) != (byte == b'}') {
                        return Err(Reason::Malformed("brackets do not match").into());
                    }
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Err(Reason::Malformed("object or array does not end").into())
    }

    /// Moves behind a number, `true`, `false` or `null`.
    fn scalar_end(&mut self) -> Result<(), VerifyError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let scalar = &self.text[start..self.at];
        let number = scalar.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && scalar.ends_with(|last: char| last.is_ascii_digit())
            && !scalar.contains(|letter: char| letter.is_ascii_lowercase() && letter != 'e');
        if number || matches!(scalar, "true" | "false" | "null") {
            return Ok(());
        }
        Err(Reason::Malformed("member without a value").into())
    }
}
