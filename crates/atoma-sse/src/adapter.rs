//! The state machine behind both adapters: a decoder over a source of chunks.

use crate::{DecodeError, Decoder, IncompleteEvent, OwnedEvent};
use core::{
    fmt,
    task::{Context, Poll, ready},
};

/// The source of an adapter's bytes.
pub(crate) trait ChunkSource<C> {
    type Error;

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<C, Self::Error>>>;
}

/// Bytes from the source, and how far they have been decoded.
pub(crate) trait Chunk {
    /// Decodes the next event. `Ok(None)` means that the chunk is used up.
    fn decode(&mut self, decoder: &mut Decoder) -> Result<Option<OwnedEvent>, DecodeError>;

    fn is_used_up(&self) -> bool;
}

pub(crate) struct Adapter<S, C> {
    source: S,
    decoder: Decoder,
    /// A chunk that holds more than the last event. Most chunks end with an event, and those never
    /// get here.
    chunk: Option<C>,
    ended: bool,
    incomplete: Option<IncompleteEvent>,
}

impl<S: ChunkSource<C>, C: Chunk> Adapter<S, C> {
    pub(crate) fn new(source: S, decoder: Decoder) -> Self {
        Self { source, decoder, chunk: None, ended: false, incomplete: None }
    }

    #[inline]
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<OwnedEvent, StreamError<S::Error>>>> {
        // First the rest of the last chunk, then new ones. A new chunk is decoded before it is stored:
        // most are used up by that, and moving each into `self` and out again took a quarter of the time.
        if let Some(chunk) = &mut self.chunk {
            let decoded = chunk.decode(&mut self.decoder);
            if chunk.is_used_up() {
                self.chunk = None;
            }
            match decoded {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
        while !self.ended {
            match ready!(self.source.poll_chunk(cx)) {
                Some(Ok(mut chunk)) => {
                    let decoded = chunk.decode(&mut self.decoder);
                    if !chunk.is_used_up() {
                        self.chunk = Some(chunk);
                    }
                    match decoded {
                        Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Some(Err(error.into()))),
                    }
                }
                // No chunk is in hand here, so no event of an earlier one is lost.
                Some(Err(error)) => {
                    self.end();
                    return Poll::Ready(Some(Err(StreamError(StreamErrorKind::Source(error)))));
                }
                None => self.end(),
            }
        }
        Poll::Ready(None)
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    pub(crate) fn incomplete_event(&self) -> Option<&IncompleteEvent> {
        self.incomplete.as_ref()
    }

    #[cold]
    fn end(&mut self) {
        self.ended = true;
        self.incomplete = self.decoder.finish();
    }
}

/// The reason why a stream of events yielded an error: the source failed, or an event exceeded a
/// limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError<E>(StreamErrorKind<E>);

impl<E> StreamError<E> {
    /// Returns the decoder's error, if an event exceeded a limit. The stream continues with the next
    /// event.
    pub const fn decode_error(&self) -> Option<&DecodeError> {
        match &self.0 {
            StreamErrorKind::Decode(error) => Some(error),
            StreamErrorKind::Source(_) => None,
        }
    }

    /// Returns the source's error, if the source failed. The stream has ended.
    pub const fn source_error(&self) -> Option<&E> {
        match &self.0 {
            StreamErrorKind::Decode(_) => None,
            StreamErrorKind::Source(error) => Some(error),
        }
    }

    /// Converts this error into the source's error.
    ///
    /// # Errors
    ///
    /// Returns the decoder's error if the source did not fail.
    pub fn into_source_error(self) -> Result<E, DecodeError> {
        match self.0 {
            StreamErrorKind::Decode(error) => Err(error),
            StreamErrorKind::Source(error) => Ok(error),
        }
    }
}

impl<E> From<DecodeError> for StreamError<E> {
    fn from(error: DecodeError) -> Self {
        Self(StreamErrorKind::Decode(error))
    }
}

impl<E> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            StreamErrorKind::Decode(_) => "cannot decode an event",
            StreamErrorKind::Source(_) => "cannot read the event stream",
        })
    }
}

impl<E: core::error::Error + 'static> core::error::Error for StreamError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0 {
            StreamErrorKind::Decode(error) => Some(error),
            StreamErrorKind::Source(error) => Some(error),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum StreamErrorKind<E> {
    Decode(DecodeError),
    Source(E),
}
