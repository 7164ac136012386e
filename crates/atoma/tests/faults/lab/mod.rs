//! The fault lab: a scripted server, a client of it, and the invariants that hold in every row.
//!
//! ```ignore
//! let lab = serve([Script::on_request().write(STREAM).write(event("Hel")).half_close()]).start().await;
//! let outcome = lab.stream().await;
//! outcome.is([Truncated, Retryable, MayBeBilled]).after("Hel").attempts(1).connections(1);
//! lab.healthy().await;
//! ```
//!
//! After its last script, the server sends good responses. Nothing here sleeps: a server waits at a
//! [`Gate`], a test waits for an event, and timeouts run on a clock that the test moves, or do not
//! end before a hang would be noticed ([`PatientTimer`]). A lab that is dropped without
//! [`Lab::healthy`] or [`Lab::closes`] fails its test.

pub mod dead_end;
mod dns;
#[cfg(feature = "http2")]
pub mod h2;
pub mod invariants;
pub mod memory;
mod outcome;
mod patient;
pub mod process;
pub mod proxy;
pub mod renegotiation;
pub mod responses;
pub mod tls;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionStream, Client, ClientBuilder,
};
pub use atoma_transport::testing::server::{
    self, Event, Gate, Io, Log, Peer, Script, Server, Wrap,
};
use atoma_transport::{
    BackoffStrategy, HyperTransport, HyperTransportBuilder, Proxy, RetryConfig, TokioTimer,
    testing::ManualTimer,
};
pub use dns::{Found, Names};
pub use outcome::{Is, Outcome};
pub use patient::PatientTimer;
pub use responses::Good;
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

/// The key of the lab's clients. It must not appear in any text.
pub const CANARY: &str = "sk-canary-5e1f0c9a7b";

/// A server with these scripts, one for each connection in order. [`Setup::start`] starts it.
pub fn serve(scripts: impl IntoIterator<Item = Script>) -> Setup {
    Setup {
        scripts: scripts.into_iter().collect(),
        then: Script::good(),
        scheme: "http",
        host: "127.0.0.1",
        wrap: None,
        proxy: None,
        clock: None,
        tokio_clock: false,
        transport: Box::new(|builder| builder),
        client: Box::new(|builder| builder),
    }
}

/// A lab before it starts.
pub struct Setup {
    scripts: Vec<Script>,
    then: Script,
    scheme: &'static str,
    host: &'static str,
    wrap: Option<Wrap>,
    proxy: Option<Server>,
    clock: Option<ManualTimer>,
    tokio_clock: bool,
    transport: Box<dyn FnOnce(HyperTransportBuilder) -> HyperTransportBuilder>,
    client: Box<dyn FnOnce(ClientBuilder) -> ClientBuilder>,
}

/// A server, a client for it, and their clock.
pub struct Lab {
    pub server: Server,
    pub client: Client,
    /// The transport below the client, with the same connections.
    pub transport: HyperTransport,
    proxy: Option<Server>,
    clock: Option<ManualTimer>,
    end: End,
}

/// Fails a test that ends without the checks of [`Lab::closes`].
struct End {
    is_checked: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        assert!(self.is_checked || std::thread::panicking(), "a lab ended without its checks");
    }
}

impl Setup {
    /// Runs all timeouts on a clock that only the test moves; see [`Lab::expires_after`].
    pub fn manual_clock(mut self) -> Self {
        self.clock = Some(ManualTimer::new());
        self
    }

    /// Runs all timeouts on tokio's clock, which the test pauses.
    pub fn tokio_clock(mut self) -> Self {
        self.tokio_clock = true;
        self
    }

    /// Plays `script` on every connection after those of the other scripts.
    pub fn then(mut self, script: Script) -> Self {
        self.then = script;
        self
    }

    /// Changes the transport.
    pub fn transport(
        mut self,
        change: impl FnOnce(HyperTransportBuilder) -> HyperTransportBuilder + 'static,
    ) -> Self {
        let before = self.transport;
        self.transport = Box::new(|builder| change(before(builder)));
        self
    }

    /// Changes the client.
    pub fn client(mut self, change: impl FnOnce(ClientBuilder) -> ClientBuilder + 'static) -> Self {
        let before = self.client;
        self.client = Box::new(|builder| change(before(builder)));
        self
    }

