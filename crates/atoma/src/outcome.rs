//! From a response to an answer or an error.

use crate::{
    ApiKey, ChatCompletionStream, Error, Reply, Result,
    body_format::{BodyFormat, is_event_stream, trimmed},
    call::{Answer, Sent},
    error::error_response::parse_error_body,
    events::{Events, Said},
    reply::Head,
};
use atoma_transport::{Body, Sleep, Timer};
use atoma_types::{ApiError, ChatCompletionChunk, ChatCompletionResponse, ParseError};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use std::{borrow::Cow, future::poll_fn, pin::Pin, task::Poll, time::Duration};

/// The most of a refusing body that is read.
const REFUSAL_LIMIT: usize = 64 << 10;
/// How long it may take; a stream has no other limit to it.
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// Whether an answer can come with this status: a 2xx, but not one of those that exclude it (RFC
/// 9110, sections 15.3.5 and 15.3.6).
pub(crate) fn is_answer(status: StatusCode) -> bool {
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    status.is_success() && !is_empty
}

/// The error that a status stands for which is no answer's.
pub(crate) async fn refusal(
    head: Head,
    key: Option<&ApiKey>,
    body: Body,
    timer: &dyn Timer,
) -> Error {
    if head.status.is_success() {
        let what = "the answer's status says that there is none";
        return Error::unexpected(what, b"").with_head(&head);
    }
    let refusal = beginning(body, timer.sleep_until(timer.now() + REFUSAL_TIME)).await;
    Error::refused(parse_error_body(&cleansed(&refusal, key))).with_head(&head)
}

/// `text` without the key that the call was made with.
fn cleansed<'a>(text: &'a [u8], key: Option<&ApiKey>) -> Cow<'a, [u8]> {
    key.map_or(text.into(), |key| key.redact(text))
}

