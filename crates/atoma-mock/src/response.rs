use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::behavior::{After, Behavior, Fault, HeadTiming, Then, UsagePlace};
use crate::body_script::event;
use crate::fake_model::{Said, ToolCall};

/// A scripted answer: what the server says, and how it departs from the proxy's usual manner.
///
/// There are two kinds.
///
/// - What a *model* says: [`default`](Self::default), [`text`](Self::text),
///   [`reasoning`](Self::reasoning) and [`tool_call`](Self::tool_call). It is rendered as a stream
///   or as one JSON document, as the request asks, and is given only to a request that the proxy
///   would let through. A request it would refuse gets the refusal, and the answer stays queued.
/// - What a *server* says: [`error`](Self::error), [`json`](Self::json), [`raw`](Self::raw),
///   [`events`](Self::events) and [`bytes`](Self::bytes). It is given to the next request, whatever it is.
///
/// Faults (`cut_…`, `reset_…`, `error_…`, `silent_…`, `stall_…`) exclude one another: the last one
/// set counts. One that is to come after more events or bytes than the answer has never comes. A JSON
/// document counts as one event; keep-alive comments are not counted.
///
/// ```
/// use atoma_mock::Response;
///
/// let cut = Response::text("one two three").truncate_after_events(2);
/// let busy = Response::error(429, "TOO_MANY_REQUESTS", "Too many requests").header("retry-after", "1");
/// # let _ = (cut, busy);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an answer is given to a server with `answer` or `always`"]
pub struct Response {
    pub(crate) content: Content,
    pub(crate) behavior: Behavior,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Usual,
    Said(Said),
    Raw { status: StatusCode, content_type: HeaderValue, body: Bytes },
    Bytes(Bytes),
}

/// The response that the server gives without a script, to be changed by the methods below.
impl Default for Response {
    fn default() -> Self {
        Self::new(Content::Usual)
    }
}

