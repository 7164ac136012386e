use serde_json::Value;

use super::snapshots::Messages;
use super::template::ChunkTemplate;
use crate::chat::chunk::{ChatCompletionChunk, ChatCompletionChunkChoice};
use crate::chat::content::Content;
use crate::chat::tool::ToolCallDelta;
use crate::json::path::{Field, Place};
use crate::json::repair::{CutString, Halves, repair};
use crate::wire::Wide;
use crate::{ParseError, json};

/// How many halves are held at most, over all choices and fields; further ones become U+FFFD at once.
const MOST_HELD: usize = 256;

/// Reads the events of one stream, in order.
///
/// An event is read by itself, with one exception. Servers written in JavaScript cut strings between UTF-16 code units, so an
/// event may end in one half of a character and the next one open with the other. The reader holds the first half back and puts
/// it before the second, so that every string is right. A half that never finds its other half becomes U+FFFD.
///
/// Nearly all chunks of a stream are alike but for their new text. Of one that is, only that text is read, so that a reader
/// is several times as fast as reading each event alone; what comes of it is the same.
///
/// ```
/// use atoma_types::ChunkReader;
///
/// let mut reader = ChunkReader::new();
/// let first = reader.read(br#"{"choices": [{"delta": {"content": "Hi \ud83d"}}]}"#)?;
/// let second = reader.read(br#"{"choices": [{"delta": {"content": "\ude42"}}]}"#)?;
/// assert_eq!((first.text().as_ref(), second.text().as_ref()), ("Hi ", "🙂"));
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
///
/// A program that only looks at each chunk can leave it in the reader, which then allocates nothing for most of them:
///
/// ```
/// use atoma_types::ChunkReader;
///
/// let mut reader = ChunkReader::new();
/// let mut text = String::new();
/// for data in [
///     r#"{"choices": [{"delta": {"content": "Hel"}}]}"#,
///     r#"{"choices": [{"delta": {"content": "lo"}}]}"#,
/// ] {
///     reader.read_in_place(data)?;
///     text.push_str(&reader.chunk().text());
/// }
/// assert_eq!(text, "Hello");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChunkReader {
    held: Vec<Held>,
    chunk: ChatCompletionChunk,
    /// Made of `chunk`, if there is one.
    pattern: ChunkTemplate,
    messages: Messages,
    /// Whether the request asked for one choice: its index does not matter then.
    is_single: bool,
}

/// The first half of a character, and the field that the other half will open.
#[derive(Debug, Clone, Copy)]
struct Held {
    choice: u32,
    field: Field,
    call: i64,
    half: u16,
}

