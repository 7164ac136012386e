//! Reads the events of one response into a model. Pure: stream and unary response share it.
//!
//! ```text
//! event ─► inspection ─┬─ {…} ────────► model.read ─► Chunk: the usual case, inline
//!                      └─ other data ─► [DONE] ─► Done
//!                                       model.read ─► judge ─┬─ Chunk or Nothing
//!                                                            └─ the server's error, unreadable, too large
//! ```
//!
//! `[DONE]` alone does not make a response complete, nor does its absence make it incomplete: servers forget it, and gateways add
//! it to truncated streams. [`EventReader::is_complete`] has the rule.

mod marks;

use crate::{ApiKey, Error, Result, error::Partial, inspect::Inspection};
use atoma_sse::Event;
use atoma_types::{ApiError, ParseError, Progress, ResponseModel as _, Seen, StreamModel, Usage};
use marks::{after_done_mark, is_done_mark, is_inspected, without_field_name};
use std::borrow::Cow;

/// Reads the events of one response in order, and knows whether it is complete.
pub(crate) struct EventReader<M> {
    /// Joins the chunks.
    model: Box<M>,
    /// Sees each event before it is parsed, and may replace its text.
    inspection: Inspection,
    /// The key that is redacted from errors.
    key: Option<ApiKey>,
    /// The most bytes of content that are kept.
    limit: usize,
    /// Whether `[DONE]` was read.
    is_done: bool,
    /// The end of the stream cut an event off.
    has_lost: bool,
    /// The last data that was not JSON: it may say why the stream ended.
    stray: Vec<u8>,
    /// The values of the last event that were not read yet. An event holds several only where a
    /// proxy lost a blank line.
    rest: Option<Box<Rest>>,
    /// The error that ended the response, with the partial response in it.
    failed: Option<Error>,
}

/// Values of which the first `read` bytes were read.
struct Rest {
    text: String,
    read: usize,
    /// The text is a JSON body, sent in place of a stream.
    is_body: bool,
}

/// The kind of a value in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A chunk, in [`EventReader::chunk`].
    Chunk,
    /// No part of the response: a comment sent as data, an empty object.
    Nothing,
    /// `[DONE]`. Servers send little after it, but it counts: usage, an error, even text. Only data
    /// that cannot be read is ignored there.
    Done,
}

impl<M: StreamModel> EventReader<M> {
    pub(crate) fn new(
        choices: u32,
        inspection: Inspection,
        key: Option<ApiKey>,
        limit: usize,
    ) -> Self {
        let mut model = Box::new(M::default());
        model.expect_choices(choices);
        Self {
            model,
            inspection,
            key,
            limit,
            is_done: false,
            has_lost: false,
            stray: Vec::new(),
            rest: None,
            failed: None,
        }
    }

    /// The model that the events are read into.
    pub(crate) fn model(&self) -> &M {
        &self.model
    }

    /// Reads the first value of an event.
    #[inline]
    pub(crate) fn read(&mut self, event: &Event<'_>) -> Result<EventKind> {
        if self.inspection.is_empty() || !is_inspected(event.data()) {
            return self.read_data(event.name(), event.data());
        }
        self.read_inspected(event)
    }

    #[cold]
    fn read_inspected(&mut self, event: &Event<'_>) -> Result<EventKind> {
        let text = self.inspection.event(event.data())?;
        self.read_data(event.name(), &text)
    }

    /// Reads the first value of the data of an event.
    #[inline]
    fn read_data(&mut self, name: &str, data: &str) -> Result<EventKind> {
        let mut rest = data;
        let kind = self.read_value(name, &mut rest, false)?;
        if !rest.is_empty() {
            self.keep_rest(rest, false);
        }
        Ok(kind)
    }

    /// Reads the first value of a JSON body that was sent in place of a stream.
    pub(crate) fn read_body(&mut self, body: &[u8]) -> Result<EventKind> {
        let body =
            if self.inspection.is_empty() { body.into() } else { self.inspection.body(body)? };
        // Invalid UTF-8 becomes U+FFFD, as in an event stream.
        let text = String::from_utf8_lossy(crate::body_format::trimmed(&body));
        let mut rest = &*text;
        let kind = self.read_value("", &mut rest, true)?;
        if kind != EventKind::Chunk {
            let body = self.redacted(text.as_bytes());
            return Err(Error::unexpected("the response has no content", &body));
        }
        // Text after a complete response, such as a comment of a gateway, is not part of it.
        let is_value = |start: &&str| without_field_name(rest).starts_with(*start);
        if !self.progress().is_finished || ["{", "[{", "[D", "[d"].iter().any(is_value) {
            self.keep_rest(rest, true);
        }
        Ok(kind)
    }

