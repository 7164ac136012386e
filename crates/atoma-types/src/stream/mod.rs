//! Reading streams: events into chunks, and chunks into a response.

pub(crate) mod accumulator;
pub(crate) mod arguments;
pub(crate) mod chat;
mod choice;
pub(crate) mod chunk_reader;
pub(crate) mod completion_events;
pub(crate) mod completions;
pub(crate) mod events;
mod logprobs;
mod memory_size;
mod merge;
mod numbering;
mod reader;
mod snapshots;
mod streamed;
mod surrogates;
mod template;
mod tool_calls;
pub(crate) mod whole;

use crate::{
    ApiError, ParseError, Usage,
    error::{is_explicit, names_failure, names_notice},
};
use serde::de::IgnoredAny;

/// The reader of one streamed response: it reads events into chunks, and joins the chunks into the response.
///
/// The caller splits the bytes into events, calls [`read`](Self::read) for the data of each, and
/// asks [`progress`](Self::progress) whether the response is complete. The model knows neither
/// `[DONE]` nor HTTP.
///
/// ```
/// use atoma_types::{ChatModel, Seen, StreamModel};
///
/// let mut model = ChatModel::default();
/// for mut data in [
///     r#"{"choices": [{"delta": {"content": "Hel"}}]}"#,
///     r#"{"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}"#,
/// ] {
///     while !data.is_empty() {
///         if let Seen::Chunk = model.read("", &mut data)? {
///             print!("{}", model.chunk().text());
///         }
///     }
/// }
/// assert!(model.progress().is_complete(false));
/// assert_eq!(model.into_response().text(), "Hello");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
pub trait StreamModel: Default + Send + 'static {
    /// One piece of the response.
    type Chunk: Clone + Send + Sync;

    /// The response that the chunks add up to.
    type Response: ResponseModel;

    /// Reads the first value in the data of an event, and moves `data` past it.
    ///
    /// Most events hold one value, and `data` is empty afterwards. Proxies that lose a blank line put several into one event:
    /// call this again until `data` is empty. `event` is the event's name, empty for most.
    ///
    /// # Errors
    ///
    /// The data is a JSON object that is broken or incomplete. `data` is empty then.
    fn read(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError>;

    /// Reads the first value of a JSON body that was sent in place of a stream, and moves `body`
    /// past it.
    ///
    /// An object that calls itself a complete response needs no finish reason to be complete.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn read_body(&mut self, body: &mut &str) -> Result<Seen, ParseError>;

    /// Sets how many choices the request asked for, before the first event. The default is 1.
    fn expect_choices(&mut self, _n: u32) {}

    /// The chunk read last. Empty at the start, after an error and after [`take_chunk`](Self::take_chunk).
    fn chunk(&self) -> &Self::Chunk;

    /// Takes the chunk read last out of the model.
    fn take_chunk(&mut self) -> Self::Chunk;

    /// Returns the progress of the response.
    fn progress(&self) -> Progress;

    /// About how many bytes of content are kept: [`Progress::size`].
    fn size(&self) -> usize {
        self.progress().size
    }

    /// Returns the number of tokens used so far, if the server reports it. The default is `None`.
    fn usage(&self) -> Option<Usage> {
        None
    }

    /// Returns the response so far, while the stream continues.
    fn response(&self) -> Self::Response;

    /// Returns the response so far.
    fn into_response(self) -> Self::Response;
}

/// A typed JSON body of a response that is not streamed.
pub trait ResponseModel: Clone + Default + Send + Sync + 'static {
    /// The reader of the same response as a stream, for servers that stream it without being asked.
    type Stream: StreamModel<Response = Self>;

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// The body is not a JSON object, or is incomplete. An error that the server reports is not a parse error: see
    /// [`error`](Self::error).
    fn from_slice(body: &[u8]) -> Result<Self, ParseError>;

    /// Reads a body into this empty value, as [`from_slice`](Self::from_slice) does, without moving
    /// a large response. The value is undefined after an error. Returns whether anything but white
    /// space follows the first value of the body. The default calls `from_slice`, and returns false.
    ///
    /// # Errors
    ///
    /// As [`from_slice`](Self::from_slice).
    fn read(&mut self, body: &[u8]) -> Result<bool, ParseError> {
        *self = Self::from_slice(body)?;
        Ok(false)
    }

    /// Reads a body that is neither a JSON object nor a list: another JSON value, plain text, or
    /// nothing at all.
    ///
    /// The default is `None`: such a body is not a response of this kind.
    fn from_text(_body: &str) -> Option<Self> {
        None
    }

    /// Returns the error that the server reports in this body, with any status.
    fn error(&self) -> Option<&ApiError>;

    /// Returns whether the body is a response of this kind. A JSON object of another kind is not.
    fn has_content(&self) -> bool;

    /// Returns whether the body calls itself a chunk of a stream, so that more may follow it. The
    /// default is `false`.
    fn is_chunk(&self) -> bool {
        false
    }

    /// Returns the number of tokens used, if the server reports it. The default is `None`.
    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// The kind of value that [`StreamModel::read`] found in the data of an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// A chunk; [`StreamModel::chunk`] returns it.
    Chunk,
    /// No part of the response: a comment sent as data, `null`, an object without content.
    Nothing,
    /// Text that is not JSON. The rest of the event was skipped, and [`Progress::is_complete`] takes it into account.
    Unreadable,
    /// An error that the server reports. No other part of this event belongs to the response.
    Error(Box<ApiError>),
}

