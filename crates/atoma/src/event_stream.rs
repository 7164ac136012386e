use crate::{
    Error, Metadata, RateLimits, Reply, Result, body_reader::BodyReader, response::OpenResponse,
    stream_stats::StreamStats,
};
use atoma_transport::{Attempts, Timer};
use atoma_types::{ChatModel, StreamModel};
use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use http::{HeaderMap, StatusCode};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A chat completion as it is generated, chunk by chunk.
#[doc(alias("ChatCompletionResponseStream", "AsyncStream"))]
pub type ChatCompletionStream = ResponseStream<ChatModel>;

/// A response as it is generated, chunk by chunk.
///
/// The stream ends with `None` only if the response is complete: `[DONE]` was received, or a finish
/// reason for every choice. Otherwise its last item is an error, which holds the partial response
/// ([`Error::partial`]). After an error, [`next`](Self::next) returns `None`, while
/// [`try_next`](Self::try_next), [`next_ref`](Self::next_ref) and
/// [`into_response`](Self::into_response) return the same error again: no path leads from an error
/// to `Ok`.
///
/// A finish reason does not end the stream. Later events are part of the response: usage, or more
/// content from servers that repeat the reason in every chunk.
///
/// Dropping the stream closes the connection, which stops the generation, and the billing on Atoma.
///
/// Keep-alive comments do not count as activity. If no *event* comes for
/// [`stream_timeouts`](crate::ClientBuilder::stream_timeouts), the stream ends with
/// [`Error::is_timeout`], or as complete if only the usage was missing.
///
/// Nothing is read ahead: a reader that pauses slows the server down, and about 64 KiB are buffered
/// at most.
pub struct ResponseStream<M: StreamModel> {
    /// Boxed: it is large (1.9 kB), and a task that awaits a call has room for a stream before the
    /// head has arrived. It also makes a stream cheap to move.
    reader: Box<BodyReader<M>>,
    /// A chunk was read while the stream was opened, and is still to be returned.
    has_first: bool,
}

impl<M: StreamModel> ResponseStream<M> {
    /// Creates the stream of a response.
    pub(crate) fn new(response: OpenResponse, choices: u32) -> Self {
        Self { reader: Box::new(BodyReader::new(response, choices)), has_first: false }
    }

    /// Waits, if the content type is not `text/event-stream`, until the format of the body is
    /// known.
    pub(crate) async fn opened(mut self) -> Result<Self> {
        if self.reader.is_unlabeled() {
            self.has_first = poll_fn(|cx| self.reader.poll_open(cx)).await?;
        }
        Ok(self)
    }

    /// Returns the next chunk; `None` once the response is complete.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::is_truncated`], [`Error::is_timeout`], [`Error::is_api_error`] and others, with
    /// [`Error::partial`]. Calling again returns the same error.
    pub async fn try_next(&mut self) -> Result<Option<M::Chunk>> {
        Ok(if self.step().await? { Some(self.reader.events.take_chunk()) } else { None })
    }

