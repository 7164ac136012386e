//! The model of a chat stream, and of a chat completion that arrives in one piece.
//!
//! A body that claims to be a chat completion may be something else: the completion of another endpoint, a gateway's status
//! object, or an error with status 200. The functions at the end of this file decide by the name of the object first, and by its
//! members only where there is no name.
//!
//! ```text
//! data ─► ChunkReader ─► error? ─► a chunk of a chat? ─► ChatCompletionAccumulator ─► response
//!                          │              │ no
//!                          ▼              ▼
//!                     Seen::Error    Seen::Nothing
//! ```
use super::{
    Progress, ResponseModel, Seen, StreamModel, accumulator::ChatCompletionAccumulator,
    chunk_reader::ChunkReader, next_value, read_event,
};
use crate::{
    ApiError, ChatCompletionChoice, ChatCompletionChunk, ChatCompletionChunkDelta,
    ChatCompletionMessage, ChatCompletionResponse, ObjectKind, ParseError, Usage, json,
};
use serde_json::Value;
use std::borrow::Cow;

/// The reader of a streamed chat completion.
///
/// It is a [`ChunkReader`] and a [`ChatCompletionAccumulator`] behind the interface that all streams share.
#[derive(Debug, Clone)]
pub struct ChatModel {
    /// Reads the events; holds the current chunk.
    reader: ChunkReader,
    /// Joins the chunks that were read.
    response: ChatCompletionAccumulator,
    /// The number of choices that were asked for.
    expected: u32,
    /// Whether the server sent a complete response in place of events.
    is_whole: bool,
    /// Whether an event was skipped because it could not be read, which makes a missing end suspicious.
    has_unreadable: bool,
}

impl Default for ChatModel {
    fn default() -> Self {
        let mut model = Self {
            reader: ChunkReader::new(),
            response: ChatCompletionAccumulator::new(),
            expected: 0,
            is_whole: false,
            has_unreadable: false,
        };
        // Through the method, since the reader has to know as well.
        model.expect_choices(1);
        model
    }
}

impl StreamModel for ChatModel {
    type Chunk = ChatCompletionChunk;
    type Response = ChatCompletionResponse;

    #[inline]
    fn read(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError> {
        let seen = read_event(event, data, |data| self.read_object(data))?;
        self.has_unreadable |= seen == Seen::Unreadable;
        Ok(seen)
    }

    fn read_body(&mut self, body: &mut &str) -> Result<Seen, ParseError> {
        let seen = self.read("", body)?;
        // One that calls itself a chunk is the first line of something cut or unknown.
        self.is_whole |=
            seen == Seen::Chunk && self.chunk().object != ObjectKind::ChatCompletionChunk;
        Ok(seen)
    }

    fn expect_choices(&mut self, n: u32) {
        self.expected = n;
        self.reader.expect_choices(n);
    }

    #[inline]
    fn chunk(&self) -> &ChatCompletionChunk {
        self.reader.chunk()
    }

    fn take_chunk(&mut self) -> ChatCompletionChunk {
        self.reader.take()
    }

    #[inline]
    fn progress(&self) -> Progress {
        let is_finished = self.is_whole || self.response.all_finished();
        Progress {
            chunks: self.response.chunks(),
            choices: self.response.choices(),
            is_finished,
            // All choices that have begun are finished; more may follow if the request asked for more.
            is_settled: is_finished && self.response.choices() >= self.expected as usize,
            has_unreadable: self.has_unreadable,
            size: self.response.size(),
        }
    }

    #[inline]
    fn size(&self) -> usize {
        self.response.size()
    }

    fn usage(&self) -> Option<Usage> {
        self.response.usage().cloned()
    }

    fn response(&self) -> ChatCompletionResponse {
        self.response.response()
    }

    fn into_response(self) -> ChatCompletionResponse {
        self.response.into_response()
    }
}

impl ChatModel {
    /// The chunks joined so far, for [`ChatEvents`](crate::ChatEvents).
    #[must_use]
    pub fn accumulator(&self) -> &ChatCompletionAccumulator {
        &self.response
    }