/// The progress of a streamed response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// The number of chunks that were read.
    pub chunks: u64,
    /// The number of choices that were seen.
    pub choices: usize,
    /// Whether every choice seen has a finish reason, or a complete response was read in place of a
    /// stream.
    pub is_finished: bool,
    /// Whether every choice that was asked for is finished: at most the usage is still to come.
    pub is_settled: bool,
    /// Whether an event was not JSON.
    pub has_unreadable: bool,
    /// About how many bytes of content are kept.
    pub size: usize,
}

impl Progress {
    /// Returns whether a stream that ends here is complete; `done` says whether the server marked
    /// the end.
    ///
    /// Complete is a stream of at least one choice with a finish reason for every choice seen. A server's own mark is enough
    /// as well. If an event could not be read, the stream is not complete: the event may have been part of the response.
    #[must_use]
    pub fn is_complete(&self, done: bool) -> bool {
        self.choices > 0 && !self.has_unreadable && (self.is_finished || done)
    }
}

/// Reads the first value in the data of an event, by a function that reads objects.
#[inline]
fn read_event(
    event: &str,
    data: &mut &str,
    mut read_object: impl FnMut(&mut &str) -> Result<Seen, ParseError>,
) -> Result<Seen, ParseError> {
    // The usual event, decided here so that it costs no call through a pointer.
    if data.starts_with('{') && (event.is_empty() || event == "message") {
        return read_object(data);
    }
    read_unusual(event, data, &mut read_object)
}

/// Reads an event that has a name, and data that does not begin with an object.
#[cold]
fn read_unusual(
    event: &str,
    data: &mut &str,
    read_object: &mut dyn FnMut(&mut &str) -> Result<Seen, ParseError>,
) -> Result<Seen, ParseError> {
    let text = without_prefix(data.trim_ascii());
    // Some gateways send several chunks as a list.
    let text = match text.strip_prefix('[').map(str::trim_ascii_start) {
        Some(list) if list.starts_with('{') && ApiError::from_body(text.as_bytes()).is_none() => {
            list
        }
        _ => text,
    };
    if !text.starts_with('{') {
        return Ok(read_other(event, data));
    }
    *data = text;
    let is_failure = names_failure(event);
    if is_failure {
        if let Some(error) = ApiError::from_body(text.as_bytes()) {
            *data = "";
            return Ok(Seen::Error(Box::new(error)));
        }
    }
    let seen = read_object(data)?;
    let is_usual = matches!(event, "" | "message") || is_failure;
    Ok(match seen {
        Seen::Error(_) if !is_usual && !is_explicit(text) => Seen::Nothing,
        Seen::Nothing if is_failure => Seen::Error(Box::new(unexplained(event))),
        seen => seen,
    })
}

/// Reads data that is not a JSON object: all of it.
pub(crate) fn read_other(event: &str, data: &mut &str) -> Seen {
    let text = without_prefix(std::mem::take(data).trim_ascii());
    if names_failure(event) && !text.is_empty() {
        let error = ApiError::from_body(text.as_bytes());
        return Seen::Error(Box::new(error.unwrap_or_else(|| unexplained(event))));
    }
    // Some gateways send their keep-alive comments as data.
    if text.is_empty() || text.starts_with(':') || text == "null" || is_keep_alive(text) {
        return Seen::Nothing;
    }
    // A list with an error, or a line of a log such as `[ERROR] out of memory`.
    if text.starts_with('[') {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let is_failure = is_json || text.split(']').next().is_some_and(names_failure);
        if let Some(error) = ApiError::from_body(text.as_bytes()).filter(|_| is_failure) {
            return Seen::Error(Box::new(error));
        }
    }
    // The name shows that it is not content, such as `event: ping` with the time.
    if names_notice(event) { Seen::Nothing } else { Seen::Unreadable }
}

/// The error of an event that only reports it by its name.
fn unexplained(event: &str) -> ApiError {
    ApiError { kind: Some(event.to_owned()), ..ApiError::default() }
}

/// The next value of an event that holds several: after lost line ends, or in a list.
#[cold]
pub(crate) fn next_value(rest: &str) -> &str {
    let rest = rest.trim_ascii_start();
    without_prefix(rest.strip_prefix([',', ']']).unwrap_or(rest).trim_ascii_start())
}

/// Data without the `data:` and the byte order mark that a gateway put in front of it again.
fn without_prefix(mut data: &str) -> &str {
    while let Some(rest) = data.strip_prefix("data:").or_else(|| data.strip_prefix('\u{feff}')) {
        data = rest.trim_ascii_start();
    }
    data
}

/// Returns whether data is a word that only keeps the connection open.
fn is_keep_alive(text: &str) -> bool {
    let word = text.trim_matches('"');
    ["ping", "pong", "heartbeat", "keepalive", "keep-alive"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
