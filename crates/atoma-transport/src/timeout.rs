//! Timeouts around any transport.
//!
//! ```text
//! send ──────────── head ───────── frame ───── frame ────────── end
//!  │◄──── head ─────►│◄──── idle ───►│◄── idle ──►│◄──── idle ───►│
//!  │◄────────────────────────── total ───────────────────────────►│
//! ```
//!
//! `idle` measures silence, not speed: it starts when the reader finds nothing, and each frame ends it. A reader that does not ask
//! for the next frame is not timed.
use crate::{
    Attempt, Body, Deadline, Delivery, Phase, Request, Response, ResponseFuture, Sleep, Timeouts,
    Timer, Transport, TransportError, body::PolledFrame, timeouts::earlier, timer::check_slept,
};
use bytes::Bytes;
use http_body::SizeHint;
use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Adds timeouts to any transport: for the head, for silence in the body, and in total.
///
/// The [`Timeouts`] in a request's extensions replace the defaults given here. The effective ones
/// are left in the extensions for the transport below, which enforces `connect`. A total that is
/// only a default here bounds each attempt of a [`Retry`](crate::Retry) layer above; in a request's
/// extensions it bounds all attempts together. A [`Deadline`] there takes precedence over the total.
///
/// An error is [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) with the phase. The request may
/// have been sent, unless the deadline had passed before it was passed on.
///
/// The body costs one sleep in total, not one per frame. With neither an idle nor a total timeout it
/// passes through unchanged.
///
/// ```
/// use atoma_transport::{Body, Timeout, Timeouts, transport_fn};
/// # use atoma_transport::testing::ManualTimer;
/// use std::time::Duration;
///
/// # let timer = ManualTimer::new();
/// let silent = transport_fn(|_| std::future::pending());
/// let transport = Timeout::new(silent, timer.clone(), Timeouts::none().head(Duration::from_secs(30)));
/// # use atoma_transport::{Phase, Transport};
/// # let error = timer.run(transport.send(Default::default())).unwrap_err();
/// # assert_eq!(error.timeout_phase(), Some(Phase::Head));
/// ```
#[derive(Clone, Debug)]
pub struct Timeout<T> {
    transport: T,
    timer: Arc<dyn Timer>,
    defaults: Timeouts,
}

impl<T: Transport> Timeout<T> {
    /// Limits the exchanges of `transport`, measured by `timer`. `defaults` apply to requests without
    /// [`Timeouts`].
    pub fn new(transport: T, timer: impl Timer, defaults: Timeouts) -> Self {
        Self { transport, timer: Arc::new(timer), defaults }
    }
}

impl<T: Transport> Transport for Timeout<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        let extensions = request.extensions_mut();
        let given = extensions.get().copied();
        let timeouts = given.unwrap_or(self.defaults);
        // Left for the transport below, which enforces `connect`.
        if given.is_none() {
            extensions.insert(timeouts);
        }
        let now = self.timer.now();
        let attempt = extensions.get::<Attempt>();
        // Of the attempt, not of this call: the time that a layer between took counts as well.
        let began = attempt.map_or(now, |attempt| attempt.began);
        let (deadline, mut total_limit) = Deadline::of(extensions, &timeouts, began);
        // The text names the total that the caller set, not the rest that this attempt has.
        if let (Some(limit), Some(attempt)) = (&mut total_limit, attempt) {
            *limit = attempt.whole_total.unwrap_or(*limit);
        }

        if deadline.is_some_and(|deadline| deadline <= now) {
            let error =
                TransportError::timeout(Phase::Total, Delivery::NotSent).with_limit(total_limit);
            return Box::pin(std::future::ready(Err(error)));
        }
        let limits = Limits {
            timer: Arc::clone(&self.timer),
            head: timeouts.head.and_then(|head| began.checked_add(head)),
            idle: timeouts.idle,
            deadline,
            head_limit: timeouts.head,
            total_limit,
        };
        let exchange = self.transport.send(request);
        Box::pin(TimedExchange { exchange, limits: Some(limits), sleep: None })
    }
}

/// The timeouts of one exchange, as instants where they are known.
struct Limits {
    timer: Arc<dyn Timer>,
    head: Option<Instant>,
    idle: Option<Duration>,
    deadline: Option<Instant>,
    /// For the texts of the errors.
    head_limit: Option<Duration>,
    total_limit: Option<Duration>,
}

/// Waits for the head.
struct TimedExchange {
    exchange: ResponseFuture,
    /// `None` once the head has arrived.
    limits: Option<Limits>,
    sleep: Option<Sleep>,
}

