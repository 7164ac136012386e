//! The body of a response: bytes that are here, or a stream of frames.
//!
//! Both are one type, so that layers need no type parameter for the body. A body in one piece, the usual case of a unary call, costs
//! neither an allocation nor a call through a pointer.
use crate::{BoxError, Delivery, ErrorKind, TransportError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of a response from any transport.
///
/// It is an [`http_body::Body`]: poll it for frames until `None`. Dropping it early ends the
/// exchange. After an error it yields `None`.
#[doc(alias = "bytes_stream")]
pub struct Body(Inner);

/// The two forms of a body.
enum Inner {
    /// All of it; `None` once it was read, or if it is empty.
    Whole(Option<Bytes>),
    /// Any other body, behind a pointer.
    Streamed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = TransportError> + Send>>),
}

impl Body {
    /// Wraps a body of any error type.
    ///
    /// A [`TransportError`] is passed on unchanged; other errors become
    /// [`ErrorKind::BodyInterrupted`].
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Inner::Streamed(Box::pin(Foreign(Box::pin(body)))))
    }

    /// Wraps a body whose errors are a [`TransportError`], at the cost of one allocation.
    pub fn streamed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = TransportError> + Send + 'static,
    {
        Self(Inner::Streamed(Box::pin(body)))
    }

    /// Creates an empty body.
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    /// Whether the whole body is in memory, so that reading it never waits.
    pub fn is_whole(&self) -> bool {
        matches!(self.0, Inner::Whole(_))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Streamed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Streamed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Inner::Whole(_) => "Body(whole)",
            Inner::Streamed(_) => "Body(streamed)",
        })
    }
}

/// The result of polling a body whose errors are a [`TransportError`].
pub(crate) type PolledFrame = Poll<Option<Result<Frame<Bytes>, TransportError>>>;

/// A body with errors of another type, which become a [`TransportError`].
struct Foreign<B>(Pin<Box<B>>);

impl<B> http_body::Body for Foreign<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        self.0.as_mut().poll_frame(cx).map_err(|error| {
            match error.into().downcast::<TransportError>() {
                Ok(error) => *error,
                Err(error) => TransportError::new(ErrorKind::BodyInterrupted, Delivery::Unknown)
                    .with_source(error),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
