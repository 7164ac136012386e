//! Passes a stream on to another client, as `text/event-stream`.

use crate::{Error, ErrorKind, ResponseStream, idle_timeout::IdleTimeout};
use atoma_transport::Timer;
use atoma_types::{ApiError, StreamModel};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use serde_json::json;
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Turns a stream into the body of a `text/event-stream` response, for a browser or any client of
/// OpenAI's API.
///
/// The client of the relay reads the same chunks, and can see just as well whether they are
/// complete:
///
/// | the stream | the body |
/// |---|---|
/// | a chunk | an event: `data: {…}` with all members, those unknown to this crate included |
/// | no chunk for a while | a comment as keep-alive, every 15 s |
/// | complete | `data: [DONE]`, also where the server sent none; then the end |
/// | an error | `data: {"error":{…}}` and no `[DONE]`; then the end |
///
/// Nothing is read ahead: the server is read as fast as the client reads the body. Dropping the body,
/// as a server does when its client leaves, drops the stream, which stops the generation.
///
/// ```
/// use atoma::{ChatCompletionRequest, Client, Relay, relay, types::ChatModel};
///
/// // A handler for axum needs one more step: `.map(axum::body::Body::new)`.
/// async fn chat(
///     client: &Client,
///     request: ChatCompletionRequest,
/// ) -> atoma::Result<http::Response<Relay<ChatModel>>> {
///     let stream = client.chat().stream(request).await?;
///     Ok(relay(stream).into_http())
/// }
/// ```
///
/// An error before the stream, with a status such as 429, is not a part of the body: respond with
/// that status instead.
#[must_use]
pub fn relay<M>(stream: ResponseStream<M>) -> Relay<M>
where
    M: StreamModel,
    M::Chunk: Serialize,
{
    Relay {
        quiet: IdleTimeout::new(stream.timer()),
        stream: Some(stream),
        keep_alive: Some(KEEP_ALIVE),
        on_error: Box::new(reported),
    }
}

/// A stream as the body of a `text/event-stream` response; [`relay`] makes it.
///
/// Reading it cannot fail: errors of the stream are events.
pub struct Relay<M: StreamModel> {
    /// `None` once the last event was written.
    stream: Option<ResponseStream<M>>,
    /// Since the last write.
    quiet: IdleTimeout,
    keep_alive: Option<Duration>,
    on_error: Box<dyn Fn(&Error) -> ApiError + Send + Sync>,
}