    #[cold]
    fn keep_rest(&mut self, rest: &str, is_body: bool) {
        let kept = || Box::new(Rest { text: rest.to_owned(), read: 0, is_body });
        self.rest = (!rest.is_empty()).then(kept);
    }

    /// Whether the last event has more values.
    #[inline]
    pub(crate) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Reads the next value of the last event.
    #[cold]
    pub(crate) fn read_rest(&mut self) -> Result<EventKind> {
        // Taken and put back, so that an error drops the values after it.
        let Some(mut rest) = self.rest.take() else { return Ok(EventKind::Nothing) };
        let mut text = &rest.text[rest.read..];
        let kind = self.read_value("", &mut text, rest.is_body);
        rest.read = rest.text.len() - text.len();
        if rest.read < rest.text.len() && kind.is_ok() {
            self.rest = Some(rest);
        }
        kind
    }

    /// Reads an event that the end of the stream left without its blank line.
    ///
    /// The standard drops it. A `[DONE]` or a complete JSON object cannot be incomplete, though,
    /// and some servers forget the last blank line.
    pub(crate) fn read_incomplete(&mut self, data: &str) -> Result<EventKind> {
        let data = data.trim_ascii();
        let is_json = || M::default().read("", &mut { data }).is_ok();
        if is_done_mark(data) || (data.starts_with('{') && is_json()) {
            self.read(&Event::new(data))
        } else {
            self.lose(data);
            Ok(EventKind::Nothing)
        }
    }

    /// Notes that the end of the stream cut off an event with this data. Unless `[DONE]` was read
    /// before, the response is then not complete, whatever its finish reason.
    pub(crate) fn lose(&mut self, data: &str) {
        let data = data.trim_ascii();
        self.has_lost |= is_inspected(data) && !"[DONE]".starts_with(data);
    }

    /// Returns the chunk that was read last.
    pub(crate) fn chunk(&self) -> &M::Chunk {
        self.model.chunk()
    }

    /// Takes the chunk that was read last.
    pub(crate) fn take_chunk(&mut self) -> M::Chunk {
        self.model.take_chunk()
    }