impl ChunkReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many choices the request asked for. With one, every choice has the index 0, whatever the server counts from.
    ///
    /// The default is unknown: indices stay as they are.
    pub fn expect_choices(&mut self, n: u32) {
        self.is_single = n <= 1;
    }

    /// Reads the data of the next event. The flaws mended are those of [`crate::ChatCompletionResponse::from_slice`].
    ///
    /// # Errors
    ///
    /// The data is no JSON object, or is cut off. The reader may go on with the next event.
    pub fn read(&mut self, data: &[u8]) -> Result<ChatCompletionChunk, ParseError> {
        match std::str::from_utf8(data) {
            Ok(data) => self.read_in_place(data)?,
            Err(_) => self.mend(data, None).map(drop)?,
        }
        Ok(self.take())
    }

    /// Reads the data of the next event, known to be UTF-8 already.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_str(&mut self, data: &str) -> Result<ChatCompletionChunk, ParseError> {
        self.read_in_place(data)?;
        Ok(self.take())
    }

    /// Reads the data of the next event, and leaves the chunk here: [`chunk`](Self::chunk) lends it, [`take`](Self::take) gives
    /// it away.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). The chunk is empty then.
    #[inline]
    pub fn read_in_place(&mut self, mut data: &str) -> Result<(), ParseError> {
        self.read_next(&mut data)
    }

    /// Reads the first object of an event's data as [`read_in_place`](Self::read_in_place) does, and moves `data` past it.
    #[inline]
    pub(crate) fn read_next(&mut self, data: &mut &str) -> Result<(), ParseError> {
        if self.held.is_empty() && self.pattern.fill(data, &mut self.chunk) {
            *data = "";
            return Ok(());
        }
        self.read_alone(data)
    }

    /// The chunk that was read last. Empty at the start, after an error, and possibly after [`take`](Self::take).
    #[must_use]
    pub fn chunk(&self) -> &ChatCompletionChunk {
        &self.chunk
    }

    /// Takes the chunk that was read last out of the reader.
    #[must_use]
    pub fn take(&mut self) -> ChatCompletionChunk {
        if self.pattern.is_some() { self.chunk.clone() } else { std::mem::take(&mut self.chunk) }
    }

    /// Reads data that no pattern helps with.
    #[inline(never)]
    fn read_alone(&mut self, data: &mut &str) -> Result<(), ParseError> {
        let whole = std::mem::take(data);
        if !self.held.is_empty() {
            *data = &whole[self.mend(whole.as_bytes(), None)?..];
            return Ok(());
        }
        self.chunk = ChatCompletionChunk::default();
        match json::first_object(whole, &mut self.chunk, Wide::Refuse) {
            Ok(rest) => {
                *data = rest;
                if self.finish_chunk(whole) {
                    self.pattern.learn(&whole[..whole.len() - rest.len()], &mut self.chunk);
                } else {
                    self.pattern.forget();
                }
                Ok(())
            }
            Err(flaw) if flaw.is_mendable() => {
                *data = &whole[self.mend(whole.as_bytes(), Some(flaw))?..];
                Ok(())
            }
            Err(error) => {
                self.clear();
                Err(error)
            }
        }
    }

    /// Reads data with its flaws mended, and joins what was held with what opens its fields. Returns where the object ends.
    fn mend(&mut self, data: &[u8], flaw: Option<ParseError>) -> Result<usize, ParseError> {
        self.clear();
        let repaired = repair(data, Halves::TakeOut);
        let mut chunk = ChatCompletionChunk::default();
        json::first_object(&repaired.json, &mut chunk, Wide::Round)
            .map_err(|error| flaw.unwrap_or(error))?;
        for (position, choice) in chunk.choices.iter_mut().enumerate() {
            self.join(position, choice, &repaired.halves);
        }
        self.chunk = chunk;
        self.finish_chunk(&repaired.json);
        Ok(repaired.end)
    }

    /// Corrects a chunk by what came before it. False if the next one cannot be like it.
    fn finish_chunk(&mut self, json: &str) -> bool {
        let mut is_usual = true;
        for (place, choice) in self.chunk.choices.iter_mut().enumerate() {
            if self.is_single {
                choice.index = 0;
            }
            is_usual &= choice.message.is_none();
            self.messages.settle(choice, || has_delta(json, place));
        }
        is_usual
    }

    fn clear(&mut self) {
        self.pattern.forget();
        self.chunk = ChatCompletionChunk::default();
    }

    fn join(
        &mut self,
        position: usize,
        choice: &mut ChatCompletionChunkChoice,
        halves: &[CutString],
    ) {
        let index = choice.index;
        let finished = choice.finish_reason.is_some();
        let cut = |field, call| {
            let place = Place { choice: position, field, call };
            let found = halves.iter().find(|string| string.place == place);
            found.map_or((None, None), |string| (string.opening, string.closing))
        };
        for (field, call, position, text) in streamed_texts(choice) {
            let (opening, closing) = cut(field, position);
            let before = self.take_half(index, field, call);
            if let (Some(half), None, None, true) = (before, opening, closing, text.is_empty()) {
                self.hold(Held { choice: index, field, call, half }, text);
                continue;
            }
            match (before, opening) {
                (Some(first), Some(second)) => text.insert(0, character(first, second)),
                (None, None) => {}
                _ => text.insert(0, char::REPLACEMENT_CHARACTER),
            }
            if let Some(half) = closing {
                self.hold(Held { choice: index, field, call, half }, text);
            }
        }
        if finished {
            self.give_up(choice);
        }
    }

    fn take_half(&mut self, choice: u32, field: Field, call: i64) -> Option<u16> {
        let found = self
            .held
            .iter()
            .position(|held| (held.choice, held.field, held.call) == (choice, field, call))?;
        Some(self.held.swap_remove(found).half)
    }

    fn hold(&mut self, held: Held, text: &mut String) {
        if self.held.len() < MOST_HELD {
            self.held.push(held);
        } else {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// No more will come for a choice: what is held for it becomes U+FFFD.
    fn give_up(&mut self, choice: &mut ChatCompletionChunkChoice) {
        let (lost, kept) = self.held.iter().partition(|held| held.choice == choice.index);
        self.held = kept;
        let lost: Vec<Held> = lost;
        for held in lost {
            end_of_field(choice, held.field, held.call).push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Whether the choice at a place has a delta in the text that it was read of.
#[cold]
fn has_delta(json: &str, place: usize) -> bool {
    let Ok(chunk) = json::from_slice(json.as_bytes()) else { return false };
    let choices = &chunk["choices"];
    let in_list = || choices.as_array()?.iter().filter(|choice| choice.is_object()).nth(place);
    in_list().unwrap_or(choices).get("delta").is_some_and(Value::is_object)
}

/// The strings of a choice that go on over chunks: field, number of the tool call, its position, text.
fn streamed_texts(
    choice: &mut ChatCompletionChunkChoice,
) -> impl Iterator<Item = (Field, i64, usize, &mut String)> {
    let delta = &mut choice.delta;
    let content = delta.content.as_mut().and_then(|content| match content {
        Content::Text(text) => Some(text),
        Content::Parts(_) => None,
    });
    let texts = [
        (Field::Content, content),
        (Field::Reasoning, delta.reasoning.as_mut()),
        (Field::ReasoningContent, delta.reasoning_content.as_mut()),
        (Field::Refusal, delta.refusal.as_mut()),
    ];
    let texts = texts.into_iter().filter_map(|(field, text)| Some((field, 0, 0, text?)));
    let arguments = delta.tool_calls.iter_mut().enumerate().filter_map(|(position, call)| {
        let number = call.index.unwrap_or(i64::try_from(position).unwrap_or(i64::MAX));
        Some((Field::Arguments, number, position, call.function.arguments.as_mut()?))
    });
    texts.chain(arguments)
}

/// Where to add to a field, made if the chunk does not have it.
fn end_of_field(choice: &mut ChatCompletionChunkChoice, field: Field, call: i64) -> &mut String {
    let delta = &mut choice.delta;
    match field {
        Field::Content => delta.content.get_or_insert_with(Content::default).last_text_mut(),
        Field::Reasoning => delta.reasoning.get_or_insert_with(String::new),
        Field::ReasoningContent => delta.reasoning_content.get_or_insert_with(String::new),
        Field::Refusal => delta.refusal.get_or_insert_with(String::new),
        Field::Arguments => {
            let found = delta.tool_calls.iter().position(|known| known.index == Some(call));
            let position = found.unwrap_or_else(|| {
                delta
                    .tool_calls
                    .push(ToolCallDelta { index: Some(call), ..ToolCallDelta::default() });
                delta.tool_calls.len() - 1
            });
            delta.tool_calls[position].function.arguments.get_or_insert_with(String::new)
        }
    }
}

fn character(first: u16, second: u16) -> char {
    char::decode_utf16([first, second])
        .next()
        .and_then(Result::ok)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}
