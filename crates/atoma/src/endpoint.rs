//! The kinds of responses of a call: one JSON value, or a stream.
//!
//! Servers do not always send the kind that was requested. The body decides, not its label:
//!
//! ```text
//! requested    received                 read by
//! Json         JSON                     parse_json
//!              JSON values in a row     read_values, as a stream
//!              events, unlabeled        read_events, from the whole body
//!              events, labeled          ResponseStream, as they arrive
//! Streamed     events, or JSON          ResponseStream
//! Selected     as Json                  then a part of it
//! Download     any bytes                not at all
//! ```
//!
//! Each [`Endpoint`] is a future without layers: a response is a kilobyte, and each `await` that passes it on copies it.

use crate::{
    ApiKey, Error, Reply, ResponseStream, Result,
    body_format::{BodyFormat, event_decoder, trimmed},
    event_reader::{EventReader, to_error},
    inspect::Inspection,
    observe::CallResult,
    response::{OpenResponse, PendingResponse, redacted},
};
use atoma_types::{ApiError, ResponseModel, StreamModel};
use bytes::Bytes;
use std::{fmt, future::Future, marker::PhantomData, time::Instant};

/// The kind of a call: [`Json`], [`Streamed`], [`Selected`] or [`Download`]. No other type implements it.
pub trait Endpoint: Sized + Send + 'static {
    /// The value that the call resolves to.
    type Output: Send + 'static;

    #[doc(hidden)]
    const IS_STREAM: bool;

    /// Reads the response. The argument has no public path, which seals the trait.
    #[doc(hidden)]
    fn read(
        self,
        pending: Result<PendingResponse>,
    ) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// A call whose response is one JSON value: it resolves to a [`Reply<T>`].
///
/// If the server streams the response without being asked, it is read as well.
pub struct Json<T> {
    /// The number of choices that the request asked for.
    choices: u32,
    /// A function, so that the call is `Send` whatever `T` is.
    response: PhantomData<fn() -> T>,
}

/// A call whose response is streamed: it resolves to a [`ResponseStream<M>`].
///
/// If the server sends one JSON value in place of the stream, it is read as well.
pub struct Streamed<M> {
    choices: u32,
    model: PhantomData<fn() -> M>,
}

/// A call that returns a part of the response: it resolves to a [`Reply<U>`].
pub struct Selected<T, U> {
    /// Reads the whole response.
    json: Json<T>,
    /// Takes the part out of it.
    select: Box<dyn FnOnce(T) -> U + Send>,
}

/// A call whose response is a file: it resolves to a [`Reply<Bytes>`](Bytes).
#[derive(Debug)]
pub struct Download(());

impl<T, U> Selected<T, U> {
    /// Returns `select` of the response.
    pub(crate) fn new(select: impl FnOnce(T) -> U + Send + 'static) -> Self {
        Self { json: Json::new(1), select: Box::new(select) }
    }
}

impl Download {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl<T> Json<T> {
    /// A response with this number of choices, if it arrives as a stream.
    pub(crate) fn new(choices: u32) -> Self {
        Self { choices, response: PhantomData }
    }
}

impl<M> Streamed<M> {
    /// A response with this number of choices.
    pub(crate) fn new(choices: u32) -> Self {
        Self { choices, model: PhantomData }
    }
}

impl<T: ResponseModel> Endpoint for Json<T> {
    type Output = Reply<T>;
    const IS_STREAM: bool = false;

