//! What the events of a chat stream mean; pure, so that stream and unary answer share it.

use crate::{
    ApiKey, Error,
    error::Partial,
    outcome::{answer_too_large, unreadable},
};
use atoma_sse::{Decoder, Event, Limits};
use atoma_types::{
    ApiError, ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChunkReader,
    ObjectKind,
};

/// Reads the events of one answer in order, and knows whether it is whole.
#[derive(Debug)]
pub(crate) struct Events {
    reader: ChunkReader,
    answer: ChatCompletionAccumulator,
    /// What had come when reading failed, shared with the error.
    failed: Option<Partial>,
    key: Option<ApiKey>,
    /// The number of choices asked for.
    choices: u32,
    /// How much of the answer is kept at most, in bytes.
    limit: usize,
    done: bool,
    /// The last data that was no JSON: it may say why the stream ended.
    stray: Vec<u8>,
}

/// What an event said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A piece of the answer, in [`Events::chunk`].
    Chunk,
    /// Nothing that matters: a comment in disguise, an empty object.
    Nothing,
    /// `[DONE]`.
    Done,
}

impl Events {
    pub(crate) fn new(choices: u32, key: Option<ApiKey>, limit: usize) -> Self {
        Self {
            reader: ChunkReader::new(),
            answer: ChatCompletionAccumulator::new(),
            failed: None,
            key,
            choices,
            limit,
            done: false,
            stray: Vec::new(),
        }
    }

    /// A decoder for such a stream: some servers write `error: {…}` as a field of its own.
    pub(crate) fn decoder(event_limit: usize) -> Decoder {
        let limits = Limits::new().line(event_limit).event(event_limit);
        Decoder::with_limits(limits).accept_error_field(true)
    }

    pub(crate) fn read(&mut self, event: &Event<'_>) -> Result<Said, Error> {
        self.read_data(event.data(), event.name() == "error")
    }

    /// Reads the data of one event; `is_error` if the event's name says so.
    pub(crate) fn read_data(&mut self, data: &str, is_error: bool) -> Result<Said, Error> {
        match data.as_bytes().first() {
            Some(b'{') if !is_error => self.read_chunk(data),
            // Some gateways send their keep-alive comments as data.
            None | Some(b':') => Ok(Said::Nothing),
            _ => self.other(data.trim_ascii(), is_error),
        }
    }

    /// Reads a whole JSON object that came where a stream was asked for.
    pub(crate) fn read_json(&mut self, json: &[u8]) -> Result<Said, Error> {
        if self.read_chunk(&String::from_utf8_lossy(json))? != Said::Chunk {
            return Err(Error::unexpected("the answer holds no completion", &self.cleansed(json)));
        }
        // One that calls itself a piece is the first line of something cut or unknown.
        self.done = self.chunk().object != ObjectKind::ChatCompletionChunk;
        Ok(Said::Chunk)
    }

    /// The last chunk that was read.
    pub(crate) fn chunk(&self) -> &ChatCompletionChunk {
        self.reader.chunk()
    }

    /// The last chunk that was read, to be given away.
    pub(crate) fn take_chunk(&mut self) -> ChatCompletionChunk {
        self.reader.take()
    }

    /// `[DONE]` was seen, or every choice has its finish reason.
    pub(crate) fn is_complete(&self) -> bool {
        self.answer.chunks() > 0 && (self.done || self.answer.all_finished())
    }

