use super::contract::{ContractServer, Scene};
use crate::{
    Body, BoxError, Delivery, ErrorKind, Request, ResponseFuture, Sleep, Timer, Transport,
    TransportError, body::PolledFrame,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use http_body::Frame;
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, pending, poll_fn, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

/// Plays prepared exchanges from memory, in order, for any requests. Clones are the same transport.
///
/// It keeps every request, and counts the exchanges and bodies that are still alive, so that a test
/// can check that a drop was passed on. After the last exchange, requests fail with a permanent
/// [`ErrorKind::Other`].
///
/// ```
/// use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
/// use atoma_transport::Transport;
///
/// let server = ScriptedTransport::new([Exchange::respond(200).header("x-request-id", "7").body("{}")]);
/// let response = ManualTimer::new().run(server.send(http::Request::default()))?;
/// assert_eq!(server.live_bodies(), 1);
/// drop(response);
/// assert_eq!(server.live_bodies(), 0);
/// # Ok::<(), atoma_transport::TransportError>(())
/// ```
#[derive(Clone, Default)]
pub struct ScriptedTransport {
    state: Arc<Mutex<State>>,
    timer: Option<Arc<dyn Timer>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Exchange>,
    requests: Vec<Request>,
    in_flight: usize,
    live_bodies: usize,
}

impl ScriptedTransport {
    /// Creates a transport that plays `exchanges`, one for each request.
    pub fn new(exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let transport = Self::default();
        transport.lock().script.extend(exchanges);
        transport
    }

    /// Sets the clock for [`Exchange::head_after`] and [`Exchange::pause`].
    #[must_use]
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Adds an exchange to the end of the script.
    pub fn push(&self, exchange: Exchange) {
        self.lock().script.push_back(exchange);
    }

    /// Returns the requests so far, with their extensions.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// Returns the number of exchanges that have not been played.
    pub fn exchanges_left(&self) -> usize {
        self.lock().script.len()
    }

    /// Returns the number of exchanges whose head has not arrived and that have not been dropped.
    pub fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Returns the number of bodies that have not been dropped.
    pub fn live_bodies(&self) -> usize {
        self.lock().live_bodies
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, duration: Duration) -> Sleep {
        let timer = self.timer.as_ref();
        let timer = timer.expect("an exchange with a delay needs ScriptedTransport::timer");
        let end = timer.now().checked_add(duration);
        end.map_or_else(|| Box::pin(pending()) as Sleep, |end| timer.sleep_until(end))
    }

    fn count(&self, counter: fn(&mut State) -> &mut usize) -> Counted {
        *counter(&mut self.lock()) += 1;
        Counted { transport: self.clone(), counter }
    }
}

impl Transport for ScriptedTransport {
    /// # Panics
    ///
    /// If the exchange has a delay and there is no [`timer`](ScriptedTransport::timer).
    fn send(&self, request: Request) -> ResponseFuture {
        let mut state = self.lock();
        state.requests.push(request);
        let exchange = state.script.pop_front();
        drop(state);

        let Some(exchange) = exchange else {
            let over = TransportError::new(ErrorKind::Other, Delivery::NotSent).permanent();
            return Box::pin(ready(Err(over.with_detail("no exchange left in the script"))));
        };
        let in_flight = self.count(|state| &mut state.in_flight);
        let delay = exchange.head_after.map(|delay| self.wait(delay));
        let transport = self.clone();
        Box::pin(async move {
            let _in_flight = in_flight;
            if let Some(delay) = delay {
                delay.await;
            }
            let mut response = match exchange.head {
                Head::Never => return pending().await,
                Head::Fail(error) => return Err(error),
                Head::Respond(head) => head.map(|()| Body::empty()),
            };
            *response.body_mut() = Body::streamed(ScriptedBody {
                _alive: transport.count(|state| &mut state.live_bodies),
                transport,
                steps: exchange.steps,
                pause: None,
            });
            Ok(response)
        })
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ScriptedTransport")
            .field("exchanges_left", &state.script.len())
            .field("requests", &state.requests.len())
            .field("in_flight", &state.in_flight)
            .field("live_bodies", &state.live_bodies)
            .finish()
    }
}

/// One exchange of a [`ScriptedTransport`].
///
/// The body is played in the order of the calls:
///
/// ```
/// use atoma_transport::testing::Exchange;
/// use std::time::Duration;
///
/// let slow_and_interrupted = Exchange::respond(200)
///     .header("content-type", "text/event-stream")
///     .head_after(Duration::from_secs(2))
///     .body("data: 1\n\n")
///     .pause(Duration::from_secs(60))
///     .body("data: 2\n")
///     .break_off("connection reset");
/// ```
#[derive(Debug)]
pub struct Exchange {
    head: Head,
    head_after: Option<Duration>,
    steps: VecDeque<Step>,
}

#[derive(Debug)]
enum Head {
    Respond(Box<http::Response<()>>),
    Fail(TransportError),
    Never,
}

#[derive(Debug)]
enum Step {
    Frame(Bytes),
    Pause(Duration),
    Stall,
    Fail(TransportError),
}

impl Exchange {
    /// Creates a response with this status and an empty body.
    ///
    /// # Panics
    ///
    /// If `status` is not between 100 and 999.
    pub fn respond(status: u16) -> Self {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status is 100 to 999");
        Self::new(Head::Respond(Box::new(response)))
    }

    /// Creates a failure without a response.
    pub fn fail(error: TransportError) -> Self {
        Self::new(Head::Fail(error))
    }

    /// Creates an exchange that never gets a response.
    pub fn never() -> Self {
        Self::new(Head::Never)
    }

    /// Adds a header to the response. Without a response it has no effect.
    ///
    /// # Panics
    ///
    /// If `name` or `value` is not valid.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a valid header name"),
            HeaderValue::from_str(value).expect("a valid header value"),
        );
        self
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        if let Head::Respond(response) = &mut self.head {
            response.headers_mut().append(name, value);
        }
    }

    /// Delays the head, or the failure.
    #[must_use]
    pub fn head_after(mut self, delay: Duration) -> Self {
        self.head_after = Some(delay);
        self
    }

    /// Adds a chunk of the body, delivered as one frame.
    #[must_use]
    pub fn body(self, chunk: impl Into<Bytes>) -> Self {
        self.step(Step::Frame(chunk.into()))
    }

    /// Adds a pause before the next step of the body.
    #[must_use]
    pub fn pause(self, duration: Duration) -> Self {
        self.step(Step::Pause(duration))
    }

    /// Stops the body without ending it.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Ends the body in an [`ErrorKind::BodyInterrupted`] error with this cause.
    #[must_use]
    pub fn break_off(self, cause: impl Into<BoxError>) -> Self {
        let error = TransportError::new(ErrorKind::BodyInterrupted, Delivery::Unknown);
        self.step(Step::Fail(error.with_source(cause)))
    }

    fn new(head: Head) -> Self {
        Self { head, head_after: None, steps: VecDeque::new() }
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

/// For recordings.
#[cfg(feature = "record")]
impl Exchange {
    pub(super) fn try_header(mut self, name: &str, value: &str) -> Result<Self, String> {
        let name = HeaderName::from_bytes(name.as_bytes());
        let name = name.map_err(|_| "a header name is not valid".to_owned())?;
        let value = HeaderValue::from_bytes(value.as_bytes());
        let value = value.map_err(|_| format!("the value of {name} is not valid"))?;
        self.append(name, value);
        Ok(self)
    }

    pub(super) fn body_error(self, error: TransportError) -> Self {
        self.step(Step::Fail(error))
    }
}

struct ScriptedBody {
    transport: ScriptedTransport,
    steps: VecDeque<Step>,
    pause: Option<Sleep>,
    _alive: Counted,
}

impl http_body::Body for ScriptedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.steps.pop_front() {
                Some(Step::Frame(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Some(Step::Pause(duration)) => self.pause = Some(self.transport.wait(duration)),
                Some(Step::Stall) => self.pause = Some(Box::pin(pending())),
                Some(Step::Fail(error)) => {
                    self.steps.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }
}

/// Decrements the counter when dropped.
struct Counted {
    transport: ScriptedTransport,
    counter: fn(&mut State) -> &mut usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        *(self.counter)(&mut self.transport.lock()) -= 1;
    }
}

impl ContractServer for ScriptedTransport {
    fn play(&self, scene: Scene) -> Uri {
        let contract = |exchange: Exchange| {
            let exchange = exchange.header("x-contract", "kept").header("retry-after", "0");
            exchange.header("location", "/elsewhere")
        };
        let cause = |kind: io::ErrorKind| io::Error::from(kind);
        self.push(match scene {
            Scene::Respond(status, chunks) => {
                chunks.into_iter().fold(contract(Exchange::respond(status)), Exchange::body)
            }
            Scene::ChunkThenSilence(chunk) => contract(Exchange::respond(200)).body(chunk).stall(),
            Scene::Silence => Exchange::never(),
            Scene::ChunkThenInterruption(chunk) => contract(Exchange::respond(200))
                .body(chunk)
                .break_off(cause(io::ErrorKind::UnexpectedEof)),
            Scene::HangUp => Exchange::fail(
                TransportError::new(ErrorKind::ConnectionLost, Delivery::Unknown)
                    .with_source(cause(io::ErrorKind::ConnectionReset)),
            ),
            Scene::Refuse => Exchange::fail(
                TransportError::new(ErrorKind::Connect, Delivery::NotSent)
                    .with_source(cause(io::ErrorKind::ConnectionRefused)),
            ),
        });
        self.lock().requests.clear();
        Uri::from_static("http://scripted.invalid/scene?kept=%20yes")
    }

    fn received(&self) -> Vec<Request> {
        self.requests()
    }

    fn request_arrived(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let transport = self.clone();
        Box::pin(poll_fn(move |_| match transport.requests().is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }))
    }

    fn client_hung_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let transport = self.clone();
        Box::pin(poll_fn(move |_| match transport.in_flight() + transport.live_bodies() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }))
    }
}