    #[allow(clippy::manual_async_fn, reason = "an `async fn` would hold its arguments twice")]
    fn read(
        self,
        mut pending: Result<PendingResponse>,
    ) -> impl Future<Output = Result<Reply<T>>> + Send {
        async move {
            // Without another layer of futures: a response is large.
            let mut response = match &mut pending {
                Ok(pending) => pending.open().await?,
                Err(error) => return Err(error.clone()),
            };
            if response.is_event_stream() {
                // Boxed: a stream is large, and hardly any response is one.
                return Box::pin(read_stream(response, self.choices)).await;
            }
            // The head has arrived: the time from here on is the body's.
            let start = response.body_start();
            let raw = match response.read_body().await {
                Ok(raw) => raw,
                Err(error) => return Err(response.fail(error, start)),
            };
            finish(&mut response, raw, self.choices, start)
        }
    }
}

impl<M: StreamModel> Endpoint for Streamed<M> {
    type Output = ResponseStream<M>;
    const IS_STREAM: bool = true;

    #[allow(clippy::manual_async_fn, reason = "an `async fn` would hold its arguments twice")]
    fn read(
        self,
        mut pending: Result<PendingResponse>,
    ) -> impl Future<Output = Result<ResponseStream<M>>> + Send {
        async move {
            let response = match &mut pending {
                Ok(pending) => pending.open().await?,
                Err(error) => return Err(error.clone()),
            };
            let stream = ResponseStream::new(response, self.choices);
            stream.opened().await
        }
    }
}

impl<T: ResponseModel, U: Send + 'static> Endpoint for Selected<T, U> {
    type Output = Reply<U>;
    const IS_STREAM: bool = false;

    async fn read(self, pending: Result<PendingResponse>) -> Result<Reply<U>> {
        Ok(self.json.read(pending).await?.map(self.select))
    }
}

impl Endpoint for Download {
    type Output = Reply<Bytes>;
    const IS_STREAM: bool = false;

    async fn read(self, pending: Result<PendingResponse>) -> Result<Reply<Bytes>> {
        let mut response = pending?.open().await?;
        let start = response.body_start();
        match response.read_body().await {
            Ok(raw) => {
                response.observation.end(CallResult::Complete, None, None, None);
                Ok(Reply::new(raw.clone(), response.metadata, raw))
            }
            Err(error) => Err(response.fail(error, start)),
        }
    }
}

/// Reads an unrequested stream.
async fn read_stream<T: ResponseModel>(response: OpenResponse, choices: u32) -> Result<Reply<T>> {
    let mut stream = ResponseStream::<T::Stream>::new(response, choices).opened().await?;
    stream.keep_raw();
    stream.into_reply().await
}

/// Parses the whole body. Not in the future, where each step copies the reply, which is large.
fn finish<T: ResponseModel>(
    response: &mut OpenResponse,
    raw: Bytes,
    choices: u32,
    start: Option<Instant>,
) -> Result<Reply<T>> {
    // It is read where it stays: each move of a response costs as much as reading a member.
    let mut value = T::default();
    if let Err(error) = parse(&raw, choices, response, &mut value) {
        return Err(response.fail(error, start));
    }
    if response.observation.is_active() {
        let (usage, seen) = (value.usage(), Some(&value as _));
        response.observation.end(CallResult::Complete, usage.as_ref(), None, seen);
    }
    Ok(Reply::new(value, std::mem::take(&mut response.metadata), raw))
}

/// Parses a body into an empty value: JSON, or an event stream with another label.
fn parse<T: ResponseModel>(
    raw: &Bytes,
    choices: u32,
    response: &mut OpenResponse,
    value: &mut T,
) -> Result<()> {
    // Taken out, since the reader below owns it and a response is read once.
    let inspection = std::mem::take(&mut response.inspection);
    let (key, extensions) = (response.key.take(), response.metadata.extensions_mut());
    match BodyFormat::detect(trimmed(raw), false) {
        BodyFormat::Events => {
            // The body was limited when it was read.
            let mut reader = EventReader::<T::Stream>::new(choices, inspection, key, usize::MAX);
            match read_events(raw, &mut reader, response.core.limits.event, extensions) {
                Ok(()) => *value = reader.into_response(),
                Err(error) => return Err(reader.fail(error)),
            }
        }
        _ => {
            let mut inspection = inspection;
            let body = inspection.body(raw)?;
            let redact = |text: &[u8]| redacted(text, key.as_ref()).into_owned();
            let is_confidential = inspection.is_confidential();
            let shown = |error: Error| if is_confidential { error.without_text() } else { error };
            match parse_json(trimmed(&body), redact, value) {
                // One value, the usual case.
                Ok(false) if !value.is_chunk() => {}
                Ok(_) => *value = read_values(&body, choices, key, extensions).map_err(shown)?,
                // A list: its elements may be chunks.
                Err(error) if trimmed(&body).starts_with(b"[") && !error.is_api_error() => {
                    let all = read_values(&body, choices, key, extensions);
                    *value = all.map_err(|_| shown(error))?;
                }
                Err(error) => return Err(shown(error)),
            }
            inspection.finish(extensions)?;
        }
    }
    Ok(())
}