impl<M: StreamModel> Relay<M> {
    /// Sets the silence after which a comment is written, so that no proxy closes the connection;
    /// `None` writes none. Default 15 s; less than 1 ms counts as 1 ms.
    pub fn keep_alive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        let shortest = Duration::from_millis(1);
        self.keep_alive = interval.into().map(|interval| interval.max(shortest));
        self
    }

    /// Replaces the timer of the keep-alives. Default: the [client's](crate::ClientBuilder::timer).
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.quiet = IdleTimeout::new(Arc::new(timer));
        self
    }

    /// Sets how an error is reported to the client.
    ///
    /// By default an error that the server reported is passed on: message, code, type and
    /// parameter, with the API key redacted. Any other error is described by its kind alone, so
    /// that no address or text of your system appears: `{"code": "upstream_truncated", "type":
    /// "server_error", …}`.
    ///
    /// ```
    /// use atoma::{ChatCompletionStream, relay, types::ApiError};
    ///
    /// fn discreet(stream: ChatCompletionStream) -> impl http_body::Body {
    ///     relay(stream).on_error(|error| {
    ///         eprintln!("relay: {error}");
    ///         let mut reported = ApiError::default();
    ///         reported.message = "please try again".to_owned();
    ///         reported
    ///     })
    /// }
    /// ```
    pub fn on_error(mut self, report: impl Fn(&Error) -> ApiError + Send + Sync + 'static) -> Self {
        self.on_error = Box::new(report);
        self
    }

    /// Returns the body in a response with status 200 and the headers of an event stream: its content
    /// type, `cache-control: no-cache`, and `x-accel-buffering: no`, without which nginx holds events
    /// back.
    pub fn into_http(self) -> http::Response<Self> {
        let mut response = http::Response::new(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Returns the stream, for its metadata, statistics and partial response; `None` once the last
    /// event was written.
    pub fn as_stream(&self) -> Option<&ResponseStream<M>> {
        self.stream.as_ref()
    }

    /// Ends the body with the event for `error`. No `[DONE]` follows, because a client that ignores
    /// errors would report the response as complete.
    fn fail(&mut self, error: &Error) -> Bytes {
        self.stream = None;
        let error = (self.on_error)(error);
        Bytes::from(format!("data: {}\n\n", json!({ "error": error })))
    }
}

impl<M> Body for Relay<M>
where
    M: StreamModel,
    M::Chunk: Serialize,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let relay = self.get_mut();
        let Some(stream) = &mut relay.stream else { return Poll::Ready(None) };
        let bytes = match stream.poll_step(cx) {
            Poll::Ready(Some(Ok(()))) => match event(stream.chunk()) {
                Ok(event) => event,
                Err(error) => relay.fail(&error),
            },
            Poll::Ready(Some(Err(error))) => relay.fail(&error),
            Poll::Ready(None) => match stream.failed().cloned() {
                // It was returned before the stream was given to the relay.
                Some(error) => relay.fail(&error),
                None => {
                    relay.stream = None;
                    Bytes::from_static(b"data: [DONE]\n\n")
                }
            },
            Poll::Pending => {
                if ready!(relay.quiet.poll_expired(cx, relay.keep_alive)).is_err() {
                    // The timer cannot wait, which the stream reports if it has a timeout.
                    return Poll::Pending;
                }
                // With a blank line: some clients hold back text until they see one.
                Bytes::from_static(b": keep-alive\n\n")
            }
        };
        // Every frame counts, a keep-alive as well: the next one is due in 15 s.
        relay.quiet.reset();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

impl<M: StreamModel> fmt::Debug for Relay<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("stream", &self.stream)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

impl<M: StreamModel> Unpin for Relay<M> {}

/// Writes a chunk as an event. JSON has no line break outside a string, so one line holds it.
fn event(chunk: &impl Serialize) -> Result<Bytes, Error> {
    let mut event = Vec::with_capacity(512);
    event.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut event, chunk).map_err(|error| Error::unreadable(error, &[]))?;
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}

/// Describes an error to the client: the server's own report, or else the kind alone.
fn reported(error: &Error) -> ApiError {
    let mut reported = ApiError::default();
    if let Some(api) = error.api_error() {
        reported.message.clone_from(&api.message);
        reported.code.clone_from(&api.code);
        reported.kind.clone_from(&api.kind);
        reported.param.clone_from(&api.param);
        // Some servers give the status in a member of another name, and nothing else that says more.
        if reported.code.is_none() {
            reported.code = error.status().map(|status| status.as_str().to_owned());
        }
        return reported;
    }
    let (code, message) = match error.kind() {
        ErrorKind::Truncated | ErrorKind::Connection => {
            ("upstream_truncated", "the response ended before it was complete")
        }
        ErrorKind::Timeout(_) => {
            ("upstream_timeout", "the response stopped before it was complete")
        }
        ErrorKind::TooLarge => ("upstream_too_large", "the response is too large"),
        ErrorKind::Rejected => ("upstream_rejected", "the response was rejected"),
        ErrorKind::Untrusted => ("upstream_untrusted", "the response is not trusted"),
        ErrorKind::UnexpectedResponse => ("upstream_invalid", "the response cannot be read"),
        _ => ("upstream_failed", "the response failed"),
    };
    reported.message = message.to_owned();
    reported.kind = Some("server_error".to_owned());
    reported.code = Some(code.to_owned());
    reported
}

#[cfg(test)]
mod tests;
