use crate::{
    DecodeError, Decoder, IncompleteEvent, OwnedEvent,
    adapter::{Adapter, Chunk, ChunkSource, StreamError},
};
use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use futures_core::{Stream, TryStream};

/// The events of a stream of byte chunks.
///
/// Takes any [`Stream`] of `Result<B, E>` where `B` is bytes, such as a response body, and is a
/// stream of [`OwnedEvent`]s. An event comes out as soon as its last byte is in, and the source is
/// read no further than the next event needs. An event that exceeds a limit is an error, and the
/// stream continues after it; an error of the source ends the stream.
///
/// Pin a source that is not [`Unpin`] first, for example with `Box::pin`.
///
/// ```
/// use atoma_sse::{EventStream, OwnedEvent, StreamError};
/// use futures_core::Stream;
///
/// /// `body` is, for example, the pinned `bytes_stream` of a `reqwest::Response`.
/// fn events<E>(
///     body: impl Stream<Item = Result<Vec<u8>, E>> + Unpin,
/// ) -> impl Stream<Item = Result<OwnedEvent, StreamError<E>>> {
///     EventStream::new(body)
/// }
/// ```
pub struct EventStream<S: TryStream>(Adapter<StreamSource<S>, StreamChunk<S::Ok>>);

impl<S: TryStream + Unpin> EventStream<S>
where
    S::Ok: AsRef<[u8]>,
{
    /// Decodes `stream` from its start, with the default [`Limits`](crate::Limits).
    pub fn new(stream: S) -> Self {
        Self::with_decoder(stream, Decoder::new())
    }

    /// Decodes `stream` with `decoder`: one with other limits, or with the last event id of an
    /// earlier connection.
    pub fn with_decoder(stream: S, decoder: Decoder) -> Self {
        Self(Adapter::new(StreamSource(stream), decoder))
    }

    /// Returns the decoder, for its last event id and its reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.0.decoder()
    }

    /// Returns the event that the end of the stream left incomplete. `None` while the stream runs.
    pub fn incomplete_event(&self) -> Option<&IncompleteEvent> {
        self.0.incomplete_event()
    }
}

impl<S: TryStream + Unpin> Stream for EventStream<S>
where
    S::Ok: AsRef<[u8]> + Unpin,
{
    type Item = Result<OwnedEvent, StreamError<S::Error>>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next(cx)
    }
}

impl<S: TryStream> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

struct StreamSource<S>(S);

impl<S: TryStream + Unpin> ChunkSource<StreamChunk<S::Ok>> for StreamSource<S> {
    type Error = S::Error;

    #[inline]
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StreamChunk<S::Ok>, S::Error>>> {
        let next = ready!(Pin::new(&mut self.0).try_poll_next(cx));
        Poll::Ready(next.map(|chunk| chunk.map(|bytes| StreamChunk { bytes, used: 0 })))
    }
}

struct StreamChunk<B> {
    bytes: B,
    used: usize,
}

impl<B: AsRef<[u8]>> Chunk for StreamChunk<B> {
    #[inline(always)]
    fn decode(&mut self, decoder: &mut Decoder) -> Result<Option<OwnedEvent>, DecodeError> {
        let bytes = self.bytes.as_ref();
        let mut input = &bytes[self.used..];
        let decoded = decoder.decode_owned(&mut input);
        self.used = bytes.len() - input.len();
        decoded
    }

    #[inline(always)]
    fn is_used_up(&self) -> bool {
        self.used == self.bytes.as_ref().len()
    }
}