/// Reads a body of several values, or of a chunk: all of them count, as in a stream.
#[cold]
fn read_values<T: ResponseModel>(
    body: &[u8],
    choices: u32,
    key: Option<ApiKey>,
    extensions: &mut http::Extensions,
) -> Result<T> {
    let mut reader = EventReader::<T::Stream>::new(choices, Inspection::default(), key, usize::MAX);
    let read = reader.read_body(body).and_then(|_| {
        while reader.has_rest() {
            reader.read_rest()?;
        }
        reader.end(extensions)
    });
    match read {
        Ok(()) => Ok(reader.into_response()),
        Err(error) => Err(reader.fail(error)),
    }
}

/// Reads all events of a body.
fn read_events<M: StreamModel>(
    mut body: &[u8],
    reader: &mut EventReader<M>,
    event_limit: usize,
    extensions: &mut http::Extensions,
) -> Result<()> {
    let mut decoder = event_decoder(event_limit);
    loop {
        let event = match decoder.decode(&mut body) {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) if reader.is_done() => return reader.end(extensions),
            Err(_) => return Err(Error::event_too_large(event_limit)),
        };
        reader.read(&event)?;
        while reader.has_rest() {
            reader.read_rest()?;
        }
    }
    if let Some(incomplete) = decoder.finish() {
        reader.read_incomplete(incomplete.data())?;
    }
    reader.end(extensions)
}

/// Parses a JSON body into an empty value. Returns whether anything follows its first value.
fn parse_json<T: ResponseModel>(
    json: &[u8],
    redact: impl Fn(&[u8]) -> Vec<u8>,
    response: &mut T,
) -> Result<bool> {
    // Transcriptions may be plain text; other models reject it.
    if !matches!(json.first(), Some(b'{' | b'[')) {
        return match std::str::from_utf8(json).ok().and_then(T::from_text) {
            Some(text) => {
                *response = text;
                Ok(false)
            }
            None if json.is_empty() => Err(Error::unexpected("the response body is empty", b"")),
            None => Err(Error::unexpected("the response body is not JSON", &redact(json))),
        };
    }
    let read = response.read(json);
    let has_more = read.map_err(|error| to_error(error, &redact(json), Error::in_body))?;
    if response.has_content() && response.error().is_none() {
        return Ok(has_more);
    }
    // Rare from here on: an error, or an empty response.
    let json = redact(json);
    // An error is read again, from the text without the key.
    let reported = || T::from_slice(&json).ok()?.error().cloned();
    if let Some(api) = response.error().and_then(|_| reported()) {
        return Err(Error::in_body(api));
    }
    if response.has_content() {
        return Ok(has_more);
    }
    match ApiError::from_body(&json) {
        Some(api) => Err(Error::in_body(api)),
        None => Err(Error::unexpected("the response has no content", &json)),
    }
}

impl<T, U> fmt::Debug for Selected<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Selected")
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

impl<M> fmt::Debug for Streamed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streamed")
    }
}

#[cfg(test)]
mod tests;