    /// Returns a reference to the next chunk; `None` once the response is complete.
    ///
    /// For code that only looks at each chunk: the chunk is not copied, and most chunks need no
    /// allocation.
    ///
    /// ```
    /// # async fn run(mut chunks: atoma::ChatCompletionStream) -> atoma::Result<()> {
    /// while let Some(chunk) = chunks.next_ref().await? {
    ///     print!("{}", chunk.text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub async fn next_ref(&mut self) -> Result<Option<&M::Chunk>> {
        Ok(if self.step().await? { Some(self.reader.events.chunk()) } else { None })
    }

    /// Returns the next item of the stream, as `StreamExt::next` does: an error once, then `None`.
    pub async fn next(&mut self) -> Option<Result<M::Chunk>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Reads to the end and joins all chunks, those already returned included, into the response
    /// that [`create`](crate::Chat::create) would have returned.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next), also if the error was returned before.
    #[doc(alias("get_final_completion", "collect"))]
    pub async fn into_response(mut self) -> Result<M::Response> {
        while self.step().await? {}
        Ok(self.reader.events.take_response())
    }

    /// Reads to the end, and returns the response with its metadata and its raw text.
    pub(crate) async fn into_reply(mut self) -> Result<Reply<M::Response>> {
        while self.step().await? {}
        let raw = Bytes::from(self.reader.capture.take());
        let metadata = std::mem::take(&mut *self.reader.metadata);
        Ok(Reply::new(self.reader.events.take_response(), metadata, raw))
    }

    /// Keeps the bytes of the body for [`into_reply`](Self::into_reply).
    pub(crate) fn keep_raw(&mut self) {
        self.reader.start_capture();
    }

    /// Returns the response so far; `None` before the first chunk.
    pub fn partial(&self) -> Option<M::Response> {
        self.reader.events.partial()
    }

    /// Returns the data of the event that the last chunk was read from, exactly as it was received.
    ///
    /// Where the server sent a JSON body in place of a stream, this is the body. Empty before the
    /// first chunk, and while the next one is awaited.
    #[doc(alias = "bytes_stream")]
    pub fn raw(&self) -> &str {
        self.reader.raw()
    }

    /// Returns the timing and the counts so far.
    ///
    /// ```
    /// # async fn run(mut chunks: atoma::ChatCompletionStream) -> atoma::Result<()> {
    /// while chunks.next_ref().await?.is_some() {}
    /// let stats = chunks.stats();
    /// println!("first token after {:?}, {:?} tokens/s", stats.first_token(), stats.tokens_per_second());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> StreamStats {
        self.reader.stats()
    }

    /// Returns the status, headers and attempts of the response.
    pub fn metadata(&self) -> &Metadata {
        &self.reader.metadata
    }

    /// Returns the status; always a 2xx.
    pub fn status(&self) -> StatusCode {
        self.metadata().status()
    }

    /// Returns the headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        self.metadata().headers()
    }

    /// Returns the rate limits of the account, if the response reports them.
    pub fn rate_limits(&self) -> Option<RateLimits> {
        self.metadata().rate_limits()
    }

    /// Returns the server's identifier of this request (`x-request-id` and others), for its support.
    /// Atoma sends none.
    pub fn request_id(&self) -> Option<&str> {
        self.metadata().request_id()
    }

    /// Returns how often the request was sent until the head came, how long that took, and why
    /// earlier attempts failed.
    pub fn attempts(&self) -> &Attempts {
        self.metadata().attempts()
    }

    /// Returns the timer of the client.
    pub(crate) fn timer(&self) -> Arc<dyn Timer> {
        self.reader.timer()
    }

    /// Returns the chunk that [`step`](Self::step) moved to.
    pub(crate) fn chunk(&self) -> &M::Chunk {
        self.reader.events.chunk()
    }

    /// Moves to the next chunk; false once the response is complete.
    pub(crate) async fn step(&mut self) -> Result<bool> {
        match poll_fn(|cx| self.poll_step(cx)).await {
            Some(step) => step.map(|()| true),
            None => self.failed().map_or(Ok(false), |error| Err(Error::clone(error))),
        }
    }

    /// Returns the model that the chunks are read into.
    pub(crate) fn model(&self) -> &M {
        self.reader.events.model()
    }

    /// Returns the error that ended the stream.
    pub(crate) fn failed(&self) -> Option<&Error> {
        self.reader.events.failed()
    }

    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<()>>> {
        if std::mem::take(&mut self.has_first) {
            return Poll::Ready(Some(Ok(())));
        }
        self.reader.poll_step(cx)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<M::Chunk>>> {
        let step = ready!(self.poll_step(cx));
        Poll::Ready(step.map(|step| step.map(|()| self.reader.events.take_chunk())))
    }
}

impl<M: StreamModel> Unpin for ResponseStream<M> {}

impl<M: StreamModel> Stream for ResponseStream<M> {
    type Item = Result<M::Chunk>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx)
    }
}

impl<M: StreamModel> FusedStream for ResponseStream<M> {
    fn is_terminated(&self) -> bool {
        self.reader.is_ended() && !self.has_first
    }
}

impl<M: StreamModel> fmt::Debug for ResponseStream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream")
            .field("metadata", self.metadata())
            .field("terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}
