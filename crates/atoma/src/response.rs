//! Reads responses: the head, error statuses, and whole bodies within the limits.
//!
//! ```text
//! PendingResponse ─ open ─┬─ 2xx with content ─► OpenResponse ─► read_body, or a stream
//!                         ├─ another status ───► up to 64 KiB of the body ─► the API's error
//!                         └─ no response ──────► the transport's error
//! ```
//!
//! The observers receive the end of a call exactly once. The handle moves along the arrows: the last holder reports the end.

use crate::{
    ApiKey, Error, Metadata, Result,
    body_format::is_event_stream,
    core::Core,
    error::error_response::parse_error_body,
    inspect::Inspection,
    key_source::KeySource,
    observe::{CallResult, Observation},
};
use atoma_transport::{Body, ResponseFuture, Sleep, Timeouts, TransportError};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as _, Frame};
use std::{
    borrow::Cow,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

/// The most bytes of an error body that are read.
const ERROR_BODY_LIMIT: usize = 64 << 10;
/// The most time that reading an error body may take. A stream has no other limit for it.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// A request that was sent, and everything needed to read its response.
#[allow(missing_debug_implementations, unreachable_pub)]
pub struct PendingResponse {
    /// The client's shared parts: limits, timer.
    pub(crate) core: Arc<Core>,
    /// All attempts of the call.
    pub(crate) response: ResponseFuture,
    /// The timeouts of the call, for the body of a stream.
    pub(crate) timeouts: Timeouts,
    /// The key that is redacted from errors.
    pub(crate) key: SentKey,
    /// Sees the body before it is parsed.
    pub(crate) inspection: Inspection,
    /// Reports the end of the call.
    pub(crate) observation: Observation,
}

/// The API key of a call, to be redacted from the response.
pub(crate) enum SentKey {
    /// The key is known when the call begins.
    Fixed(Option<ApiKey>),
    /// The provider's key for the last attempt.
    Provided(Arc<KeySource>),
    /// The key of the last attempt of a confidential call.
    #[cfg(feature = "confidential")]
    Locked(Arc<dyn LastKey>),
}

/// Remembers the API key of the last attempt.
#[cfg(feature = "confidential")]
pub(crate) trait LastKey: Send + Sync {
    /// Returns the key; `None` before the first attempt, or without a key.
    fn last_key(&self) -> Option<ApiKey>;
}

/// A usable head, and the body that follows it.
pub(crate) struct OpenResponse {
    pub(crate) core: Arc<Core>,
    pub(crate) metadata: Metadata,
    pub(crate) body: Body,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<ApiKey>,
    pub(crate) inspection: Inspection,
    pub(crate) observation: Observation,
}

impl PendingResponse {
    /// Waits for the head. Any status that cannot have content is an error.
    pub(crate) async fn open(&mut self) -> Result<OpenResponse> {
        let (mut parts, body) = match self.response.as_mut().await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                let error = self.inspection.failed_request(error);
                return Err(self.report(error));
            }
        };
        // Put there by the retry layer.
        let attempts = parts.extensions.remove().unwrap_or_default();
        let metadata = Metadata::new(parts.status, parts.headers, attempts);
        if !has_content(parts.status) {
            // Boxed: it is large, and most calls never need it.
            let error = Box::pin(self.read_error(metadata, body)).await;
            return Err(self.report(error));
        }
        // Only now is it certain which key a provider's last attempt had.
        let key = self.key.take();
        self.observation.set_key(key.as_ref());
        Ok(OpenResponse {
            core: Arc::clone(&self.core),
            metadata,
            body,
            timeouts: self.timeouts,
            key,
            inspection: std::mem::take(&mut self.inspection),
            observation: std::mem::take(&mut self.observation),
        })
    }

    /// Reports the failed call to the observers.
    #[cold]
    fn report(&mut self, error: Error) -> Error {
        self.observation.end(CallResult::Failed(&error), None, None, None);
        error
    }

    /// The error for a response whose status is not a usable 2xx.
    async fn read_error(&mut self, metadata: Metadata, body: Body) -> Error {
        if metadata.status().is_success() {
            let what = "the status of the response excludes content";
            return Error::unexpected(what, b"").with_head(&metadata);
        }
        // A stream has no timeout for a body, so an error body gets one here.
        let timer = &*self.core.timer;
        let body = beginning(body, timer.sleep_until(timer.now() + ERROR_BODY_TIME)).await;
        let api_error = parse_error_body(&redacted(&body, self.key.take().as_ref()));
        Error::error_status(api_error).with_head(&metadata)
    }
}

impl SentKey {
    /// Returns the key of the last attempt.
    fn take(&mut self) -> Option<ApiKey> {
        match self {
            Self::Fixed(key) => key.take(),
            Self::Provided(source) => source.last_key(),
            #[cfg(feature = "confidential")]
            Self::Locked(source) => source.last_key(),
        }
    }
}

impl OpenResponse {
    /// Returns whether the response is an event stream with content.
    pub(crate) fn is_event_stream(&self) -> bool {
        is_event_stream(self.metadata.headers()) && !self.body.is_end_stream()
    }

    /// Reads the body to its end.
    pub(crate) async fn read_body(&mut self) -> Result<Bytes> {
        read_whole(&mut self.body, self.core.limits.response).await
    }

    /// Returns the time now if the body is still to come, to measure how long it takes.
    pub(crate) fn body_start(&self) -> Option<Instant> {
        (!self.body.is_whole()).then(|| self.core.timer.now())
    }

