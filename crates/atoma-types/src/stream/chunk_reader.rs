use super::{
    numbering::Numbering,
    reader::Reader,
    snapshots::{self, Messages},
    streamed::StreamedChunk,
};
use crate::{
    ObjectKind, ParseError, SharedStr,
    chat::{
        chunk::{ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta},
        content::{Content, ContentPart},
        tool::ToolCallDelta,
        usage::Usage,
    },
    json,
    json::path::{Field, FieldPath, Place},
};
use serde_json::Value;

/// Reads the events of one stream, in order.
///
/// An event is read by itself, with two exceptions. Servers written in JavaScript split strings
/// between UTF-16 code units, so an event may end with one half of a character and the next one
/// begin with the other. The reader holds the first half back and puts it before the second. A half
/// whose other half never arrives becomes U+FFFD. And a complete message that repeats the deltas
/// before it is not new: the delta is empty then.
///
/// Nearly all chunks of a stream differ in their new text only. Of such a chunk only that text is read, so that a reader is
/// several times as fast as reading each event alone, with the same result.
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
    reader: Reader<ChatCompletionChunk>,
    messages: Messages,
}

impl ChunkReader {
    /// Returns a reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many choices the request asked for, before the first chunk: they are then numbered
    /// from 0, whatever number the server starts with.
    ///
    /// With one, any index is that of the only choice, unless a chunk has several whole choices. With more, a server is known to
    /// count from 1 if an index of the number itself comes before 0 and before any content.
    ///
    /// The default is unknown: indices stay as they are.
    pub fn expect_choices(&mut self, n: u32) {
        self.reader.numbering = Numbering::of(n);
    }

    /// Reads the data of the next event. The same flaws are repaired as in
    /// [`crate::ChatCompletionResponse::from_slice`].
    ///
    /// # Errors
    ///
    /// The data is not a JSON object, or is incomplete. The reader may continue with the next event.
    pub fn read(&mut self, data: &[u8]) -> Result<ChatCompletionChunk, ParseError> {
        match std::str::from_utf8(data) {
            Ok(data) => self.read_in_place(data)?,
            Err(_) => {
                let messages = &mut self.messages;
                self.reader
                    .read_repaired(data, None, &mut |chunk, json| correct(messages, chunk, json))?;
            }
        }
        Ok(self.take())
    }

    /// Reads the data of the next event, which is known to be UTF-8.
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
        self.read_next(&mut data).map(drop)
    }

    /// Reads the first object of an event's data as [`read_in_place`](Self::read_in_place) does, and moves `data` past it.
    ///
    /// Returns true if a response that has the chunk before takes only the streamed strings of this one.
    #[inline]
    pub(crate) fn read_next(&mut self, data: &mut &str) -> Result<bool, ParseError> {
        let messages = &mut self.messages;
        self.reader.read(data, &mut |chunk, json| correct(messages, chunk, json))
    }

    /// Returns the chunk that was read last. Empty at the start, after an error, and possibly after [`take`](Self::take).
    #[must_use]
    #[inline]
    pub fn chunk(&self) -> &ChatCompletionChunk {
        self.reader.chunk()
    }

    /// Takes the chunk that was read last out of the reader.
    #[must_use]
    pub fn take(&mut self) -> ChatCompletionChunk {
        self.reader.take()
    }
}

/// Empties deltas that only repeat earlier ones. Returns false if there was a complete message,
/// whose meaning depends on those.
fn correct(messages: &mut Messages, chunk: &mut ChatCompletionChunk, json: &str) -> bool {
    let mut is_usual = true;
    for (position, choice) in chunk.choices.iter_mut().enumerate() {
        is_usual &= choice.message.is_none();
        messages.settle(choice, || has_delta(json, position));
    }
    is_usual
}

/// Returns whether the choice at a position has a delta in the text that it was read from.
#[cold]
fn has_delta(json: &str, position: usize) -> bool {
    let Ok(chunk) = json::from_slice(json.as_bytes()) else { return false };
    let choices = &chunk["choices"];
    let in_list = || choices.as_array()?.iter().filter(|choice| choice.is_object()).nth(position);
    in_list().unwrap_or(choices).get("delta").is_some_and(Value::is_object)
}

