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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::{collections::VecDeque, io, task::Waker};

    /// Frames in memory, with errors of another type.
    struct Chunks(VecDeque<Result<&'static str, io::Error>>);

    impl http_body::Body for Chunks {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let chunk = self.0.pop_front();
            Poll::Ready(chunk.map(|chunk| chunk.map(|text| Frame::data(text.into()))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.iter().flatten().map(|text| text.len() as u64).sum())
        }
    }

    /// The data, or the error; `None` at the end.
    fn next(body: &mut Body) -> Option<Result<Bytes, TransportError>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn a_body_has_its_bytes_its_size_and_its_end() {
        let foreign = || Body::new(Chunks([Ok("te"), Ok("xt")].into()));
        for (name, mut body, chunks, is_whole) in [
            ("bytes", Body::from(Bytes::from("text")), &["text"][..], true),
            ("a vector", Body::from(b"text".to_vec()), &["text"], true),
            ("a string", Body::from("text".to_owned()), &["text"], true),
            ("a literal", Body::from("text"), &["text"], true),
            ("no bytes", Body::from(""), &[], true),
            ("nothing", Body::empty(), &[], true),
            ("the default", Body::default(), &[], true),
            ("another body", foreign(), &["te", "xt"], false),
            ("one of ours", Body::streamed(foreign()), &["te", "xt"], false),
        ] {
            assert_eq!(body.is_whole(), is_whole, "{name}");
            for (place, chunk) in chunks.iter().enumerate() {
                let left: usize = chunks[place..].iter().map(|chunk| chunk.len()).sum();
                assert_eq!(body.size_hint().exact(), Some(left as u64), "{name}");
                assert!(!body.is_end_stream(), "{name}");
                assert_eq!(next(&mut body).unwrap().unwrap(), *chunk, "{name}");
            }
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true), "{name}");
            assert!(next(&mut body).is_none(), "{name}");
        }
    }

    #[test]
    fn an_error_of_another_type_interrupts_the_body_and_ours_stays() {
        let error = |body| next(&mut Body::new(body)).unwrap().unwrap_err();
        let reset = || Chunks([Err(io::Error::other("reset"))].into());
        let cause = |error: &TransportError| std::error::Error::source(error).unwrap().to_string();
        let foreign = error(Body::new(reset()));
        assert_eq!(
            (foreign.kind(), cause(&foreign).as_str()),
            (ErrorKind::BodyInterrupted, "reset")
        );
    }
}