impl Future for TimedExchange {
    type Output = Result<Response, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // Before the clock: a head that is there in time is never late.
        let mut polled = this.exchange.as_mut().poll(cx);
        if let Poll::Ready(outcome) = &mut polled {
            if let (Ok(response), Some(limits)) = (outcome, this.limits.take()) {
                limits.put_around(response.body_mut());
            }
            // Returned as it came, since a response is large.
            return polled;
        }
        let Some(limits) = &this.limits else { return Poll::Pending };
        let Some(end) = earlier(limits.head, limits.deadline) else { return Poll::Pending };
        let sleep = this.sleep.get_or_insert_with(|| limits.timer.sleep_until(end));
        // One sleep, armed on the first wait, for the earlier end.
        ready!(sleep.as_mut().poll(cx));
        check_slept(&*limits.timer, end, Delivery::Unknown)?;
        let (phase, limit) = if limits.deadline == Some(end) {
            (Phase::Total, limits.total_limit)
        } else {
            (Phase::Head, limits.head_limit)
        };
        Poll::Ready(Err(TransportError::timeout(phase, Delivery::Unknown).with_limit(limit)))
    }
}

impl Limits {
    /// Wraps a body, unless nothing limits it or all of it has arrived.
    fn put_around(self, body: &mut Body) {
        let unlimited = self.idle.is_none() && self.deadline.is_none();
        if unlimited || body.is_whole() || http_body::Body::is_end_stream(body) {
            return;
        }
        let timed = TimedBody {
            body: Some(mem::take(body)),
            timer: self.timer,
            idle: self.idle,
            deadline: self.deadline,
            total_limit: self.total_limit,
            silent_since: None,
            unclocked_frames: 0,
            sleep: None,
        };
        *body = Body::streamed(timed);
    }
}

/// A server that always has a frame ready never lets the reader wait, so the deadline is checked
/// after this many frames.
const FRAMES_PER_LOOK_AT_THE_CLOCK: u8 = 64;

/// A body that fails when it is silent for too long, or not complete in time.
struct TimedBody {
    /// `None` once it has ended or failed.
    body: Option<Body>,
    timer: Arc<dyn Timer>,
    idle: Option<Duration>,
    deadline: Option<Instant>,
    total_limit: Option<Duration>,
    /// When the reader first found nothing after the last frame.
    silent_since: Option<Instant>,
    unclocked_frames: u8,
    /// With the instant it is armed for, which may be the end of an earlier silence: a sleep is
    /// replaced only when it fires, so that a frame costs none.
    sleep: Option<(Instant, Sleep)>,
}

impl TimedBody {
    /// When the current silence becomes a timeout, and of which phase.
    fn end(&self, silent_since: Instant) -> Option<(Instant, Phase)> {
        let idle = self.idle.and_then(|idle| silent_since.checked_add(idle));
        let end = earlier(idle, self.deadline)?;
        Some((end, if self.deadline == Some(end) { Phase::Total } else { Phase::Idle }))
    }

    /// Ends the body with a timeout.
    fn fail(&mut self, phase: Phase) -> PolledFrame {
        self.body = None;
        self.sleep = None;
        let limit = if phase == Phase::Total { self.total_limit } else { self.idle };
        let error = TransportError::timeout(phase, Delivery::Unknown).with_limit(limit);
        Poll::Ready(Some(Err(error)))
    }

    /// Returns whether the deadline has passed, by a look at the clock every 64 frames.
    fn is_overdue(&mut self) -> bool {
        let Some(deadline) = self.deadline else { return false };
        self.unclocked_frames += 1;
        if self.unclocked_frames < FRAMES_PER_LOOK_AT_THE_CLOCK {
            return false;
        }
        self.unclocked_frames = 0;
        self.timer.now() >= deadline
    }
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            this.silent_since = None;
            match frame {
                Some(Ok(_)) if this.is_overdue() => return this.fail(Phase::Total),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => (this.body, this.sleep) = (None, None),
            }
            return Poll::Ready(frame);
        }

        // Nothing to read: silence begins with the first poll that finds nothing.
        let silent_since = *this.silent_since.get_or_insert_with(|| this.timer.now());
        let Some((end, phase)) = this.end(silent_since) else { return Poll::Pending };
        loop {
            let arm = || (end, this.timer.sleep_until(end));
            let (armed_for, sleep) = this.sleep.get_or_insert_with(arm);
            ready!(sleep.as_mut().poll(cx));
            if let Err(error) = check_slept(&*this.timer, *armed_for, Delivery::Unknown) {
                (this.body, this.sleep) = (None, None);
                return Poll::Ready(Some(Err(error)));
            }
            // Armed for an earlier silence that a frame has ended: armed again for this one.
            if *armed_for >= end {
                break;
            }
            this.sleep = None;
        }
        this.fail(phase)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
