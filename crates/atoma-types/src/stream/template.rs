//! Reading chunks that differ from the one before in a few strings only, which is nearly every chunk of a stream.
//!
//! The text of a chunk that was read is kept, with gaps where its streamed strings stood. A text that is the same but for what
//! stands in the gaps is the same JSON but for those strings, so that only they have to be read. Whatever could make the
//! meaning of one member depend on another (repeated names, escapes in names) makes no pattern; anything else than a string of
//! plain JSON in a gap does not fit. What does not fit is read as if there were no pattern.

use super::streamed::StreamedChunk;
use crate::json::path::{Path, Place};
use crate::json::scan::{Kind, Scanner, string_end};

/// How long a text may be that is kept.
const LONGEST: usize = 4096;
/// How many gaps a pattern has at most.
const MOST_GAPS: usize = 16;
/// How many names of members a text may have that is kept.
const MOST_NAMES: usize = 96;

/// The chunk before, as a pattern for the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChunkTemplate {
    /// The text it was made of; empty if there is no pattern.
    text: String,
    gaps: Vec<Gap>,
    has_fitted: bool,
    /// How many patterns in a row have never fitted.
    useless: u32,
    /// For how many chunks no pattern is made.
    pause: u32,
}

/// A value that may be another in the next chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    /// Where it stands in the text, a string without its quotes.
    start: usize,
    end: usize,
    slot: Slot,
}

/// Where in a chunk the value of a gap goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    /// A streamed string of the choice.
    Text(Place),
    Signature,
    ResponseHash,
    /// OpenAI's padding, in the extra member at that position.
    Obfuscation(usize),
    CompletionTokens,
    TotalTokens,
}

/// What is in a slot.
enum Value<'a> {
    Text(&'a mut String),
    Count(&'a mut u64),
}

impl ChunkTemplate {
    /// Whether there is a pattern. It is of use only together with the chunk that it was made of.
    pub(crate) fn is_some(&self) -> bool {
        !self.text.is_empty()
    }

    /// Puts what stands in the gaps into `chunk`, which the pattern was made of. False if `json` does not fit: then what is in
    /// the gaps of the chunk is of no use.
    #[inline]
    pub(crate) fn fill<C: StreamedChunk>(&mut self, json: &str, chunk: &mut C) -> bool {
        let fits = self.is_some() && self.filled(json, chunk).is_some();
        self.has_fitted |= fits;
        fits
    }

    fn filled<C: StreamedChunk>(&self, json: &str, chunk: &mut C) -> Option<()> {
        let (mut rest, mut known) = (json, 0);
        for gap in &self.gaps {
            rest = rest.strip_prefix(&self.text[known..gap.start])?;
            let end = gap.slot.value(chunk)?.fill(rest)?;
            rest = &rest[end..];
            known = gap.end;
        }
        (*rest == self.text[known..]).then_some(())
    }

    /// Makes a pattern of a text and of the chunk that was read of it, in place of the one before. Where none has fitted for
    /// long it does so ever more rarely, down to one chunk in 64.
    pub(crate) fn learn<C: StreamedChunk>(&mut self, json: &str, chunk: &mut C) {
        self.useless = if self.has_fitted { 0 } else { self.useless.saturating_add(1) };
        self.forget();
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        self.pause = (1 << self.useless.saturating_sub(2).min(6)) - 1;
        if json.len() <= LONGEST
            && chunk.choices() == 1
            && find(json, chunk, &mut self.gaps).is_some()
        {
            self.text.push_str(json);
        }
    }

    /// Drops the pattern, whose chunk is no more.
    pub(crate) fn forget(&mut self) {
        self.text.clear();
        self.gaps.clear();
        self.has_fitted = false;
    }
}

/// Finds the gaps of a text that `chunk` was read of; none if it makes no template.
fn find<C: StreamedChunk>(json: &str, chunk: &mut C, gaps: &mut Vec<Gap>) -> Option<()> {
    let mut scanner = Scanner::new(json.as_bytes());
    // Where the open objects begin, and the names in each object: a repeated one is no template.
    let mut objects = Vec::with_capacity(8);
    let mut names: Vec<(usize, &str)> = Vec::with_capacity(16);
    while let Some(token) = scanner.next() {
        match token.kind {
            Kind::Mark(b'{') => objects.push(token.start),
            Kind::Mark(b'}') => drop(objects.pop()),
            Kind::Mark(_) => {}
            Kind::Name(contents) => {
                let name = (*objects.last()?, &json[token.start..token.end]);
                if contents.has_escapes || names.contains(&name) || names.len() == MOST_NAMES {
                    return None;
                }
                names.push(name);
            }
            Kind::Text(_) | Kind::Word => {
                let Some(slot) = Slot::at(scanner.path(), chunk) else { continue };
                let is_read = |value: Value<'_>| {
                    value.is_read_of(&json[token.start..], token.end - token.start)
                };
                if !slot.value(chunk).is_some_and(is_read) {
                    continue;
                }
                if gaps.len() == MOST_GAPS || gaps.iter().any(|gap| gap.slot == slot) {
                    return None;
                }
                gaps.push(Gap { start: token.start, end: token.end, slot });
            }
        }
        if scanner.is_done() {
            break;
        }
    }
    // A total that is not sent is the sum, and would have to be counted again.
    let has = |slot| gaps.iter().any(|gap| gap.slot == slot);
    let is_summed = has(Slot::CompletionTokens) && !has(Slot::TotalTokens);
    let is_whole = scanner.is_done() && scanner.at() == json.len();
    (is_whole && !gaps.is_empty() && !is_summed).then_some(())
}

