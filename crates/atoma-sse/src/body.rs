use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Buf;
use futures_core::Stream;
use http_body::Body;

use crate::adapter::{Adapter, Chunk, ChunkSource, StreamError};
use crate::{DecodeError, Decoder, IncompleteEvent, OwnedEvent};

/// The events of an HTTP body.
///
/// It takes any [`Body`] and is a [`Stream`] of owned events; trailers are passed over. A decoding
/// error does not end it; an error of the body does. Adapter come out as soon as their last byte is
/// in, and no more of the body is read than the next event needs. A body that is not [`Unpin`] has
/// to be pinned first, for example by `Box::pin`.
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
    /// Decodes `body` from its start, within the default limits.
    pub fn new(body: B) -> Self {
        Self::with_decoder(body, Decoder::new())
    }

    /// Decodes `body` with a decoder of your own: other limits, or the last event id of an earlier
    /// connection.
    pub fn with_decoder(body: B, decoder: Decoder) -> Self {
        Self(Adapter::new(BodySource(body), decoder))
    }

    /// The decoder, for its last event id and its reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.0.decoder()
    }

    /// What was left of an event that the end of the body cut off. None while the body runs.
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
