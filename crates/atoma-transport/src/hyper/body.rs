//! The body of a response, which owns its connection until its end.
//!
//! ```text
//! head ─► all of the body is here ─► release ─► Body in one piece
//!      └► StreamedBody ─ frames ─► its end ────► release ─► None
//!                         ├─► an error ────────► the connection is closed
//!                         └─► dropped ─────────► the connection is closed
//! ```
//!
//! The connection returns to the pool before the end is reported, so that the next call of the same task finds it.

use super::{
    classify,
    connection::Connection,
    pool::{Origin, Pool},
};
use crate::{Body, TransportError};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A body that reads from its own connection. Dropping it early closes the connection; at its true
/// end the connection returns to the pool before the end is reported.
pub(super) struct StreamedBody {
    /// hyper's body. It gets its bytes when the connection is polled.
    incoming: Incoming,
    /// `None` once the exchange is over.
    pooled: Option<PooledConnection>,
    /// The bytes that came with the head, or the error.
    ///
    /// Not the frame: each stream would keep room for the trailers it can have (64 bytes more).
    early: Option<Result<Bytes, hyper::Error>>,
}

/// A connection in use, and where it goes afterwards.
pub(super) struct PooledConnection {
    pub(super) connection: Box<Connection>,
    /// The pool of the transport that made the connection.
    pub(super) pool: Arc<Pool>,
    /// The pool to return to; `None` if nothing may follow this response.
    pub(super) origin: Option<Arc<Origin>>,
}

impl PooledConnection {
    /// Ends the exchange: the connection is kept if it can serve another, and closed if not.
    pub(super) fn release(self) {
        if let Some(origin) = self.origin.filter(|_| self.connection.is_ready()) {
            self.pool.put(origin, self.connection);
        }
    }
}

impl StreamedBody {
    /// Creates the body; in one piece if all of it has arrived with its head: then its exchange is
    /// over.
    pub(super) fn of(mut incoming: Incoming, pooled: PooledConnection) -> Body {
        let mut early = None;
        // Only with a known length: otherwise the end is not known yet even if all bytes are here.
        if incoming.size_hint().exact().is_some() {
            if let Poll::Ready(polled) = pooled.connection.poll_early(&mut incoming) {
                // Trailers do not occur in a body of known length.
                let data = polled.transpose().map(|frame| {
                    frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default()
                });
                match data {
                    Ok(data) if incoming.is_end_stream() => {
                        pooled.release();
                        return data.into();
                    }
                    data => early = Some(data),
                }
            }
        }
        Body::streamed(Self { incoming, pooled: Some(pooled), early })
    }

    /// Ends the exchange, if that has not been done.
    fn release(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            pooled.release();
        }
    }
}

impl http_body::Body for StreamedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let this = &mut *self;
        loop {
            let Some(pooled) = &mut this.pooled else { return Poll::Ready(None) };
            let polled = match this.early.take() {
                Some(early) => Poll::Ready(Some(early.map(Frame::data))),
                None => pooled.connection.poll_frame(&mut this.incoming, cx),
            };
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    // A reader that knows the length does not ask for the end.
                    if this.incoming.is_end_stream() {
                        this.release();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                // Nothing in this crate reads trailers.
                Poll::Ready(Some(Ok(_trailers))) => {}
                Poll::Ready(Some(Err(error))) => {
                    // Closed: the rest of this body may still arrive on it.
                    this.pooled = None;
                    return Poll::Ready(Some(Err(classify::body(error))));
                }
                Poll::Ready(None) => {
                    this.release();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pooled.is_none() || (self.early.is_none() && self.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.pooled.is_none() {
            return SizeHint::with_exact(0);
        }
        let left = self.incoming.size_hint();
        match (&self.early, left.exact()) {
            (Some(Ok(early)), Some(left)) => SizeHint::with_exact(left + early.len() as u64),
            _ => left,
        }
    }
}
