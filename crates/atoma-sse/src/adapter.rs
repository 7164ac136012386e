//! What the adapters share: a decoder over a source that hands out its bytes piece by piece.

use core::fmt;
use core::task::{Context, Poll, ready};

use crate::{DecodeError, Decoder, IncompleteEvent, OwnedEvent};

/// Where an adapter takes its bytes from.
pub(crate) trait ChunkSource {
    type Error;

    /// Decodes the next event of the bytes in hand, and takes what it used of them.
    fn decode(&mut self, decoder: &mut Decoder) -> Result<Option<OwnedEvent>, DecodeError>;

    /// Replaces the bytes in hand, which are used up, by the next ones.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Self::Error>>>;
}

pub(crate) struct Adapter<S> {
    source: S,
    decoder: Decoder,
    ended: bool,
    incomplete: Option<IncompleteEvent>,
}

impl<S: ChunkSource> Adapter<S> {
    pub(crate) fn new(source: S, decoder: Decoder) -> Self {
        Self { source, decoder, ended: false, incomplete: None }
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<OwnedEvent, StreamError<S::Error>>>> {
        loop {
            if let Some(item) = self.source.decode(&mut self.decoder).transpose() {
                return Poll::Ready(Some(
                    item.map_err(|error| StreamError(StreamErrorKind::Decode(error))),
                ));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.source.poll_more(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    self.end();
                    return Poll::Ready(Some(Err(StreamError(StreamErrorKind::Source(error)))));
                }
                None => self.end(),
            }
        }
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    pub(crate) fn incomplete_event(&self) -> Option<&IncompleteEvent> {
        self.incomplete.as_ref()
    }

    fn end(&mut self) {
        self.ended = true;
        self.incomplete = self.decoder.finish();
    }
}

/// Why a stream of events yielded an error: its source failed, or an event was over a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError<E>(StreamErrorKind<E>);

impl<E> StreamError<E> {
    /// The decoder's error, if it was one. The stream goes on at the next event.
    pub const fn decode_error(&self) -> Option<&DecodeError> {
        match &self.0 {
            StreamErrorKind::Decode(error) => Some(error),
            StreamErrorKind::Source(_) => None,
        }
    }

    /// The source's error, if it was one. The stream has ended.
    pub const fn source_error(&self) -> Option<&E> {
        match &self.0 {
            StreamErrorKind::Decode(_) => None,
            StreamErrorKind::Source(error) => Some(error),
        }
    }

    /// The source's error, to be passed on as it came.
    ///
    /// # Errors
    ///
    /// The decoder's error, if it was that.
    pub fn into_source_error(self) -> Result<E, DecodeError> {
        match self.0 {
            StreamErrorKind::Decode(error) => Err(error),
            StreamErrorKind::Source(error) => Ok(error),
        }
    }
}

impl<E> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            StreamErrorKind::Decode(_) => "an event could not be decoded",
            StreamErrorKind::Source(_) => "the event stream could not be read",
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
