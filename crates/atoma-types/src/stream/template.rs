//! Reading chunks that differ from the one before in a few values only, which is nearly every chunk of a stream.
//!
//! The text of a chunk is kept as a template, with gaps where its streamed strings were:
//!
//! ```text
//! first    {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}],"signature":"a1"}
//! template {"id":"c","choices":[{"index":0,"delta":{"content":"···"}}],"signature":"··"}
//!                                                              └ slot Text         └ slot Signature
//! second   {"id":"c","choices":[{"index":0,"delta":{"content":"lo"}}],"signature":"b2"}
//! ```
//!
//! The second text is equal to the template around the gaps, so it is the same JSON except for the two strings, and only they are
//! read, into the chunk that the first text was read into. That takes a sixth of the instructions of reading it as JSON.
//!
//! This is right only if the value in a gap decides nothing but its field. A text therefore makes
//! no template if a name is repeated in an object or has escapes (the gap might not be the member
//! that counts), if it has several choices, or if anything follows it. A gap takes only a valid
//! JSON string or a whole number above zero. A text that does not fit is read as JSON and makes the
//! next template.

use super::streamed::StreamedChunk;
use crate::{
    SharedStr,
    json::{
        path::{Path, Place},
        scan::{Kind, Scanner, plain, read_string},
    },
};
use std::str::FromStr;

/// The longest text that is kept.
const LONGEST: usize = 4096;
/// The most gaps of a template.
const MOST_GAPS: usize = 16;
/// The most names of members in a text that is kept.
const MOST_NAMES: usize = 96;

/// The chunk before, as a template for the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChunkTemplate {
    /// The text it was made of; empty if there is no template.
    text: String,
    gaps: Vec<Gap>,
    has_fitted: bool,
    /// Whether a response takes nothing but the streamed strings of a chunk that fits.
    is_plain: bool,
    /// The number of chunks in a row that no template fitted.
    useless: u32,
    /// The number of chunks for which no template is made.
    pause: u32,
    /// The id and the time of the last chunk that was read as JSON.
    last: (SharedStr, i64),
    varies: Varies,
}

/// The members that were seen to differ between chunks. Only then are they gaps, since each gap costs about 50 instructions.
#[derive(Debug, Clone, Copy, Default)]
struct Varies {
    id: bool,
    created: bool,
}

/// A value that may differ in the next chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    /// Its position in the text, a string without its quotes.
    start: usize,
    end: usize,
    slot: Slot,
}

/// The field of a chunk that the value of a gap is read into.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    /// A streamed string of the choice.
    Text(Place),
    Id,
    Created,
    Signature,
    ResponseHash,
    /// OpenAI's padding, in the extra member at that position.
    Obfuscation(usize),
    CompletionTokens,
    TotalTokens,
}

