use crate::{
    DecodeError, Decoder, IncompleteEvent, OwnedEvent,
    adapter::{Adapter, Chunk, ChunkSource, StreamError},
};
use bytes::Buf;
use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use futures_core::Stream;
use http_body::Body;

/// The events of an HTTP body.
///
/// Takes any [`Body`] and is a [`Stream`] of [`OwnedEvent`]s; trailers are ignored. An event comes
/// out as soon as its last byte is in, and the body is read no further than the next event needs. An
/// event that exceeds a limit is an error, and the stream continues after it; an error of the body
/// ends the stream.
///
/// Pin a body that is not [`Unpin`] first, for example with `Box::pin`.
///
/// ```
/// use atoma_sse::{EventBody, OwnedEvent, StreamError};
/// use futures_core::Stream;
/// use http_body::Body;
///
/// fn events<B: Body + Unpin>(
///     body: B,
/// ) -> impl Stream<Item = Result<OwnedEvent, StreamError<B::Error>>>
/// where
///     B::Data: Unpin,
/// {
///     EventBody::new(body)
/// }
/// ```
pub struct EventBody<B: Body>(Adapter<BodySource<B>, BodyChunk<B::Data>>);

impl<B: Body + Unpin> EventBody<B> {
    /// Decodes `body` from its start, with the default [`Limits`](crate::Limits).
    pub fn new(body: B) -> Self {
        Self::with_decoder(body, Decoder::new())
    }

    /// Decodes `body` with `decoder`: one with other limits, or with the last event id of an earlier
    /// connection.
    pub fn with_decoder(body: B, decoder: Decoder) -> Self {
        Self(Adapter::new(BodySource(body), decoder))
    }

    /// Returns the decoder, for its last event id and its reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.0.decoder()
    }

    /// Returns the event that the end of the body left incomplete. `None` while the body runs.
    pub fn incomplete_event(&self) -> Option<&IncompleteEvent> {
        self.0.incomplete_event()
    }
}

impl<B: Body + Unpin> Stream for EventBody<B>
where
    B::Data: Unpin,
{
    type Item = Result<OwnedEvent, StreamError<B::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next(cx)
    }
}

impl<B: Body> fmt::Debug for EventBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").finish_non_exhaustive()
    }
}

struct BodySource<B>(B);

impl<B: Body + Unpin> ChunkSource<BodyChunk<B::Data>> for BodySource<B> {
    type Error = B::Error;

    #[inline]
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyChunk<B::Data>, B::Error>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                // Trailers hold no events.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(BodyChunk(data)))),
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

struct BodyChunk<D>(D);

impl<D: Buf> Chunk for BodyChunk<D> {
    #[inline(always)]
    fn decode(&mut self, decoder: &mut Decoder) -> Result<Option<OwnedEvent>, DecodeError> {
        // A buffer may consist of several slices.
        while self.0.has_remaining() {
            let chunk = self.0.chunk();
            let mut input = chunk;
            let decoded = decoder.decode_owned(&mut input);
            let used = chunk.len() - input.len();
            self.0.advance(used);
            if !matches!(decoded, Ok(None)) {
                return decoded;
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn is_used_up(&self) -> bool {
        !self.0.has_remaining()
    }
}
