//! Spans of calls and attempts, for `tracing`.

mod content;
mod spans;

use crate::{CallEnd, CallInfo, Observer};
use atoma_transport::{AttemptEnded, AttemptStarted, CallId, RetryEvent};
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tracing::Span;

/// An observer that makes a span of each call and of each of its attempts, for the crate `tracing`.
///
/// The span of a call (`atoma.call`) begins at its first poll and ends with the response, of a stream
/// with the last event or the drop. Its parent is the span that is current at the first poll. The
/// span of an attempt (`atoma.attempt`) is its child and ends with the head of the response. Both have
/// the level INFO and the target `atoma`; a retry is an event in the call's span.
///
/// The names of the attributes are those of OpenTelemetry, so that `tracing-opentelemetry` exports
/// them as they are:
///
/// | attributes of a call | |
/// |---|---|
/// | `otel.name`, `otel.kind`, `otel.status_code` | `chat MODEL`, `client`; `ERROR` for a failure |
/// | `gen_ai.operation.name`, `gen_ai.provider.name` | `chat`, `text_completion`, `embeddings` or `generate_content` (images); [`provider`](Self::provider) |
/// | `gen_ai.request.…` | `model`, `stream`, `choice.count`, `seed`, `max_tokens`, `temperature`, `top_p`, `top_k`, `frequency_penalty`, `presence_penalty`, `stop_sequences`, `reasoning.level`, `encoding_formats`, where the request has them |
/// | `gen_ai.output.type`, `gen_ai.embeddings.dimension.count` | where the request has them |
/// | `gen_ai.response.…` | `id`, `model`, `finish_reasons`; `time_to_first_chunk` of a stream, in seconds |
/// | `gen_ai.usage.…` | `input_tokens`, `output_tokens`, `cache_read.input_tokens`, `reasoning.output_tokens`, where the server sends them |
/// | `gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.tool.definitions` | only with [`content`](Self::content) |
/// | `server.address`, `server.port` | |
/// | `error.type` | the name of the [`ErrorKind`](crate::ErrorKind) in snake case: `rate_limit`, `truncated` |
/// | `atoma.outcome` | `complete`, `failed` or `dropped` |
/// | `atoma.confidential` | true for a confidential call |
/// | `atoma.stream.…` | `time_to_first_token` and `longest_gap` in seconds, `chunks`, `tokens_per_second`: see [`StreamStats`](crate::StreamStats) |
///
/// | attributes of an attempt | |
/// |---|---|
/// | `otel.name`, `otel.kind`, `otel.status_code` | the method, `client`; `ERROR` for a failure or a status from 400 |
/// | `http.request.method`, `url.full` | the values of the query are redacted |
/// | `http.request.resend_count` | from the second attempt on |
/// | `http.response.status_code`, `network.protocol.version` | |
/// | `server.address`, `server.port` | |
/// | `error.type` | the status, or the name of the transport's [`ErrorKind`](atoma_transport::ErrorKind) in snake case |
/// | `atoma.request_id` | the server's identifier of the request |
///
/// `tracing` has no lists, so `finish_reasons`, `stop_sequences`, `encoding_formats` and the messages are
/// JSON texts. A call to an endpoint that is not an operation of a model, such as the list of models,
/// has the name `GET /models`, the kind `internal`, and no `gen_ai` attributes.
///
/// A span never has the API key, also where a text repeats it. It has content only if
/// [`content`](Self::content) asks for it, and never that of a confidential call. The requests for the
/// locks of confidential calls have no spans.
///
/// ```
/// use atoma::{Client, Tracing};
///
/// let builder = Client::builder().observer(Tracing::new());
/// ```
pub struct Tracing {
    provider: Cow<'static, str>,
    with_content: bool,
    calls: Mutex<HashMap<CallId, Call>>,
}

/// The open spans of a call.
struct Call {
    span: Span,
    attempt: Option<Span>,
}

impl Tracing {
    /// Creates an observer without content.
    pub fn new() -> Self {
        Self { provider: "atoma".into(), with_content: false, calls: Mutex::default() }
    }

    /// Sets whether spans have the prompt, the completion and the definitions of tools, as messages in
    /// the format of OpenTelemetry. Default false. Images in the request that are not URLs are left
    /// out.
    #[must_use]
    pub fn content(mut self, with_content: bool) -> Self {
        self.with_content = with_content;
        self
    }

    /// Sets `gen_ai.provider.name`. Default `atoma`. OpenTelemetry has names for others, such as
    /// `openai`, `azure.ai.openai`, `gcp.gemini`, `groq` and `mistral_ai`.
    #[must_use]
    pub fn provider(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.provider = name.into();
        self
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallId, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the span of a call. A copy, so that a subscriber is never called under the lock.
    fn span(&self, call: CallId) -> Option<Span> {
        self.calls().get(&call).map(|call| call.span.clone())
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Tracing {
    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        if spans::are_enabled() {
            let span = spans::call(info, &self.provider, self.with_content);
            self.calls().insert(call, Call { span, attempt: None });
        }
    }

    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        let Some(span) = self.span(event.call) else { return };
        let attempt = spans::attempt(&span, event);
        if let Some(call) = self.calls().get_mut(&event.call) {
            call.attempt = Some(attempt);
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let attempt = self.calls().get_mut(&event.call).and_then(|call| call.attempt.take());
        if let Some(attempt) = attempt {
            spans::end_attempt(&attempt, event);
        }
    }

    fn retry(&self, event: &RetryEvent) {
        if let Some(span) = self.span(event.call) {
            spans::retry(&span, event);
        }
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        let call = self.calls().remove(&end.call);
        if let Some(Call { span, attempt }) = call {
            // An attempt is still open only if the call was dropped.
            drop(attempt);
            spans::end_call(&span, end, self.with_content);
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing")
            .field("provider", &self.provider)
            .field("content", &self.with_content)
            .finish_non_exhaustive()
    }
}