    /// Whether `[DONE]` was read.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    pub(crate) fn progress(&self) -> Progress {
        self.model.progress()
    }

    /// `[DONE]` was read, or every choice has its finish reason, and no event was unreadable.
    pub(crate) fn is_complete(&self) -> bool {
        self.progress().is_complete(self.is_done) && (self.is_done || !self.has_lost)
    }

    /// Nothing but the usage can still come.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_done || self.progress().is_settled
    }

    /// Ends a response whose body has ended: an error if it is not complete.
    pub(crate) fn end(&mut self, extensions: &mut http::Extensions) -> Result<()> {
        if self.is_complete() {
            return self.inspection.finish(extensions);
        }
        let stray = std::mem::take(&mut self.stray);
        let stray = self.redacted(&stray);
        let progress = self.progress();
        Err(if (self.is_done || progress.is_finished) && progress.has_unreadable {
            Error::unexpected("an event of the response is not JSON", &stray)
        } else {
            Error::truncated(&stray)
        })
    }

    /// Returns the response so far; `None` before the first chunk.
    pub(crate) fn partial(&self) -> Option<M::Response> {
        match &self.failed {
            Some(error) => error.partial_as().cloned(),
            None => (self.progress().chunks > 0).then(|| self.model.response()),
        }
    }

    /// Ends the response with this error, which receives the partial response. From now on
    /// [`failed`](Self::failed) returns it.
    pub(crate) fn fail(&mut self, error: Error) -> Error {
        // A partial response without a chunk would look like an empty one.
        let has_begun = self.progress().chunks > 0;
        let partial =
            has_begun.then(|| Partial::new(std::mem::take(&mut *self.model).into_response()));
        self.rest = None;
        let is_confidential = self.inspection.is_confidential();
        // The text of a confidential response must not reach a log through an error.
        let error = if is_confidential { error.without_text() } else { error };
        self.failed.insert(error.with_partial(partial)).clone()
    }

    /// Returns the error that ended the response.
    pub(crate) fn failed(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    pub(crate) fn into_response(self) -> M::Response {
        self.model.into_response()
    }

    /// Takes the response, and leaves none.
    pub(crate) fn take_response(&mut self) -> M::Response {
        std::mem::take(&mut *self.model).into_response()
    }

    /// Returns the number of tokens used so far, if the server reports it.
    pub(crate) fn usage(&self) -> Option<Usage> {
        match &self.failed {
            Some(error) => error.partial_as::<M::Response>()?.usage(),
            None => self.model.usage(),
        }
    }

    /// Returns `text` without the API key, in case the server repeated it.
    pub(crate) fn redacted<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.key {
            Some(key) => key.redact(text),
            None => text.into(),
        }
    }

    /// Reads the value at the beginning of `data`, and moves `data` past it.
    #[inline]
    fn read_value(&mut self, name: &str, data: &mut &str, is_body: bool) -> Result<EventKind> {
        let text = *data;
        if text.starts_with('{') && !is_body {
            // One call per event, and a comparison: the limit costs nothing.
            match self.model.read(name, data) {
                // Nearly every event.
                Ok(Seen::Chunk) if self.model.size() <= self.limit => Ok(EventKind::Chunk),
                seen => self.judge(seen, name, text),
            }
        } else {
            self.read_unusual(name, data, is_body)
        }
    }

    /// Reads a JSON body, or data that is not a JSON object.
    #[cold]
    fn read_unusual(&mut self, name: &str, data: &mut &str, is_body: bool) -> Result<EventKind> {
        let text = *data;
        if let Some(rest) = after_done_mark(text) {
            *data = rest;
            self.is_done = true;
            return Ok(EventKind::Done);
        }
        let is_json = |start: &&str| without_field_name(text).starts_with(*start);
        // After `[DONE]` only objects and lists of objects count: usage, or an error.
        if self.is_done && !["{", "[{"].iter().any(is_json) {
            *data = "";
            return Ok(EventKind::Nothing);
        }
        let seen = if is_body { self.model.read_body(data) } else { self.model.read(name, data) };
        self.judge(seen, name, text)
    }

    /// Decides about everything but a usual chunk.
    #[cold]
    fn judge(
        &mut self,
        seen: std::result::Result<Seen, ParseError>,
        name: &str,
        text: &str,
    ) -> Result<EventKind> {
        match seen {
            Ok(Seen::Chunk) if self.model.size() <= self.limit => Ok(EventKind::Chunk),
            Ok(Seen::Chunk) => Err(Error::response_too_large(self.limit)),
            Ok(Seen::Error(error)) => Err(self.reported(name, text, *error)),
            Ok(Seen::Unreadable) => {
                self.stray = text.as_bytes()[..text.len().min(STRAY_LIMIT)].to_vec();
                Ok(EventKind::Nothing)
            }
            Ok(_) => Ok(EventKind::Nothing),
            // The response was complete before it.
            Err(_) if self.is_done => Ok(EventKind::Nothing),
            Err(error) => Err(to_error(error, &self.redacted(text.as_bytes()), Error::in_stream)),
        }
    }

    /// The error that the server reports in `text`, read again from the text without the key.
    #[cold]
    fn reported(&self, name: &str, text: &str, error: ApiError) -> Error {
        let redacted = match self.redacted(text.as_bytes()) {
            // The key is not in the text: nearly always.
            Cow::Borrowed(_) => return Error::in_stream(error),
            Cow::Owned(redacted) => redacted,
        };
        let text = String::from_utf8_lossy(&redacted);
        match M::default().read(name, &mut &*text) {
            Ok(Seen::Error(error)) => Error::in_stream(*error),
            _ => Error::unexpected("the response is an error of an unknown form", &redacted),
        }
    }
}

/// The most bytes that are kept of data that is not JSON.
const STRAY_LIMIT: usize = 1024;

/// The error for JSON that cannot be parsed. A list may report an error all the same, which
/// `reported` makes an [`Error`] of.
pub(crate) fn to_error(
    error: ParseError,
    json: &[u8],
    reported: impl FnOnce(ApiError) -> Error,
) -> Error {
    match ApiError::from_body(json) {
        Some(api) if json.starts_with(b"[") => reported(api),
        _ => Error::unreadable(error, json),
    }
}

#[cfg(test)]
mod tests;