impl Slot {
    /// The slot of the current value.
    fn at<C: StreamedChunk>(path: &Path<'_>, chunk: &C) -> Option<Self> {
        if let Some(place) = path.place(C::FIELDS) {
            return Some(Self::Text(place));
        }
        match path.names()? {
            (b"signature", None) => Some(Self::Signature),
            (b"response_hash", None) => Some(Self::ResponseHash),
            (b"usage", Some(b"completion_tokens")) => Some(Self::CompletionTokens),
            (b"usage", Some(b"total_tokens")) => Some(Self::TotalTokens),
            (b"obfuscation", None) => chunk
                .extra()
                .iter()
                .position(|(name, _)| name == "obfuscation")
                .map(Self::Obfuscation),
            _ => None,
        }
    }

    /// The value in the slot; `None` if the chunk has none of that kind.
    #[inline]
    fn value<C: StreamedChunk>(self, chunk: &mut C) -> Option<Value<'_>> {
        Some(match self {
            Self::Text(place) => Value::Text(chunk.text_mut(place)?),
            Self::Signature => Value::Text(chunk.signature_mut()?),
            Self::ResponseHash => Value::Text(chunk.response_hash_mut()?),
            Self::Obfuscation(position) => match chunk.extra_mut().value_mut(position)? {
                serde_json::Value::String(text) => Value::Text(text),
                _ => return None,
            },
            Self::CompletionTokens => Value::Count(&mut chunk.usage_mut()?.completion_tokens),
            Self::TotalTokens => Value::Count(&mut chunk.usage_mut()?.total_tokens),
        })
    }
}

impl Value<'_> {
    /// Takes the value that `rest` begins with, and tells how long it is; none if it is of another kind.
    #[inline]
    fn fill(self, rest: &str) -> Option<usize> {
        match self {
            Self::Text(text) => fill_text(rest, text),
            Self::Count(count) => fill_count(rest, count),
        }
    }

    /// Whether it is the value, so long, that `rest` begins with.
    fn is_read_of(self, rest: &str, length: usize) -> bool {
        match self {
            Self::Text(known) => {
                let mut text = String::new();
                fill_text(rest, &mut text) == Some(length) && text == *known
            }
            Self::Count(known) => {
                let mut count = 0;
                fill_count(rest, &mut count) == Some(length) && count == *known
            }
        }
    }
}

/// Reads a JSON string up to its closing quote.
#[inline]
fn fill_text(rest: &str, text: &mut String) -> Option<usize> {
    let (end, is_escaped) = string_end(rest.as_bytes())?;
    text.clear();
    if is_escaped {
        unescape(&rest[..end], text)?;
    } else {
        text.push_str(&rest[..end]);
    }
    Some(end)
}

/// Reads what stands between the quotes of a JSON string; none if that is no JSON.
fn unescape(raw: &str, text: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        text.push(match escaped.bytes().next()? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            escape @ (b'"' | b'\\' | b'/') => char::from(escape),
            // Code units may be halves of a character: that is for those to read who know more of it.
            _ => {
                *text = serde_json::from_str(&format!("\"{raw}\"")).ok()?;
                return Some(());
            }
        });
        rest = &escaped[1..];
    }
    text.push_str(rest);
    Some(())
}

/// Reads a JSON number that is a whole one above zero: of a zero, [`crate::Usage`] looks for other members.
fn fill_count(rest: &str, count: &mut u64) -> Option<usize> {
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    if rest.starts_with('0') {
        return None;
    }
    *count = rest[..end].parse().ok()?;
    Some(end)
}

#[cfg(test)]
mod tests;