    /// Listens on this loopback address, written as in a URL.
    pub fn at(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// Uses the name `api.test`, which `names` looks up.
    pub fn named(mut self, names: &Names) -> Self {
        self.host = "api.test";
        let names = names.clone();
        self.transport(|builder| builder.resolver(names)).client(|client| client.allow_http(true))
    }

    /// Connects through `proxy`, which ends with the lab.
    pub fn by_way_of(mut self, proxy: Server, url: impl Into<String>) -> Self {
        self.proxy = Some(proxy);
        let url = url.into();
        self.transport(|builder| builder.proxy(Proxy::all(url)))
    }

    /// Uses `wrap` in place of bare TCP, with this scheme and host name.
    pub fn over(mut self, scheme: &'static str, host: &'static str, wrap: Wrap) -> Self {
        (self.scheme, self.host, self.wrap) = (scheme, host, Some(wrap));
        self
    }

    pub async fn start(self) -> Lab {
        let ip = self.host.trim_matches(['[', ']']).parse();
        let ip = ip.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let server =
            Server::scripted_on(server::bind(ip).await, self.scripts, self.then, self.wrap);
        let transport = HyperTransport::builder().proxy(Proxy::none());
        let url = format!("{}://{}:{}", self.scheme, self.host, server.address.port());
        let client = Client::builder().api_key(CANARY).server_url(url).retries(quick_retries());
        let (transport, client) = match &self.clock {
            Some(clock) => (transport.timer(clock.clone()), client.timer(clock.clone())),
            None if self.tokio_clock => (transport.timer(TokioTimer), client.timer(TokioTimer)),
            None => (transport.timer(PatientTimer), client.timer(PatientTimer)),
        };
        let transport = (self.transport)(transport).build().expect("the lab's transport");
        let client = (self.client)(client.transport(transport.clone()));
        let client = client.build().expect("the lab's client");
        let end = End { is_checked: false };
        Lab { server, client, transport, proxy: self.proxy, clock: self.clock, end }
    }
}

const MOMENT: Duration = Duration::from_millis(1);

/// The longest wait of [`quick_retries`].
pub const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Three attempts with a short wait between them.
pub fn quick_retries() -> RetryConfig {
    let moment = Duration::from_millis(1);
    let backoff = BackoffStrategy::default().initial_interval(moment).max_interval(moment);
    RetryConfig::default().backoff(backoff)
}

/// The text in the requests of the lab's calls.
pub fn request() -> ChatCompletionRequest {
    asking("Hello?")
}

/// A request with the text `text`.
pub fn asking(text: &str) -> ChatCompletionRequest {
    ChatCompletionRequest::new("lab-model", [ChatCompletionMessage::user(text)])
}

impl Lab {
    /// Makes a streaming call and reads it to its end.
    pub async fn stream(&self) -> Outcome {
        let log = self.server.log();
        within(Outcome::of_stream(log, self.client.chat().stream(request()))).await
    }

    /// Makes a unary call.
    pub async fn unary(&self) -> Outcome {
        self.unary_of(request()).await
    }

    /// Sends `request` and waits for the unary response.
    pub async fn unary_of(&self, request: ChatCompletionRequest) -> Outcome {
        let log = self.server.log();
        within(Outcome::of_unary(log, self.client.chat().create(request))).await
    }

    /// Makes a streaming call, whose stream the test reads.
    pub async fn open(&self) -> atoma::Result<ChatCompletionStream> {
        within(self.client.chat().stream(request()).into_future()).await
    }

    /// Reads a stream that [`open`](Self::open) began to its end; `read` is the text that the test
    /// has read before.
    pub async fn rest_of(&self, stream: ChatCompletionStream, read: &str) -> Outcome {
        within(Outcome::of_rest(self.server.log(), stream, read)).await
    }

    /// The clock of [`Setup::manual_clock`].
    pub fn clock(&self) -> &ManualTimer {
        self.clock.as_ref().expect("this lab has no manual clock")
    }

    /// Runs `future` until a script has halted for the `count`th time and the client has read
    /// everything sent before. `future` must not end before that.
    pub async fn halts<F: Future + Unpin>(&self, count: usize, future: &mut F) {
        let mut halted = pin!(self.server.wait_for(|log| log.halts() >= count));
        within(poll_fn(|cx| {
            let early = Pin::new(&mut *future).poll(cx).is_ready();
            assert!(!early, "it ended before the server had come to a halt");
            halted.as_mut().poll(cx)
        }))
        .await;
        assert!(settle(future).await.is_none(), "it ended without the clock");
    }