impl StreamedChunk for ChatCompletionChunk {
    const FIELDS: &'static [FieldPath] = &[
        (&["choices", "delta", "content"], Field::Content),
        (&["choices", "delta", "reasoning"], Field::Reasoning),
        (&["choices", "delta", "reasoning_content"], Field::ReasoningContent),
        (&["choices", "delta", "refusal"], Field::Refusal),
        (&["choices", "delta", "tool_calls", "function", "arguments"], Field::Arguments),
        (&["choices", "message", "content"], Field::MessageContent),
        (&["choices", "message", "reasoning"], Field::MessageReasoning),
        (&["choices", "message", "reasoning_content"], Field::MessageReasoningContent),
    ];

    fn is_whole(&self) -> bool {
        self.choices.iter().all(|choice| choice.message.is_some())
            || self.choices.iter().all(|choice| choice.finish_reason.is_some())
    }

    fn has_content(&self, position: usize) -> bool {
        snapshots::has_content(&self.choices[position].delta)
    }

    const WHOLE_FIELDS: &'static [FieldPath] =
        &[(&["choices", "delta", "content", "text"], Field::Part)];

    #[inline]
    fn choices(&self) -> usize {
        self.choices.len()
    }

    fn index_mut(&mut self, position: usize) -> &mut u32 {
        &mut self.choices[position].index
    }

    fn is_finished(&self, position: usize) -> bool {
        self.choices[position].finish_reason.is_some()
    }

    fn is_plain(&self) -> bool {
        let has_only_texts = |choice: &ChatCompletionChunkChoice| {
            let is_open = choice.finish_reason.is_none() && choice.stop_reason.is_none();
            let has_others =
                choice.logprobs.is_some() || choice.message.is_some() || choice.error.is_some();
            is_open && !has_others && choice.extra.is_empty() && choice.delta.extra.is_empty()
        };
        matches!(self.object, ObjectKind::ChatCompletionChunk)
            && self.usage.is_none()
            && self.error.is_none()
            && self.extra.is_empty()
            && self.choices.iter().all(has_only_texts)
    }

    #[inline]
    fn text_mut(&mut self, place: Place) -> Option<&mut String> {
        let delta = &mut self.choices.get_mut(place.choice)?.delta;
        match place.field {
            Field::Content => match delta.content.as_mut()? {
                Content::Text(text) => Some(text),
                Content::Parts(_) => None,
            },
            // Only one part: others may have been read from something else than an object.
            Field::Part => match delta.content.as_mut()? {
                Content::Parts(parts) => match &mut parts[..] {
                    [ContentPart::Text(part)] => Some(&mut part.text),
                    _ => None,
                },
                Content::Text(_) => None,
            },
            Field::Reasoning => delta.reasoning.as_mut(),
            Field::ReasoningContent => delta.reasoning_content.as_mut(),
            Field::Refusal => delta.refusal.as_mut(),
            Field::Arguments => delta.tool_calls.get_mut(place.call)?.function.arguments.as_mut(),
            // A message is never a template.
            Field::MessageContent | Field::MessageReasoning | Field::MessageReasoningContent => {
                None
            }
        }
    }

    fn each_text(&mut self, position: usize, each: &mut dyn FnMut(Place, i64, &mut String)) {
        let choice = &mut self.choices[position];
        // A message in place of a delta was read into the delta: its halves have the message's
        // place.
        let is_message = choice.message.as_deref().is_some_and(|message| *message == choice.delta);
        let place = |field, call| Place { choice: position, field, call };
        let delta = &mut choice.delta;
        let fields = if is_message {
            [Field::MessageContent, Field::MessageReasoning, Field::MessageReasoningContent]
        } else {
            [Field::Content, Field::Reasoning, Field::ReasoningContent]
        };
        if let Some(Content::Text(text)) = &mut delta.content {
            each(place(fields[0], 0), 0, text);
        }
        for (field, text) in [
            (fields[1], &mut delta.reasoning),
            (fields[2], &mut delta.reasoning_content),
            (Field::Refusal, &mut delta.refusal),
        ] {
            if let Some(text) = text {
                each(place(field, 0), 0, text);
            }
        }
        for (call, fragment) in delta.tool_calls.iter_mut().enumerate() {
            let number = fragment.index.unwrap_or(i64::try_from(call).unwrap_or(i64::MAX));
            if let Some(text) = &mut fragment.function.arguments {
                each(place(Field::Arguments, call), number, text);
            }
        }
        if is_message {
            choice.message = Some(Box::new(choice.delta.clone()));
        }
    }

    fn text_or_new(&mut self, place: Place, call: i64) -> &mut String {
        let delta: &mut ChatCompletionChunkDelta = &mut self.choices[place.choice].delta;
        match place.field {
            Field::Content | Field::MessageContent | Field::Part => {
                delta.content.get_or_insert_with(Content::default).last_text_mut()
            }
            Field::Reasoning | Field::MessageReasoning => {
                delta.reasoning.get_or_insert_with(String::new)
            }
            Field::ReasoningContent | Field::MessageReasoningContent => {
                delta.reasoning_content.get_or_insert_with(String::new)
            }
            Field::Refusal => delta.refusal.get_or_insert_with(String::new),
            Field::Arguments => {
                let calls = &mut delta.tool_calls;
                let found = calls.iter().position(|known| known.index == Some(call));
                let position = found.unwrap_or_else(|| {
                    calls.push(ToolCallDelta { index: Some(call), ..ToolCallDelta::default() });
                    calls.len() - 1
                });
                calls[position].function.arguments.get_or_insert_with(String::new)
            }
        }
    }

    #[inline]
    fn id_mut(&mut self) -> &mut SharedStr {
        &mut self.id
    }

    fn shared_texts(&mut self) -> [Option<&mut SharedStr>; 4] {
        [
            Some(&mut self.id),
            Some(&mut self.model),
            self.system_fingerprint.as_mut(),
            self.service_tier.as_mut(),
        ]
    }

    #[inline]
    fn created_mut(&mut self) -> &mut i64 {
        &mut self.created
    }

    #[inline]
    fn usage_mut(&mut self) -> Option<&mut Usage> {
        self.usage.as_deref_mut()
    }

    #[inline]
    fn signature_mut(&mut self) -> Option<&mut String> {
        self.signature.as_mut()
    }

    #[inline]
    fn response_hash_mut(&mut self) -> Option<&mut String> {
        self.response_hash.as_mut()
    }
}