    /// Completes the error that ends the call with the details of the response, and reports it to
    /// the observers.
    #[cold]
    pub(crate) fn fail(&mut self, error: Error, body_start: Option<Instant>) -> Error {
        let now = self.core.timer.now();
        let time = body_start.map(|start| now.saturating_duration_since(start));
        let error = error.with_head(&self.metadata).with_body_time(time.unwrap_or_default());
        self.observation.end(CallResult::Failed(&error), None, None, None);
        error
    }
}

/// Returns whether a response with this status can have content: a 2xx, but not one of those that
/// exclude it (RFC 9110, sections 15.3.5 and 15.3.6).
fn has_content(status: StatusCode) -> bool {
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    status.is_success() && !is_empty
}

/// Returns `text` without the key of the call.
pub(crate) fn redacted<'a>(text: &'a [u8], key: Option<&ApiKey>) -> Cow<'a, [u8]> {
    key.map_or(text.into(), |key| key.redact(text))
}

/// Reads a body to its end. A body in one piece, the usual case, is not copied.
pub(crate) async fn read_whole(body: &mut Body, limit: usize) -> Result<Bytes> {
    // Announced as too large: not a byte of it is read.
    if body.size_hint().lower() > limit as u64 {
        return Err(Error::response_too_large(limit));
    }
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = next_frame(body).await {
        // Trailers.
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + joined.len() + data.len() > limit {
            return Err(Error::response_too_large(limit));
        }
        // The first frame is kept as it is; it is copied only if a second one follows.
        if joined.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Reads up to 64 KiB of an error body. Read errors and timeouts are ignored: the status matters
/// more than the explanation.
async fn beginning(mut body: Body, mut timeout: Sleep) -> Vec<u8> {
    let mut read = Vec::new();
    poll_fn(|cx| {
        while read.len() < ERROR_BODY_LIMIT {
            match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    read.extend_from_slice(&data[..data.len().min(ERROR_BODY_LIMIT - read.len())]);
                }
                Poll::Ready(_) => break,
                Poll::Pending => return timeout.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    })
    .await;
    read
}

/// Waits for the next frame of a body; `None` at its end.
async fn next_frame(body: &mut Body) -> Option<std::result::Result<Frame<Bytes>, TransportError>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::{BoxError, Timer as _, testing::ManualTimer};
    use http_body::SizeHint;
    use std::{collections::VecDeque, task::Context};

    struct Frames {
        frames: VecDeque<Bytes>,
        /// The least size that its head announced.
        announced: u64,
        /// It waits forever after the last frame.
        stalls: bool,
    }

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<std::result::Result<Frame<Bytes>, BoxError>>> {
            match self.frames.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame)))),
                None if self.stalls => Poll::Pending,
                None => Poll::Ready(None),
            }
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    fn body(frames: &[&'static str], announced: u64) -> Body {
        let frames = frames.iter().map(|frame| Bytes::from_static(frame.as_bytes())).collect();
        Body::new(Frames { frames, announced, stalls: false })
    }

    #[test]
    fn a_body_may_be_as_large_as_the_limit_in_whatever_frames_it_comes() {
        let timer = ManualTimer::new();
        for (frames, announced, whole) in [
            (&[][..], 0, Some("")),
            (&["abcdef"], 0, Some("abcdef")),
            (&["abcdef"], 6, Some("abcdef")),
            (&["abcdefg"], 0, None),
            (&["", "abc", "", "d", "ef"], 0, Some("abcdef")),
            (&["abc", "defg"], 0, None),
            (&["abc", "de", "fg"], 0, None),
            (&["a", "b", "c", "d", "e", "f", "g"], 0, None),
        ] {
            let mut body = body(frames, announced);
            match timer.run(read_whole(&mut body, 6)) {
                Ok(read) => assert_eq!(std::str::from_utf8(&read).ok(), whole, "{frames:?}"),
                Err(error) => assert!(whole.is_none() && error.is_too_large(), "{frames:?}"),
            }
        }
        let mut announced = body(&["abc"], 7);
        assert!(timer.run(read_whole(&mut announced, 6)).unwrap_err().is_too_large());
        assert!(timer.run(next_frame(&mut announced)).is_some(), "nothing was read");
    }

    #[test]
    fn at_most_64_kib_and_5_s_of_an_error_body_are_read() {
        const KIB: usize = 1 << 10;
        for (name, frames, stalls, length, seconds) in [
            ("empty", &[][..], false, 0, 0),
            ("small", &[3, 4], false, 7, 0),
            ("the limit, and no look at the next frame", &[64 * KIB], true, 64 * KIB, 0),
            ("a frame too many", &[40 * KIB, 40 * KIB, 1], true, 64 * KIB, 0),
            ("a stall", &[3], true, 3, 5),
        ] {
            let timer = ManualTimer::new();
            let frames = frames.iter().map(|length| vec![b'x'; *length].into()).collect();
            let body = Body::new(Frames { frames, announced: 0, stalls });

            let timeout = timer.sleep_until(timer.now() + ERROR_BODY_TIME);
            let read = timer.run(beginning(body, timeout));
            assert_eq!((read.len(), timer.elapsed().as_secs()), (length, seconds), "{name}");
        }
    }

    #[test]
    fn a_2xx_has_content_unless_its_status_excludes_it() {
        for (status, expected) in [
            (200, true),
            (201, true),
            (299, true),
            (204, false),
            (205, false),
            (302, false),
            (500, false),
        ] {
            assert_eq!(has_content(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
