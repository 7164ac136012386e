use super::accumulator::ChatCompletionAccumulator;
use super::chunk_reader::ChunkReader;
use super::{Progress, ResponseModel, Seen, StreamModel, next_value, read_other};
use crate::{ApiError, ChatCompletionChunk, ChatCompletionResponse, ObjectKind, ParseError};

/// The reader of a streamed chat completion.
///
/// It is a [`ChunkReader`] and a [`ChatCompletionAccumulator`] behind the interface that all streams share.
#[derive(Debug, Clone, Default)]
pub struct ChatModel {
    reader: ChunkReader,
    response: ChatCompletionAccumulator,
    /// How many choices were asked for; zero means one.
    expected: u32,
    is_whole: bool,
    has_unreadable: bool,
}

impl StreamModel for ChatModel {
    type Chunk = ChatCompletionChunk;
    type Response = ChatCompletionResponse;

    #[inline]
    fn read(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError> {
        if data.starts_with('{') && event != "error" {
            return self.read_object(data);
        }
        self.read_unusual(event, data)
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
            is_settled: is_finished && self.response.choices() >= self.expected as usize,
            has_unreadable: self.has_unreadable,
            size: self.response.size(),
        }
    }

    fn response(&self) -> ChatCompletionResponse {
        self.response.response()
    }

    fn into_response(self) -> ChatCompletionResponse {
        self.response.into_response()
    }
}

impl ChatModel {
    fn read_object(&mut self, data: &mut &str) -> Result<Seen, ParseError> {
        self.reader.read_next(data)?;
        if !data.is_empty() {
            *data = next_value(data);
        }
        let chunk = self.reader.chunk();
        if let Some(error) = chunk.error() {
            return Ok(Seen::Error(Box::new(error.clone())));
        }
        if chunk.choices.is_empty() && chunk.id.is_empty() && chunk.usage().is_none() {
            return Ok(Seen::Nothing);
        }
        self.response.push(chunk);
        Ok(Seen::Chunk)
    }

    /// Reads an event named `error`, and data that does not begin with an object.
    #[cold]
    fn read_unusual(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError> {
        let text = data.trim_ascii();
        if text.starts_with('{') {
            if event == "error" {
                if let Some(error) = ApiError::from_body(text.as_bytes()) {
                    *data = "";
                    return Ok(Seen::Error(Box::new(error)));
                }
            }
            *data = text;
            return self.read_object(data);
        }
        let seen = read_other(event, data);
        self.has_unreadable |= seen == Seen::Unreadable;
        Ok(seen)
    }
}

impl ResponseModel for ChatCompletionResponse {
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        Self::from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        self.error()
    }

    fn has_content(&self) -> bool {
        !self.choices.is_empty() || !self.id.is_empty()
    }
}