    /// A chunk was seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.answer.chunks() > 0
    }

    /// Every choice asked for is finished: at most the usage is still to come.
    pub(crate) fn is_settled(&self) -> bool {
        self.done || (self.answer.all_finished() && self.answer.choices() >= self.choices as usize)
    }

    /// Ends the answer: whole, or an error with what there is.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.is_complete() {
            return Ok(());
        }
        let stray = std::mem::take(&mut self.stray);
        Err(Error::truncated(&self.cleansed(&stray)))
    }

    /// The answer as far as it came; none before the first chunk.
    pub(crate) fn partial(&self) -> Option<ChatCompletionResponse> {
        match &self.failed {
            Some(failed) => failed.get().cloned(),
            None => self.has_begun().then(|| self.answer.response()),
        }
    }

    /// Ends the reading: the answer as far as it came, for the error to keep.
    pub(crate) fn fail(&mut self) -> Option<Partial> {
        if self.has_begun() {
            self.failed = Some(Partial::new(std::mem::take(&mut self.answer).into_response()));
        }
        self.failed.clone()
    }

    pub(crate) fn into_response(self) -> ChatCompletionResponse {
        self.answer.into_response()
    }

    /// `text` without the key, should the server have echoed it.
    pub(crate) fn cleansed<'a>(&self, text: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        match &self.key {
            Some(key) => key.redact(text),
            None => text.into(),
        }
    }

    fn read_chunk(&mut self, json: &str) -> Result<Said, Error> {
        if let Err(error) = self.reader.read_in_place(json) {
            return Err(unreadable(error, &self.cleansed(json.as_bytes())));
        }
        let chunk = self.reader.chunk();
        if chunk.error().is_some() {
            return Err(self.told(json.as_bytes()));
        }
        if chunk.choices.is_empty() && chunk.id.is_empty() && chunk.usage().is_none() {
            return Ok(Said::Nothing);
        }
        self.answer.push(chunk);
        if self.answer.size() > self.limit {
            return Err(answer_too_large(self.limit));
        }
        Ok(Said::Chunk)
    }

    fn other(&mut self, data: &str, is_error: bool) -> Result<Said, Error> {
        if data.eq_ignore_ascii_case("[done]") {
            self.done = true;
            return Ok(Said::Done);
        }
        if is_error || data.starts_with(['[', '{']) {
            if let Some(api) = ApiError::from_body(&self.cleansed(data.as_bytes())) {
                return Err(Error::told(api));
            }
        }
        if data.starts_with('{') {
            return self.read_chunk(data);
        }
        self.stray = data.as_bytes()[..data.len().min(1024)].to_vec();
        Ok(Said::Nothing)
    }

    /// The error that `json` tells, read again without the key in it.
    fn told(&self, json: &[u8]) -> Error {
        let json = self.cleansed(json);
        let in_chunk = || ChatCompletionChunk::from_slice(&json).ok()?.error().cloned();
        match in_chunk().or_else(|| ApiError::from_body(&json)) {
            Some(api) => Error::told(api),
            None => Error::unexpected("the answer is an error of an unknown form", &json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_comes_alone_is_no_whole_answer() {
        let piece = r#"{"object":"chat.completion.chunk","choices":[{"delta":{"content":"a"}}]}"#;
        let last = piece.replace("}]", r#","finish_reason":"stop"}]"#);
        let whole = r#"{"object":"chat.completion","choices":[{"message":{"content":"a"}}]}"#;
        let unnamed = r#"{"choices":[{"message":{"content":"a"}}]}"#;
        for (json, is_whole) in [(piece, false), (&last, true), (whole, true), (unnamed, true)] {
            let mut events = Events::new(1, None, 1000);
            assert_eq!(events.read_json(json.as_bytes()).unwrap(), Said::Chunk, "{json}");
            assert_eq!(events.end().is_ok(), is_whole, "{json}");
        }
    }

    #[test]
    fn what_is_kept_of_an_endless_answer_is_bounded() {
        let mut events = Events::new(1, None, 1000);
        let data = |member: &str| {
            format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{{member}}}}}]}}"#)
        };
        let text = data(&format!(r#""content":"{}""#, "x".repeat(100)));
        for _ in 0..10 {
            assert_eq!(events.read_data(&text, false).unwrap(), Said::Chunk);
        }
        let error = events.read_data(&data(r#""reasoning":"x""#), false).unwrap_err();
        assert!(error.is_too_large());
        assert_eq!(error.to_string(), "the answer is larger than 1000 bytes");
        assert_eq!(events.partial().unwrap().text().len(), 1000);
    }
}
