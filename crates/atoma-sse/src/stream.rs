use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::adapter::{Adapter, ChunkSource, StreamError};
use crate::{DecodeError, Decoder, IncompleteEvent, OwnedEvent};

/// The events of a stream of bytes.
///
/// It takes any [`Stream`] of `Result<B, E>` where `B` is bytes, such as a response body, and is a
/// stream of owned events itself. A decoding error does not end it; an error of the source does.
/// Events come out as soon as their last byte is in, and no more of the source is read than the
/// next event needs. A source that is not [`Unpin`] has to be pinned first, for example by
/// `Box::pin`.
///
/// ```
/// use atoma_sse::{EventStream, OwnedEvent, StreamError};
/// use futures_core::Stream;
///
/// /// `body` is, for example, what `reqwest::Response::bytes_stream` gives, boxed and pinned.
/// fn events<E: Unpin>(
///     body: impl Stream<Item = Result<Vec<u8>, E>> + Unpin,
/// ) -> impl Stream<Item = Result<OwnedEvent, StreamError<E>>> {
///     EventStream::new(body)
/// }
/// ```
pub struct EventStream<S: Stream>(Adapter<StreamChunks<S>>);

impl<S, B, E> EventStream<S>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]>,
{
    /// Decodes `stream` from its start, within the default limits.
    pub fn new(stream: S) -> Self {
        Self::with_decoder(stream, Decoder::new())
    }

    /// Decodes `stream` with a decoder of your own: other limits, or the last event id of an
    /// earlier connection.
    pub fn with_decoder(stream: S, decoder: Decoder) -> Self {
        Self(Adapter::new(StreamChunks { stream, piece: None, used: 0 }, decoder))
    }

    /// The decoder, for its last event id and its reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.0.decoder()
    }

    /// What was left of an event that the end of the stream cut off. None while the stream runs.
    pub fn incomplete_event(&self) -> Option<&IncompleteEvent> {
        self.0.incomplete_event()
    }
}

impl<S, B, E> Stream for EventStream<S>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]> + Unpin,
    E: Unpin,
{
    type Item = Result<OwnedEvent, StreamError<E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next(cx)
    }
}

impl<S: Stream> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

struct StreamChunks<S: Stream> {
    stream: S,
    /// The piece in hand; never an error.
    piece: Option<S::Item>,
    used: usize,
}

impl<S, B, E> ChunkSource for StreamChunks<S>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]>,
{
    type Error = E;

    fn decode(&mut self, decoder: &mut Decoder) -> Result<Option<OwnedEvent>, DecodeError> {
        let Some(Ok(piece)) = &self.piece else { return Ok(None) };
        let piece = piece.as_ref();
        let mut input = &piece[self.used..];
        let decoded = decoder.decode_owned(&mut input);
        self.used = piece.len() - input.len();
        decoded
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), E>>> {
        self.piece = None;
        self.used = 0;
        let next = ready!(Pin::new(&mut self.stream).poll_next(cx));
        Poll::Ready(next.map(|piece| piece.map(|piece| self.piece = Some(Ok(piece)))))
    }
}
