//! The body of a response, as hyper polls it: the steps of a [`Flow`] in time.
//!
//! ```text
//! poll_frame ─► pause? ─ over, or a comment is due ─► frame
//!                 │ none
//!                 └─► next step ─┬─ Send ─────────────────────► frame
//!                                ├─ Pause, Hold, KeepAlive, Stall ─► begin a pause
//!                                ├─ Flush ────────────────────► pending once, so that hyper writes
//!                                └─ End, Close, Reset ────────► the end, or a hang-up
//! ```
use crate::{
    body_script::{Flow, Step},
    hang_up::{HangUp, HangUpRequest},
    state::Exchange,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The body of a response: waits, sends comments and hangs up as the steps of its flow say.
pub(crate) struct ScriptedBody {
    /// Decides each step.
    flow: Flow,
    /// The announced length; `None` sends chunks.
    length: Option<u64>,
    /// The bytes sent so far.
    sent: u64,
    /// The silence after which a comment is sent.
    keep_alive: Option<Duration>,
    /// The pause that has begun.
    pause: Option<Pause>,
    /// The timer of the pause, or of the next comment in it.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Resolves when the server is released, during a [`Step::Hold`].
    held: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Ends hyper's connection.
    hang_up_request: Arc<HangUpRequest>,
    /// Reports to the server's statistics that the response is complete or was dropped.
    exchange: Exchange,
}

/// A pause: its duration (`None`: forever), and the interval between comments in it (`None`: none).
#[derive(Clone, Copy)]
struct Pause {
    until: Option<Instant>,
    comments: Option<Duration>,
}

impl ScriptedBody {
    pub(crate) fn new(
        flow: Flow,
        length: Option<u64>,
        keep_alive: Option<Duration>,
        hang_up_request: Arc<HangUpRequest>,
        exchange: Exchange,
    ) -> Self {
        Self {
            flow,
            length,
            sent: 0,
            keep_alive,
            pause: None,
            sleep: None,
            held: None,
            hang_up_request,
            exchange,
        }
    }

    /// Returns bytes as a frame. hyper does not poll a body for its end when it has sent the announced length.
    fn send(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.sent += bytes.len() as u64;
        if self.is_end_stream() {
            self.exchange.finish();
        }
        Frame::data(bytes)
    }

    /// Waits for the end of the pause, or for the next comment within it.
    fn poll_pause(&mut self, pause: Pause, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let comment_at = pause.comments.and_then(|silence| Instant::now().checked_add(silence));
        let Some(next) = [pause.until, comment_at].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(next)));
        ready!(sleep.as_mut().poll(context));
        self.sleep = None;
        if pause.until.is_some_and(|until| until <= Instant::now()) {
            self.pause = None;
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Bytes::from_static(b": keep-alive\n\n")))
    }

    /// Asks the connection for a hang-up, and never gets ready again: hyper must not write an orderly end.
    fn hang_up<T>(&mut self, how: HangUp, context: &Context<'_>) -> Poll<T> {
        self.exchange.finish();
        self.hang_up_request.set(how);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            // Polled on each turn, so that a release ends the pause whatever it waits for.
            if self.held.as_mut().is_some_and(|held| held.as_mut().poll(context).is_ready()) {
                self.held = None;
                self.pause = None;
                self.sleep = None;
            }
            if let Some(pause) = self.pause {
                match ready!(self.poll_pause(pause, context)) {
                    Some(comment) => return Poll::Ready(Some(Ok(self.send(comment)))),
                    None => continue,
                }
            }
            let comments = self.keep_alive;
            match self.flow.next() {
                Step::Send(bytes) => return Poll::Ready(Some(Ok(self.send(bytes)))),
                Step::Flush => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Pause(pause) => {
                    self.pause = Some(Pause { until: Instant::now().checked_add(pause), comments });
                }
                Step::Hold => {
                    self.held = Some(Box::pin(self.exchange.released()));
                    self.pause = Some(Pause { until: None, comments });
                }
                Step::KeepAlive => self.pause = Some(Pause { until: None, comments }),
                Step::Stall => self.pause = Some(Pause { until: None, comments: None }),
                Step::End => {
                    self.exchange.finish();
                    return Poll::Ready(None);
                }
                Step::Close => return self.hang_up(HangUp::Close, context),
                Step::Reset => return self.hang_up(HangUp::Reset, context),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_some_and(|length| self.sent >= length)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, |length| {
            SizeHint::with_exact(length.saturating_sub(self.sent))
        })
    }
}