impl Response {
    /// A normal answer with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::said(Said { text: text.into(), ..Said::default() })
    }

    /// A normal answer: first this reasoning (`reasoning_content`), then this text.
    pub fn reasoning(reasoning: impl Into<String>, text: impl Into<String>) -> Self {
        Self::said(Said { reasoning: Some(reasoning.into()), text: text.into(), ..Said::default() })
    }

    /// A call of one tool, without text, finished by `tool_calls`.
    ///
    /// The arguments are written as compact JSON. A `Value::String` is taken as it is, so that
    /// arguments which are not JSON can be sent too. More calls: [`and_tool_call`](Self::and_tool_call).
    pub fn tool_call(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Self::said(Said::default()).and_tool_call(name, arguments)
    }

    /// The proxy's own refusal: `{"error":{"code":…,"message":…}}` with this status.
    ///
    /// The proxy sends no `Retry-After`; add one with [`header`](Self::header).
    ///
    /// # Panics
    ///
    /// If `status` is not in 100..=999, as do [`json`](Self::json) and [`raw`](Self::raw).
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::json(status, json!({"error": {"code": code.into(), "message": message.into()}}))
    }

    /// This JSON document with this status.
    pub fn json(status: u16, body: impl Into<Value>) -> Self {
        Self::raw(status, "application/json", body.into().to_string())
    }

    /// This body, byte for byte, with this status and content type.
    ///
    /// A body of type `text/event-stream` is sent event by event (cut after each blank line) in
    /// chunks; any other is one piece with a `Content-Length`.
    ///
    /// # Panics
    ///
    /// Also if `content_type` holds a control character.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::new(Content::Raw {
            status: StatusCode::from_u16(status).expect("a status is in 100..=999"),
            content_type: HeaderValue::from_str(content_type)
                .expect("a content type holds no control character"),
            body: body.into(),
        })
    }

    /// A stream of these events, each sent as `data: …`: chunks as JSON values, or any text of one
    /// line such as `[DONE]`. Nothing is added.
    ///
    /// ```
    /// # use atoma_mock::Response;
    /// # use serde_json::json;
    /// let odd = Response::events([json!({"choices": null}), json!({"error": "upstream"})]);
    /// # let _ = odd;
    /// ```
    pub fn events(events: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let body: String = events.into_iter().map(|data| event(&data)).collect();
        Self::raw(200, "text/event-stream", body)
    }

    /// A whole HTTP/1 response, head included, byte for byte; then the connection is closed.
    ///
    /// Nothing is checked, so it may be half a response, or none. Here the faults that count events
    /// see one event; `…_after_bytes` counts from the first byte of the head.
    pub fn bytes(response: impl Into<Bytes>) -> Self {
        Self::new(Content::Bytes(response.into()))
    }

    /// A further tool call in the same answer. Changes only what a model says.
    pub fn and_tool_call(self, name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        let arguments = match arguments.into() {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let name = name.into();
        self.saying(|said| said.tool_calls.push(ToolCall { name, arguments }))
    }

    /// Finishes with this reason in place of the usual one. Changes only what a model says.
    pub fn finish_reason(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.saying(|said| said.finish_reason = Some(reason))
    }

    /// Ends the body in good order after `events` events, as the proxy does when a node fails.
    pub fn truncate_after_events(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::End)
    }

    /// Closes the connection after `bytes` bytes of the body, without the end of the body.
    pub fn truncate_after_bytes(self, bytes: usize) -> Self {
        self.fault(After::Bytes(bytes), Then::Close)
    }

    /// Resets the connection (TCP RST) after `events` events.
    pub fn reset_after_events(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::Reset)
    }

    /// Resets the connection (TCP RST) after `bytes` bytes of the body.
    pub fn reset_after_bytes(self, bytes: usize) -> Self {
        self.fault(After::Bytes(bytes), Then::Reset)
    }

    /// Sends `{"error": error}` as an event after `events` events; then the body ends in good order.
    pub fn error_after_events(self, events: usize, error: impl Into<Value>) -> Self {
        self.fault(After::Events(events), Then::Error(error.into()))
    }

    /// Falls silent after `events` events: nothing but keep-alive comments, for ever.
    pub fn only_keep_alive_after(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::Silence)
    }

    /// Stalls after `events` events: not one byte more, for ever, and the connection stays open.
    pub fn stall_after_events(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::Stall)
    }

    /// Stalls after `bytes` bytes of the body.
    pub fn stall_after_bytes(self, bytes: usize) -> Self {
        self.fault(After::Bytes(bytes), Then::Stall)
    }

    /// Holds the answer back after `events` events, with keep-alive comments meanwhile, until the
    /// server is told to go on by [`MockServer::release`](crate::MockServer::release).
    ///
    /// So a test can look at what a client does with half an answer, without a sleep. A fault set for
    /// the same place comes after the release.
    pub fn hold_after_events(mut self, events: usize) -> Self {
        self.behavior.hold_after = Some(events);
        self
    }

    /// Ends a stream with `data: [DONE]`, as OpenAI does and the proxy does not.
    pub fn done(mut self) -> Self {
        self.behavior.done = true;
        self
    }

    /// Adds a header, or replaces the one of that name, `content-type` included.
    ///
    /// # Panics
    ///
    /// If the name or the value is not a legal header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.behavior.headers.push((
            HeaderName::from_bytes(name.as_bytes()).expect("a header name is a token"),
            HeaderValue::from_str(value).expect("a header value holds no control character"),
        ));
        self
    }

    /// Sends the same body under another `Content-Type`.
    ///
    /// # Panics
    ///
    /// If it holds a control character.
    pub fn wrong_content_type(self, content_type: &str) -> Self {
        self.header(header::CONTENT_TYPE.as_str(), content_type)
    }

    /// Waits this long before the head of the response.
    pub fn delay_head(mut self, delay: Duration) -> Self {
        self.behavior.head = HeadTiming::After(delay);
        self
    }

    /// Never sends the head; the connection stays open until the client leaves.
    pub fn never_respond(mut self) -> Self {
        self.behavior.head = HeadTiming::Never;
        self
    }

    /// Waits this long between the head and the first event, with keep-alive comments meanwhile.
    /// Default: not at all.
    pub fn delay_first_event(mut self, pause: Duration) -> Self {
        self.behavior.delay_first_event = pause;
        self
    }

    /// The pause between two events; the server's own if not set.
    pub fn event_interval(mut self, pause: Duration) -> Self {
        self.behavior.pace = Some(pause);
        self
    }

    /// Sends no keep-alive comments.
    pub fn no_keep_alive(mut self) -> Self {
        self.behavior.silence_is_silent = true;
        self
    }

    /// Cuts what is sent into pieces of at most this many bytes, each its own HTTP chunk and, as long
    /// as the client keeps up, its own write. 0 counts as 1.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.behavior.pieces_of = Some(bytes.max(1));
        self
    }

    /// Writes each event by itself to the socket, as long as the client keeps up. Without this,
    /// events that are due at the same time may share a write.
    pub fn per_event_write(mut self) -> Self {
        self.behavior.per_event_write = true;
        self
    }

    /// Leaves the usage out.
    pub fn without_usage(mut self) -> Self {
        self.behavior.usage = UsagePlace::Nowhere;
        self
    }

    /// Reports the usage so far in every chunk, besides the last.
    pub fn usage_in_every_chunk(mut self) -> Self {
        self.behavior.usage = UsagePlace::EveryChunk;
        self
    }

    /// Leaves every `finish_reason` null.
    pub fn without_finish_reason(mut self) -> Self {
        self.behavior.without_finish_reason = true;
        self
    }

    /// Leaves `signature` and `response_hash` out, as other servers do.
    pub fn unsigned(mut self) -> Self {
        self.behavior.unsigned = true;
        self
    }

    fn new(content: Content) -> Self {
        Self { content, behavior: Behavior::default() }
    }

    fn said(said: Said) -> Self {
        Self::new(Content::Said(said))
    }

    fn saying(mut self, change: impl FnOnce(&mut Said)) -> Self {
        if let Content::Said(said) = &mut self.content {
            change(said);
        }
        self
    }

    fn fault(mut self, after: After, then: Then) -> Self {
        self.behavior.fault = Some(Fault { after, then });
        self
    }
}