    /// Reads the next object of the data and adds it to the response, if it is a chunk.
    fn read_object(&mut self, data: &mut &str) -> Result<Seen, ParseError> {
        // Two objects in one event happen: the rest is left in `data` for the next call.
        if self.reader.read_next(data)? {
            self.response.push_texts(self.reader.chunk());
            return Ok(Seen::Chunk);
        }
        if !data.is_empty() {
            *data = next_value(data);
        }
        let chunk = self.reader.chunk();
        // Before the check for a chunk: an error object has no choices.
        if let Some(error) = chunk.error() {
            return Ok(Seen::Error(Box::new(error.clone())));
        }
        // Nearly every chunk has this name, and choices.
        let is_usual = matches!(chunk.object, ObjectKind::ChatCompletionChunk);
        let is_chunk = match chunk.choices[..] {
            [] => is_chunk_without_choices(chunk),
            _ => is_usual || is_chat(chunk, self.response.choices() == 0),
        };
        if !is_chunk {
            return Ok(Seen::Nothing);
        }
        self.response.push(chunk);
        Ok(Seen::Chunk)
    }
}

/// Returns whether an object without choices is a chunk all the same: it counts tokens, or calls
/// itself one.
fn is_chunk_without_choices(chunk: &ChatCompletionChunk) -> bool {
    let is_named = chunk.object != ObjectKind::Unspecified && names_completion(&chunk.object);
    chunk.usage().is_some_and(|usage| !usage.is_zero()) || (is_named && !chunk.id.is_empty())
}

/// Returns whether choices are those of a chat, by the name of the object or because they do not have
/// text where the delta would be. Without a name, empty text counts only in the first chunk: chats may
/// have one next to an empty delta.
#[inline(never)]
fn is_chat(chunk: &ChatCompletionChunk, is_first: bool) -> bool {
    let is_first = match &chunk.object {
        ObjectKind::Unspecified => is_first,
        object if names_completion(object) => return true,
        _ => true,
    };
    let is_text = |text: &Value| text.as_str().is_some_and(|text| is_first || !text.is_empty());
    !chunk.choices.iter().all(|choice| {
        !choice.extra.is_empty()
            && choice.extra.get("text").is_some_and(is_text)
            && choice.delta == ChatCompletionChunkDelta::default()
    })
}

/// Returns whether an object may be a completion by its name.
fn names_completion(object: &ObjectKind) -> bool {
    match object {
        ObjectKind::Other(name) => name.starts_with("chat.completion"),
        _ => true,
    }
}

impl ResponseModel for ChatCompletionResponse {
    type Stream = ChatModel;

    /// Reads a body, which must be a completion or report an error.
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let mut response = Self::default();
        response.read(body)?;
        Ok(response)
    }

    /// Reads a body into the default value, as [`ResponseModel::from_slice`] does.
    fn read(&mut self, body: &[u8]) -> Result<bool, ParseError> {
        let has_more = self.read_body(body)?;
        // An empty list of choices is a response without content; no list at all is another kind of object.
        if self.choices.is_empty() && Self::error(self).is_none() && !has_choices(body) {
            return Err(ParseError::without("choices"));
        }
        Ok(has_more)
    }

    fn error(&self) -> Option<&ApiError> {
        self.error()
    }

    fn has_content(&self) -> bool {
        // Completions that are not of a chat have their text next to where the message would be.
        let has_message = |choice: &ChatCompletionChoice| {
            choice.message != ChatCompletionMessage::default() || !choice.extra.contains("text")
        };
        let is_named =
            names_completion(&self.object) && !self.extra.get("type").is_some_and(is_other_type);
        if self.choices.is_empty() { is_named } else { self.choices.iter().any(has_message) }
    }

    fn is_chunk(&self) -> bool {
        self.object == ObjectKind::ChatCompletionChunk
    }

    fn usage(&self) -> Option<Usage> {
        self.usage().map(Cow::into_owned)
    }
}

/// Returns whether the `type` of an object, which completions do not have, names something else.
fn is_other_type(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| !kind.is_empty() && !kind.starts_with("chat.completion"))
}

/// Returns whether a body has a list of choices. Only called if it is empty.
#[cold]
pub(crate) fn has_choices(body: &[u8]) -> bool {
    json::from_slice(body).is_ok_and(|value| value.get("choices").is_some_and(Value::is_array))
}
