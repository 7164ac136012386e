//! Reading chunks that differ from the one before in a few strings only, which is nearly every chunk of a stream.
//!
//! The text of a chunk that was read is kept, with gaps where its streamed strings stood. A text that is the same but for what
//! stands in the gaps is the same JSON but for those strings, so that only they have to be read. Whatever could make the
//! meaning of one member depend on another (repeated names, escapes in names) makes no pattern; anything else than a string of
//! plain JSON in a gap does not fit. What does not fit is read as if there were no pattern.

use crate::chat::chunk::ChatCompletionChunk;
use crate::chat::content::Content;
use crate::json::path::{Field, Path};

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
    /// A field of the choice's delta; for arguments, of the call at that position.
    Delta(Field, usize),
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
    pub(crate) fn fill(&mut self, json: &str, chunk: &mut ChatCompletionChunk) -> bool {
        let fits = self.is_some() && self.filled(json, chunk).is_some();
        self.has_fitted |= fits;
        fits
    }

    fn filled(&self, json: &str, chunk: &mut ChatCompletionChunk) -> Option<()> {
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
    pub(crate) fn learn(&mut self, json: &str, chunk: &mut ChatCompletionChunk) {
        self.useless = if self.has_fitted { 0 } else { self.useless.saturating_add(1) };
        self.forget();
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        self.pause = (1 << self.useless.saturating_sub(2).min(6)) - 1;
        if json.len() <= LONGEST
            && chunk.choices.len() == 1
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

/// Finds the gaps of a text that `chunk` was read of; none if it makes no pattern.
fn find(json: &str, chunk: &mut ChatCompletionChunk, gaps: &mut Vec<Gap>) -> Option<()> {
    let bytes = json.as_bytes();
    let mut path = Path::default();
    let mut objects = Vec::with_capacity(8);
    let mut names: Vec<(usize, &[u8])> = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if at > 0 && path.is_outside() {
            return None;
        }
        let is_string = byte == b'"';
        let start = at + usize::from(is_string);
        let end = match byte {
            b'"' => start + string_end(&bytes[start..])?.0,
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                start + bytes[start..].iter().take_while(|byte| in_word(**byte)).count()
            }
            _ => {
                match byte {
                    b'{' => objects.push(at),
                    b'}' => drop(objects.pop()),
                    _ => {}
                }
                path.mark(byte);
                at += 1;
                continue;
            }
        };
        at = end + usize::from(is_string);
        let value = &bytes[start..end];
        if is_string && path.is_naming() {
            let name = (*objects.last()?, value);
            if value.contains(&b'\\') || names.contains(&name) || names.len() == MOST_NAMES {
                return None;
            }
            names.push(name);
            path.string(value);
        } else if let Some(slot) = Slot::at(&path, chunk) {
            if slot.value(chunk).is_some_and(|known| known.stands_in(&json[start..], end - start)) {
                if gaps.len() == MOST_GAPS || gaps.iter().any(|gap| gap.slot == slot) {
                    return None;
                }
                gaps.push(Gap { start, end, slot });
            }
        }
    }
    // A total that is not sent is the sum, and would have to be counted again.
    let has = |slot| gaps.iter().any(|gap| gap.slot == slot);
    let is_summed = has(Slot::CompletionTokens) && !has(Slot::TotalTokens);
    (path.is_outside() && !gaps.is_empty() && !is_summed).then_some(())
}

fn in_word(byte: u8) -> bool {
    matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

impl Slot {
    /// The slot of the value at hand.
    fn at(path: &Path<'_>, chunk: &ChatCompletionChunk) -> Option<Self> {
        if let Some(place) = path.place() {
            return Some(Self::Delta(place.field, place.call));
        }
        match path.names()? {
            (b"signature", None) => Some(Self::Signature),
            (b"response_hash", None) => Some(Self::ResponseHash),
            (b"usage", Some(b"completion_tokens")) => Some(Self::CompletionTokens),
            (b"usage", Some(b"total_tokens")) => Some(Self::TotalTokens),
            (b"obfuscation", None) => chunk
                .extra
                .iter()
                .position(|(name, _)| name == "obfuscation")
                .map(Self::Obfuscation),
            _ => None,
        }
    }

    /// What is in the slot; nothing if the chunk has none of that kind.
    fn value(self, chunk: &mut ChatCompletionChunk) -> Option<Value<'_>> {
        Some(match self {
            Self::Delta(field, call) => {
                let delta = &mut chunk.choices.first_mut()?.delta;
                Value::Text(match field {
                    Field::Content => match delta.content.as_mut()? {
                        Content::Text(text) => text,
                        Content::Parts(_) => return None,
                    },
                    Field::Reasoning => delta.reasoning.as_mut()?,
                    Field::ReasoningContent => delta.reasoning_content.as_mut()?,
                    Field::Refusal => delta.refusal.as_mut()?,
                    Field::Arguments => {
                        delta.tool_calls.get_mut(call)?.function.arguments.as_mut()?
                    }
                })
            }
            Self::Signature => Value::Text(chunk.signature.as_mut()?),
            Self::ResponseHash => Value::Text(chunk.response_hash.as_mut()?),
            Self::Obfuscation(position) => match chunk.extra.value_mut(position)? {
                serde_json::Value::String(text) => Value::Text(text),
                _ => return None,
            },
            Self::CompletionTokens => Value::Count(&mut chunk.usage.as_mut()?.completion_tokens),
            Self::TotalTokens => Value::Count(&mut chunk.usage.as_mut()?.total_tokens),
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
    fn stands_in(self, rest: &str, length: usize) -> bool {
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

/// How long a string is up to its closing quote, and whether there are escapes in it. None if it does not end, or holds a
/// control character, which JSON does not allow.
fn string_end(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut at = 0;
    let mut is_escaped = false;
    loop {
        at += plain(&bytes[at..]);
        match bytes.get(at)? {
            b'"' => return Some((at, is_escaped)),
            b'\\' => at = bytes.len().min(at + 2),
            _ => return None,
        }
        is_escaped = true;
    }
}

/// How many bytes come before a quote, a backslash or a control character; eight are looked at at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOP_BITS: u64 = ONES << 7;
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*word);
        // Only bytes above the first one found can be found wrongly.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quotes | backslashes | controls) & TOP_BITS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    at + bytes[at..].iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests;
