use crate::{
    behavior::{After, Behavior, Fault, HeadTiming, PathFilter, Then, UsagePlace},
    event::event,
    fake_model::{FunctionCall, Output},
    tampering::Tampering,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// A scripted response: its content, and its differences from the proxy's normal one.
///
/// There are two kinds.
///
/// - A *model's* output: [`default`](Self::default), [`text`](Self::text), [`reasoning`](Self::reasoning),
///   [`tool_call`](Self::tool_call), [`node_json`](Self::node_json) and [`node_events`](Self::node_events). It is
///   rendered as the endpoint and the request require: as a stream or as one JSON document, signed, and encrypted
///   on confidential endpoints. Only a request that passes the proxy's checks gets it. A request that does not pass
///   gets the proxy's error, and the response stays queued.
/// - A *server's* response: [`error`](Self::error), [`json`](Self::json), [`raw`](Self::raw),
///   [`events`](Self::events) and [`bytes`](Self::bytes). The next request gets it, whatever it is.
///
/// [`on`](Self::on) restricts a response to one path. Chat has texts, reasoning and tool calls, completions have
/// texts; embeddings and images have their own content whatever the output is, but the same behavior.
///
/// Faults (`truncate_…`, `reset_…`, `error_…`, `only_keep_alive_…`, `stall_…`) exclude one another: the last one
/// set counts. A fault after more events or bytes than the response has never happens. A JSON document counts as
/// one event; keep-alive comments are not counted.
///
/// ```
/// use atoma_mock::Response;
///
/// let truncated = Response::text("one two three").truncate_after_events(2);
/// let busy = Response::error(429, "TOO_MANY_REQUESTS", "Too many requests").header("retry-after", "1");
/// # let _ = (truncated, busy);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a response is given to a server with `respond` or `always`"]
pub struct Response {
    pub(crate) content: Content,
    pub(crate) behavior: Behavior,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The output that the fake model has for the request.
    Default,
    Output(Output),
    /// The backend's documents, before the node signs them.
    Documents(Vec<String>),
    Raw {
        status: StatusCode,
        content_type: HeaderValue,
        body: Bytes,
    },
    Bytes(Bytes),
}

/// The response that the server sends without a script. The methods below change it.
impl Default for Response {
    fn default() -> Self {
        Self::new(Content::Default)
    }
}

impl Response {
    /// A normal response with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::output(Output { text: text.into(), ..Output::default() })
    }

    /// A normal response: first this reasoning (`reasoning_content`), then this text.
    pub fn reasoning(reasoning: impl Into<String>, text: impl Into<String>) -> Self {
        Self::output(Output {
            reasoning: Some(reasoning.into()),
            text: text.into(),
            ..Output::default()
        })
    }

    /// A call of one tool, without text, finished by `tool_calls`.
    ///
    /// The arguments are written as compact JSON. A `Value::String` is used unchanged, so that arguments that are
    /// not JSON can be sent too. More calls: [`and_tool_call`](Self::and_tool_call).
    pub fn tool_call(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Self::output(Output::default()).and_tool_call(name, arguments)
    }

    /// The proxy's error: `{"error":{"code":…,"message":…}}` with this status.
    ///
    /// The proxy sends no `Retry-After`; add one with [`header`](Self::header).
    ///
    /// # Panics
    ///
    /// If `status` is not in 100..=999, as do [`json`](Self::json) and [`raw`](Self::raw).
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::json(status, json!({"error": {"code": code.into(), "message": message.into()}}))
    }

    /// The 423 of a locked stack, for confidential requests; the requests for locks do not get it.
    pub fn stack_locked() -> Self {
        Self::error(423, "LOCKED", "Locked").on_confidential()
    }

    /// The 425 of a lock that has expired or was used, for confidential requests.
    pub fn stack_unavailable() -> Self {
        Self::error(425, "UNAVAILABLE_STACK", "Stack unavailable").on_confidential()
    }

    /// The 500 that hides a locked stack from the client, for confidential requests: today's proxy sends it in place
    /// of the 423.
    pub fn hidden_stack_locked() -> Self {
        let message = "Internal server error occurred";
        Self::error(500, "INTERNAL_ERROR", message).on_confidential()
    }

    /// This JSON document with this status, not signed.
    pub fn json(status: u16, body: impl Into<Value>) -> Self {
        Self::raw(status, "application/json", body.into().to_string())
    }

    /// This body, byte for byte, with this status and content type.
    ///
    /// A body of type `text/event-stream` is sent event by event (split after each blank
    /// line) in chunks; any other is one piece with a `Content-Length`.
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

    /// A stream of these events, each sent as `data: …`: chunks as JSON values, or any text of one line such as
    /// `[DONE]`. Nothing is added, not even a signature; see [`node_events`](Self::node_events).
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

    /// This JSON document from the backend: the node signs it, and encrypts it on confidential endpoints.
    pub fn node_json(body: impl Into<Value>) -> Self {
        Self::node_events([body.into()])
    }

    /// These chunks from the backend: the node signs each, and encrypts it on confidential endpoints.
    ///
    /// A request that does not stream gets the first of them as its response.
    ///
    /// ```
    /// # use atoma_mock::Response;
    /// # use serde_json::json;
    /// let chunk = json!({"choices": [{"index": 0, "delta": {"content": "Hi"}}]});
    /// let without_end = Response::node_events([chunk]);
    /// # let _ = without_end;
    /// ```
    pub fn node_events(events: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self::new(Content::Documents(events.into_iter().map(|data| data.to_string()).collect()))
    }

    /// A whole HTTP/1 response, head included, byte for byte; then the connection is closed.
    ///
    /// Nothing is checked, so it may be half a response, or empty. Faults that count events
    /// see one event; `…_after_bytes` counts from the first byte of the head.
    pub fn bytes(response: impl Into<Bytes>) -> Self {
        Self::new(Content::Bytes(response.into()))
    }

    /// Adds a tool call to the same response. Changes only a model's output.
    pub fn and_tool_call(self, name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        let arguments = match arguments.into() {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let name = name.into();
        self.change_output(|output| output.tool_calls.push(FunctionCall { name, arguments }))
    }

    /// Finishes with this reason instead of the normal one. Changes only a model's output.
    pub fn finish_reason(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        self.change_output(|output| output.finish_reason = Some(reason))
    }

    /// Sends the response only to a request whose path ends with `path`, such as `/nodes/lock`, and keeps it queued
    /// until then. Other requests get the responses queued behind it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use atoma_mock::{MockServer, Response};
    /// let server = MockServer::start().await;
    /// let no_node = Response::error(503, "SERVICE_UNAVAILABLE", "Service unavailable");
    /// server.respond(no_node.on("/nodes/lock"));
    /// # }
    /// ```
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.behavior.path = PathFilter::Suffix(path.into());
        self
    }

    /// Ends the body normally after `events` events, as the proxy does when a node fails.
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

    /// Sends `{"error": error}` as an event after `events` events; then the body ends normally.
    pub fn error_after_events(self, events: usize, error: impl Into<Value>) -> Self {
        self.fault(After::Events(events), Then::Error(error.into()))
    }

    /// Sends nothing but keep-alive comments after `events` events, forever.
    pub fn only_keep_alive_after(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::KeepAlive)
    }

    /// Stalls after `events` events: sends nothing more, forever, and keeps the connection open.
    pub fn stall_after_events(self, events: usize) -> Self {
        self.fault(After::Events(events), Then::Stall)
    }

    /// Stalls after `bytes` bytes of the body.
    pub fn stall_after_bytes(self, bytes: usize) -> Self {
        self.fault(After::Bytes(bytes), Then::Stall)
    }

    /// Holds the response after `events` events, with keep-alive comments meanwhile, until
    /// [`MockServer::release`](crate::MockServer::release).
    ///
    /// A test can then check how a client handles half a response, without a sleep. A fault at the same place
    /// happens after the release.
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

    /// Waits this long between the head and the first event, with keep-alive comments meanwhile. Default: zero.
    pub fn delay_first_event(mut self, pause: Duration) -> Self {
        self.behavior.delay_first_event = pause;
        self
    }

    /// Sets the pause between two events. Default: the server's.
    pub fn event_interval(mut self, pause: Duration) -> Self {
        self.behavior.event_interval = Some(pause);
        self
    }

    /// Sends no keep-alive comments.
    pub fn no_keep_alive(mut self) -> Self {
        self.behavior.no_keep_alive = true;
        self
    }

    /// Splits the body into pieces of at most this many bytes, each a separate HTTP chunk and, as long as the client
    /// keeps up, a separate write. 0 counts as 1.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.behavior.chunk_size = Some(bytes.max(1));
        self
    }

    /// Writes each event to the socket separately, as long as the client keeps up. Without this, events that are due
    /// at the same time may share a write.
    pub fn per_event_write(mut self) -> Self {
        self.behavior.per_event_write = true;
        self
    }

    /// Leaves the usage out. Confidential requests that do not stream get a 500 then, as from the real proxy.
    pub fn without_usage(mut self) -> Self {
        self.behavior.usage = UsagePlace::Nowhere;
        self
    }

    /// Reports the usage so far in every chunk, in addition to the last.
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

    /// Signs or encrypts the response with this fault.
    pub fn tamper(self, tampering: Tampering) -> Self {
        self.tamper_after_events(0, tampering)
    }

    /// Signs or encrypts every event after the first `events` events with this fault.
    pub fn tamper_after_events(mut self, events: usize, tampering: Tampering) -> Self {
        self.behavior.tampering = Some((events, tampering));
        self
    }

    fn on_confidential(mut self) -> Self {
        self.behavior.path = PathFilter::Confidential;
        self
    }

    fn new(content: Content) -> Self {
        Self { content, behavior: Behavior::default() }
    }

    fn output(output: Output) -> Self {
        Self::new(Content::Output(output))
    }

    fn change_output(mut self, change: impl FnOnce(&mut Output)) -> Self {
        if let Content::Output(output) = &mut self.content {
            change(output);
        }
        self
    }

    fn fault(mut self, after: After, then: Then) -> Self {
        self.behavior.fault = Some(Fault { after, then });
        self
    }
}