/// Reads the whole body of a unary answer; of a server that streams regardless, to the end of the
/// answer, which may come before that of the body.
pub(crate) async fn completion(
    sent: Result<Sent>,
    choices: u32,
) -> Result<Reply<ChatCompletionResponse>> {
    let mut sent = sent?;
    let mut answer = sent.answer().await?;
    if is_event_stream(&answer.head.headers) && !answer.body.is_end_stream() {
        // Boxed: a stream is large, and almost no answer is one.
        return Box::pin(streamed(sent, answer, choices)).await;
    }
    let limits = sent.client.inner().limits;
    let timer = &*sent.client.inner().timer;
    let arrived = (!answer.body.is_whole()).then(|| timer.now());
    let error = match whole(&mut answer.body, limits.response).await {
        Ok(raw) => match read_completion(&raw, sent.key(&answer), limits.event) {
            Ok(response) => return Ok(Reply::new(response, answer.head, raw)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let time = arrived.map(|arrived| timer.now().saturating_duration_since(arrived));
    Err(error.with_head(&answer.head).with_body_time(time.unwrap_or_default()))
}

async fn streamed(
    sent: Sent,
    answer: Answer,
    choices: u32,
) -> Result<Reply<ChatCompletionResponse>> {
    let head = answer.head.clone();
    let response = ChatCompletionStream::open(sent, answer, choices).await?.into_response().await?;
    Ok(Reply::new(response, head, Bytes::new()))
}

/// A completion out of a body: JSON, or an event stream under another name.
fn read_completion(
    body: &[u8],
    key: Option<&ApiKey>,
    event_limit: usize,
) -> Result<ChatCompletionResponse> {
    let json = trimmed(body);
    match BodyFormat::detect(json, false) {
        BodyFormat::Json => read_json(json, key),
        BodyFormat::Events => {
            // The body was bounded as it was read.
            let mut events = Events::new(1, key.cloned(), usize::MAX);
            match read_events(body, &mut events, event_limit) {
                Ok(()) => Ok(events.into_response()),
                Err(error) => Err(error.with_partial(events.fail())),
            }
        }
        BodyFormat::Unknown if json.is_empty() => {
            Err(Error::unexpected("the answer is empty", b""))
        }
        BodyFormat::Unknown | BodyFormat::Other => {
            Err(Error::unexpected("the answer is not JSON", &cleansed(json, key)))
        }
    }
}

fn read_json(json: &[u8], key: Option<&ApiKey>) -> Result<ChatCompletionResponse> {
    let has_answer =
        |response: &ChatCompletionResponse| !response.choices.is_empty() || !response.id.is_empty();
    let response = match ChatCompletionResponse::from_slice(json) {
        Ok(response) if has_answer(&response) && response.error().is_none() => return Ok(response),
        Ok(response) => response,
        Err(error) => return Err(unreadable(error, &cleansed(json, key))),
    };
    let cleansed = cleansed(json, key);
    let told = || ChatCompletionResponse::from_slice(&cleansed).ok()?.error().cloned();
    if let Some(api) = response.error().and_then(|_| told()) {
        return Err(Error::told(api));
    }
    if has_answer(&response) {
        return Ok(response);
    }
    match ApiError::from_body(&cleansed) {
        Some(api) if !response.extra.is_empty() => Err(Error::told(api)),
        _ if mentions_choices(json) => Ok(response),
        _ => Err(Error::unexpected("the answer holds no completion", &cleansed)),
    }
}

/// Reads all events of a body.
fn read_events(mut body: &[u8], events: &mut Events, event_limit: usize) -> Result<()> {
    let mut decoder = Events::decoder(event_limit);
    while let Some(event) = decoder.decode(&mut body).map_err(|_| too_large(event_limit))? {
        if let Said::Done = events.read(&event)? {
            return events.end();
        }
    }
    if let Some(unfinished) = decoder.finish() {
        read_unfinished(events, unfinished.data())?;
    }
    events.end()
}

/// What cannot be read as an answer: a list that tells an error, or nothing known.
pub(crate) fn unreadable(error: ParseError, json: &[u8]) -> Error {
    match ApiError::from_body(json) {
        Some(api) if json.starts_with(b"[") => Error::told(api),
        _ => Error::unreadable(error, json),
    }
}

/// The block that the end of a stream left without its blank line.
///
/// The standard drops it. A `[DONE]` or a whole JSON object cannot have been cut, though, and
/// servers that forget the last blank line exist; anything else is dropped.
pub(crate) fn read_unfinished(events: &mut Events, data: &str) -> Result<Said> {
    let data = data.trim_ascii();
    if data.eq_ignore_ascii_case("[done]") || is_whole_json(data) {
        events.read_data(data, false)
    } else {
        Ok(Said::Nothing)
    }
}

/// Reads a body to its end.
pub(crate) async fn whole(body: &mut Body, limit: usize) -> Result<Bytes> {
    let over = || answer_too_large(limit);
    if body.size_hint().lower() > limit as u64 {
        return Err(over());
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = next_frame(body).await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + joined.len() + data.len() > limit {
            return Err(over());
        }
        if joined.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

pub(crate) fn answer_too_large(limit: usize) -> Error {
    Error::limit(format!("the answer is larger than {limit} bytes"))
}

pub(crate) fn too_large(limit: usize) -> Error {
    Error::limit(format!("an event of the answer is larger than {limit} bytes"))
}

/// The beginning of a refusing body: neither an error while reading it nor its never ending is worth
/// hiding the status for.
async fn beginning(mut body: Body, mut patience: Sleep) -> Vec<u8> {
    let mut read = Vec::new();
    poll_fn(|cx| {
        while read.len() < REFUSAL_LIMIT {
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    read.extend_from_slice(&data[..data.len().min(REFUSAL_LIMIT - read.len())]);
                }
                Poll::Ready(_) => break,
                Poll::Pending => return patience.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    })
    .await;
    read
}

async fn next_frame(
    body: &mut Body,
) -> Option<std::result::Result<http_body::Frame<Bytes>, atoma_transport::TransportError>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

fn is_whole_json(data: &str) -> bool {
    data.starts_with('{') && ChatCompletionChunk::from_slice(data.as_bytes()).is_ok()
}

fn mentions_choices(json: &[u8]) -> bool {
    let name = b"\"choices\"";
    json.windows(name.len()).any(|part| part == name)
}