/// The value in a slot.
enum Value<'a> {
    Text(&'a mut String),
    Shared(&'a mut SharedStr),
    Count(&'a mut u64),
    Time(&'a mut i64),
}

impl ChunkTemplate {
    /// Returns whether of a chunk that was filled in, a response that has the one before takes only the streamed strings.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns whether there is a template. It can only fill the chunk that it was made from.
    pub(crate) fn is_some(&self) -> bool {
        !self.text.is_empty()
    }

    /// Reads the values in the gaps into `chunk`, which the template was made of. False if `json` does not fit: the fields of
    /// the gaps are undefined then.
    #[inline]
    pub(crate) fn fill<C: StreamedChunk>(&mut self, json: &str, chunk: &mut C) -> bool {
        let fits = self.is_some() && self.filled(json, chunk).is_some();
        self.has_fitted |= fits;
        fits
    }

    fn filled<C: StreamedChunk>(&self, json: &str, chunk: &mut C) -> Option<()> {
        let (mut rest, mut known) = (json, 0);
        for gap in &self.gaps {
            // The text between two gaps must be equal, byte for byte.
            rest = rest.strip_prefix(&self.text[known..gap.start])?;
            let end = gap.slot.value(chunk)?.fill(rest)?;
            rest = &rest[end..];
            known = gap.end;
        }
        // The rest after the last gap, too: otherwise a member may have been added.
        (*rest == self.text[known..]).then_some(())
    }

    /// Makes a template of a text and of the chunk that was read of it, in place of the one before.
    ///
    /// Where no template fits it tries more and more rarely, down to one chunk in 64, so that a stream of unlike chunks does not
    /// pay for templates.
    pub(crate) fn learn<C: StreamedChunk>(&mut self, json: &str, chunk: &mut C) {
        self.useless = if self.has_fitted { 0 } else { self.useless.saturating_add(1) };
        self.forget();
        self.compare(chunk);
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        // Pauses of 0, 0, 1, 7, 63, 63, … chunks: paused chunks count as well.
        self.pause = (1 << self.useless.saturating_sub(2).min(6)) - 1;
        if json.len() <= LONGEST
            && chunk.choices() == 1
            && find(json, chunk, self.varies, &mut self.gaps).is_some()
        {
            self.text.push_str(json);
            self.is_plain =
                chunk.is_plain() && self.gaps.iter().all(|gap| gap.slot.is_plain(chunk));
        }
    }

    /// Records whether the id and the time differ from those of the chunk before.
    fn compare<C: StreamedChunk>(&mut self, chunk: &mut C) {
        let (last_id, last_created) = &mut self.last;
        let id = chunk.id_mut();
        if last_id != id {
            self.varies.id |= !last_id.is_empty();
            last_id.clone_from(id);
        }
        let created = *chunk.created_mut();
        self.varies.created |= *last_created != 0 && *last_created != created;
        *last_created = created;
    }

    /// Drops the template, whose chunk is about to change.
    pub(crate) fn forget(&mut self) {
        self.text.clear();
        self.gaps.clear();
        self.has_fitted = false;
    }
}

/// Finds the gaps of a text that `chunk` was read from; none if it makes no template.
fn find<C: StreamedChunk>(
    json: &str,
    chunk: &mut C,
    varies: Varies,
    gaps: &mut Vec<Gap>,
) -> Option<()> {
    let mut scanner = Scanner::new(json.as_bytes());
    // Where the open objects begin, and the names in each object: a repeated one rules out a template.
    let mut objects = Vec::with_capacity(8);
    let mut names: Vec<(usize, &str)> = Vec::with_capacity(16);
    while let Some(token) = scanner.next() {
        match token.kind {
            Kind::Mark(b'{') => objects.push(token.start),
            Kind::Mark(b'}') => drop(objects.pop()),
            Kind::Mark(_) => {}
            Kind::Name(contents) => {
                let name = (*objects.last()?, &json[token.start..token.end]);
                // The last of two equal names counts, so a gap in the first would be ignored.
                if contents.has_escapes || names.contains(&name) || names.len() == MOST_NAMES {
                    return None;
                }
                names.push(name);
            }
            Kind::Text(_) | Kind::Word => {
                let Some(slot) = Slot::at(scanner.path(), chunk, varies) else { continue };
                let is_read =
                    |value: Value<'_>| value.matches(&json[token.start..], token.end - token.start);
                // The reader corrected the value, so filling it in as it is would be wrong.
                if !slot.value(chunk).is_some_and(is_read) {
                    continue;
                }
                // Two gaps of one field cannot both decide it.
                if gaps.len() == MOST_GAPS || gaps.iter().any(|gap| gap.slot == slot) {
                    return None;
                }
                // Most templates have one or two: every idle stream would keep room for four (160 bytes).
                gaps.reserve_exact(1);
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
    fn at<C: StreamedChunk>(path: &Path<'_>, chunk: &C, varies: Varies) -> Option<Self> {
        if let Some(place) = path.place(C::FIELDS).or_else(|| path.place(C::WHOLE_FIELDS)) {
            return Some(Self::Text(place));
        }
        match path.names()? {
            (b"id", None) if varies.id => Some(Self::Id),
            (b"created", None) if varies.created => Some(Self::Created),
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

    /// Returns whether the response takes the slot's value from each chunk because it is streamed, or has had it from an
    /// earlier one, or never takes it.
    fn is_plain<C: StreamedChunk>(self, chunk: &mut C) -> bool {
        match self {
            Self::Text(_) | Self::Signature | Self::ResponseHash => true,
            // The first that is not empty counts.
            Self::Id => !chunk.id_mut().is_empty(),
            Self::Created => *chunk.created_mut() != 0,
            Self::Obfuscation(_) | Self::CompletionTokens | Self::TotalTokens => false,
        }
    }

    /// The value in the slot; `None` if the chunk has none of that kind.
    #[inline]
    fn value<C: StreamedChunk>(self, chunk: &mut C) -> Option<Value<'_>> {
        Some(match self {
            Self::Text(place) => Value::Text(chunk.text_mut(place)?),
            Self::Id => Value::Shared(chunk.id_mut()),
            Self::Created => Value::Time(chunk.created_mut()),
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
    /// Reads the value at the start of `rest`, and returns its length; `None` if it is of another
    /// kind.
    #[inline]
    fn fill(self, rest: &str) -> Option<usize> {
        match self {
            Self::Text(text) => fill_text(rest, text),
            Self::Shared(text) => fill_shared(rest, text),
            Self::Count(count) => fill_count(rest, count),
            Self::Time(time) => fill_count(rest, time),
        }
    }

    /// Returns whether `rest` begins with this value, of this length.
    fn matches(self, rest: &str, length: usize) -> bool {
        match self {
            Self::Text(known) => {
                let mut text = String::new();
                fill_text(rest, &mut text) == Some(length) && text == *known
            }
            Self::Shared(known) => {
                let mut text = SharedStr::default();
                fill_shared(rest, &mut text) == Some(length) && text == *known
            }
            Self::Count(known) => {
                let mut count = 0;
                fill_count(rest, &mut count) == Some(length) && count == *known
            }
            Self::Time(known) => {
                let mut time = 0;
                fill_count(rest, &mut time) == Some(length) && time == *known
            }
        }
    }
}

/// Reads a JSON string up to its closing quote.
#[inline]
fn fill_text(rest: &str, text: &mut String) -> Option<usize> {
    text.clear();
    read_string(rest, text)
}

/// The same for a text that chunks share. One with escapes is not read.
fn fill_shared(rest: &str, text: &mut SharedStr) -> Option<usize> {
    let end = plain(rest.as_bytes());
    if rest.as_bytes().get(end) != Some(&b'"') {
        return None;
    }
    if rest[..end] != **text {
        *text = rest[..end].into();
    }
    Some(end)
}

/// Reads a JSON number that is a whole one above zero: for a zero, [`crate::Usage`] looks for other
/// members.
fn fill_count<T: FromStr>(rest: &str, count: &mut T) -> Option<usize> {
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    if rest.starts_with('0') {
        return None;
    }
    *count = rest[..end].parse().ok()?;
    Some(end)
}

#[cfg(test)]
mod tests;