    /// Runs `future`, which must end when the clock is moved by `time` after a script has halted:
    /// not before, and without another move.
    pub async fn expires_after<F: Future>(&self, time: Duration, future: F) -> F::Output {
        let mut future = pin!(future);
        self.halts(1, &mut future).await;
        self.expires_in(time, &mut future).await
    }

    /// The same for a future whose script has already halted.
    pub async fn expires_in<F: Future + Unpin>(&self, time: Duration, future: &mut F) -> F::Output {
        self.clock().advance(time - MOMENT);
        assert!(settle(future).await.is_none(), "it ended too early");
        self.clock().advance(MOMENT);
        settle(future).await.expect("it should have ended by now")
    }

    /// Runs `future`, each of whose attempts must end when the clock is moved by `time`: not
    /// before, and without another move. `halting` is the server whose scripts halt meanwhile.
    pub async fn expires_each_time<F: Future>(
        &self,
        attempts: u32,
        time: Duration,
        halting: Option<&Log>,
        future: F,
    ) -> F::Output {
        let mut future = pin!(future);
        for attempt in 1..attempts {
            self.begins(attempt, halting, &mut future).await;
            self.clock().advance(time - MOMENT);
            assert!(settle(&mut future).await.is_none(), "it ended too early");
            self.clock().advance(MOMENT);
            assert!(settle(&mut future).await.is_none(), "it was not tried again");
            self.clock().advance(LONGEST_WAIT);
        }
        self.begins(attempts, halting, &mut future).await;
        self.expires_in(time, &mut future).await
    }

    async fn begins<F: Future + Unpin>(&self, attempt: u32, halting: Option<&Log>, future: &mut F) {
        if let Some(log) = halting {
            let mut halted = pin!(log.reach(|log| log.halts() >= attempt as usize));
            within(poll_fn(|cx| {
                assert!(Pin::new(&mut *future).poll(cx).is_pending(), "it ended too early");
                halted.as_mut().poll(cx)
            }))
            .await;
        }
        assert!(settle(future).await.is_none(), "it ended without the clock");
    }

    /// Checks that the next calls on the same client succeed, and that they leave no connection,
    /// task or sleep behind.
    pub async fn healthy(self) {
        let before = self.server.log().accepted();
        self.unary().await.ok(responses::GOOD);
        self.stream().await.ok(responses::GOOD);
        let opened = self.server.log().accepted() - before;
        assert!(opened <= 1, "the client does not use its connections again: {opened} were opened");
        self.closes("the calls above are the next ones").await;
    }

    /// Ends the lab and checks that nothing is left behind, as [`healthy`](Self::healthy) does, but
    /// without another call: the row says why.
    pub async fn closes(self, why_without_a_call: &str) {
        assert!(!why_without_a_call.is_empty());
        let Self { server, client, transport, proxy, clock, mut end } = self;
        invariants::no_secret(&client);
        invariants::no_secret(&transport);
        drop((client, transport));
        // The task of an HTTP/2 connection closes it at its next poll.
        arrived().await;
        for server in [Some(server), proxy].into_iter().flatten() {
            if server.log().closed_first() {
                // The port must still be in use here, so that no other test gets it.
                invariants::no_socket_to(server.address);
            }
            within(server.shut_down()).await;
        }
        invariants::no_task().await;
        if let Some(clock) = clock {
            assert_eq!(clock.waiters(), 0, "a sleep was left behind");
        }
        end.is_checked = true;
    }
}

/// Fails where this machine cannot make a check, unless `ALLOW_SKIPS` is set, as for `.ci/run`.
#[track_caller]
pub fn cannot_check(reason: &str) {
    assert!(std::env::var_os("ALLOW_SKIPS").is_some(), "{reason}: ALLOW_SKIPS=1 skips the check");
    println!("skipped: {reason}");
}

/// The time after which a test has hung, however busy the machine is.
pub const HANG: Duration = Duration::from_secs(120);

/// Fails instead of hanging.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

/// Waits until everything that has arrived has been noticed.
pub async fn arrived() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Lets `future` see everything that has arrived from the network.
pub async fn settle<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    for _ in 0..8 {
        if let Some(output) = turn(future).await {
            return Some(output);
        }
    }
    None
}

/// Polls `future` once, and lets other tasks run.
pub async fn turn<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await;
    tokio::task::yield_now().await;
    match polled {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
