//! Clients and a server in a simulated network that delays, cuts, heals, and takes the server down.
//!
//! Everything above the TCP connections is the real client: pool, timeouts, TLS, HTTP/1.1 and HTTP/2.
//! Each seed is another run, and always the same one: its trace is compared.
//! `SIMULATION_SEEDS=5000 cargo test -p atoma --test simulation` plays more of them,
//! `SIMULATION_SEEDS=42..43` a single one.

mod network;
mod server;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, Error, RetryConfig,
    RetryConnectionErrors, Timeouts,
};
use network::SERVER;
use server::{Books, completion};
use std::{
    collections::BTreeMap,
    future::Future,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};
use turmoil::{Builder, Sim};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
const CLIENTS: usize = 3;
const CALLS: usize = 6;

/// Timeouts shorter than the defaults, so that a run has more to it than waiting.
const CONNECT: Duration = Duration::from_secs(5);
const HEAD: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(20);
const TOTAL: Duration = Duration::from_secs(60);

/// How each call ended, in a few words.
type Endings = BTreeMap<String, String>;

/// The protocol of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Plain,
    Tls,
    Http2,
}

impl Protocol {
    fn of(seed: u64) -> Self {
        [Self::Plain, Self::Tls, Self::Http2][(seed % 3) as usize]
    }

    fn port(self) -> u16 {
        if self == Self::Plain { 80 } else { 443 }
    }

    fn url(self) -> String {
        let scheme = if self == Self::Plain { "http" } else { "https" };
        format!("{scheme}://{SERVER}")
    }
}

/// The result of one run.
struct Run {
    billed: BTreeMap<String, u32>,
    endings: Endings,
    trace: Vec<String>,
}

fn simulate(seed: u64, retries: &RetryConfig) -> Run {
    let protocol = Protocol::of(seed);
    // The jitter of the retries is drawn from this thread's generator.
    fastrand::seed(seed);
    let mut weather = fastrand::Rng::with_seed(!seed);
    let books = Books::new(seed);
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(86_400 * SECOND)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(weather.u64(2..800)))
        .fail_rate(if weather.bool() { 0.0 } else { 0.02 })
        .repair_rate(0.2)
        .build();
    let of_server = books.clone();
    sim.host(SERVER, move || server::run(of_server.clone(), protocol));
    let endings = Arc::new(Mutex::new(Endings::new()));
    for number in 0..CLIENTS {
        let (endings, retries) = (Arc::clone(&endings), retries.clone());
        let (chance, books) = (weather.fork(), books.clone());
        sim.client(name(number), async move {
            let client = client(protocol, retries);
            make_calls(number, &client, chance, &endings, &books).await;
            Ok(())
        });
    }
    let mut change = Duration::ZERO;
    while !sim.step().expect("every client ends in simulated time") {
        if sim.elapsed() >= change {
            change = sim.elapsed() + SECOND * weather.u32(1..30);
            turn_weather(&mut sim, &mut weather);
        }
    }
    let endings = endings.lock().unwrap().clone();
    Run { billed: books.billed(), endings, trace: books.trace() }
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

/// Changes the network of one client, or the server.
fn turn_weather(sim: &mut Sim<'_>, chance: &mut fastrand::Rng) {
    let client = name(chance.usize(..CLIENTS));
    match chance.u8(..12) {
        0 => sim.partition(client, SERVER),
        1 => sim.partition_oneway(SERVER, client),
        2 => sim.hold(client, SERVER),
        3 => sim.set_link_max_message_latency(client, SERVER, SECOND * chance.u32(1..10)),
        4 => sim.crash(SERVER),
        5 => sim.bounce(SERVER),
        _ => {
            for client in (0..CLIENTS).map(name) {
                sim.release(client.as_str(), SERVER);
                sim.repair(client, SERVER);
            }
            if !sim.is_host_running(SERVER) {
                sim.bounce(SERVER);
            }
        }
    }
}

fn client(protocol: Protocol, retries: RetryConfig) -> Client {
    let timeouts = Timeouts::none().head(HEAD).idle(IDLE);
    Client::builder()
        .api_key("key")
        .server_url(protocol.url())
        .allow_http(true)
        .transport(network::transport(protocol))
        .timeouts(timeouts.total(TOTAL))
        .stream_timeouts(timeouts)
        .retries(retries)
        .build()
        .expect("the client is well configured")
}

async fn make_calls(
    number: usize,
    client: &Client,
    mut chance: fastrand::Rng,
    endings: &Mutex<Endings>,
    books: &Books,
) {
    for call in 0..CALLS {
        let call = format!("{number}-{call}");
        let limit = match chance.u8(..5) {
            0 => SECOND * chance.u32(1..30),
            _ => 3_600 * SECOND,
        };
        let began = tokio::time::Instant::now();
        let (ending, longest) = if chance.bool() {
            // Two error responses and the waits they ask for, and then a response.
            let longest = 2 * (CONNECT + HEAD + 71 * SECOND) + CONNECT + 2 * HEAD + 20 * IDLE;
            (given_up_after(limit, stream(client, &call)).await, longest)
        } else {
            (given_up_after(limit, unary(client, &call)).await, TOTAL + 5 * SECOND)
        };
        let took = began.elapsed();
        assert!(took <= longest + 2 * TICK, "{call} took {took:?}: {ending}");
        books.note(format_args!("{call} ends: {ending}"));
        endings.lock().unwrap().insert(call, ending);
        tokio::time::sleep(SECOND * chance.u32(..5)).await;
    }
}

async fn given_up_after(limit: Duration, call: impl Future<Output = String>) -> String {
    let given_up = |_| "given up".to_owned();
    tokio::time::timeout(limit, call).await.unwrap_or_else(given_up)
}

fn request(call: &str) -> ChatCompletionRequest {
    ChatCompletionRequest::new("model", [ChatCompletionMessage::user(format!("#{call}#"))])
}

async fn unary(client: &Client, call: &str) -> String {
    match client.chat().create(request(call)).await {
        Ok(reply) => {
            assert_eq!(reply.text(), completion(call), "a wrong completion");
            "complete".to_owned()
        }
        Err(error) => ending(&error),
    }
}

async fn stream(client: &Client, call: &str) -> String {
    let mut stream = match client.chat().stream(request(call)).await {
        Ok(stream) => stream,
        Err(error) => return ending(&error),
    };
    let mut text = String::new();
    loop {
        match stream.try_next().await {
            Ok(Some(chunk)) => text += &chunk.text(),
            Ok(None) => break,
            Err(error) => {
                let partial = error.partial().map(|partial| partial.text().into_owned());
                assert_eq!(
                    partial.unwrap_or_default(),
                    text,
                    "the error lacks the partial response"
                );
                assert!(completion(call).starts_with(&text), "a wrong completion: {text}");
                return ending(&error);
            }
        }
    }
    assert_eq!(text, completion(call), "a wrong completion");
    "complete".to_owned()
}

/// Describes an error. It must have a kind, and may not deny that the call was billed.
fn ending(error: &Error) -> String {
    let kinds = [
        (error.is_api_error(), "API error"),
        (error.is_connect(), "not connected"),
        (error.is_timeout(), "timed out"),
        (error.is_truncated(), "truncated"),
        (error.transport().is_some(), "lost"),
    ];
    let kind = kinds.iter().find(|(is, _)| *is).expect("an error of no kind").1;
    let attempts = error.attempts();
    assert!(attempts.count >= 1, "no attempt is listed: {error:?}");
    let billed = if error.may_have_been_processed() { "perhaps billed" } else { "not billed" };
    format!("{kind}, {billed}, {} attempts", attempts.count)
}

/// The seeds to play: 200, or those of the environment.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..200 };
    let number = |text: &str| text.parse().expect("SIMULATION_SEEDS is N or M..N");
    match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&text),
    }
}

/// Names the seed of a run that panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with SIMULATION_SEEDS={}..{}", self.0, self.0 + 1);
        }
    }
}

#[test]
fn every_call_ends_rightly_and_none_is_billed_twice() {
    let mut all = BTreeMap::<String, u32>::new();
    for seed in seeds() {
        let named = Seed(seed);
        let run = simulate(seed, &RetryConfig::default());
        assert_eq!(run.endings.len(), CLIENTS * CALLS);
        for (call, ending) in &run.endings {
            let billed = run.billed.get(call).copied().unwrap_or_default();
            assert!(billed <= 1, "{call} was billed {billed} times: {ending}");
            assert!(billed == 1 || ending != "complete", "{call} is complete without a bill");
            assert!(billed == 0 || !ending.contains("not billed"), "{call} was billed: {ending}");
            *all.entry(ending.clone()).or_default() += 1;
        }
        drop(named);
    }
    println!("{all:#?}");
    if seeds().count() >= 200 {
        for kind in ["complete", "given up", "API error", "not connected", "timed out", "truncated"]
        {
            assert!(all.keys().any(|ending| ending.contains(kind)), "none was {kind}: {all:#?}");
        }
    }
}

/// Proof that the simulation would notice: with retries of requests that may have been billed, some calls are billed twice.
#[test]
fn calls_are_billed_twice_where_that_is_allowed() {
    let always = RetryConfig::default().retry_connection_errors(RetryConnectionErrors::Always);
    let twice = |seed| simulate(seed, &always).billed.into_values().any(|times| times > 1);
    assert!((0..20).any(twice));
}

/// Compared, not assumed: chance, time and the network are all that a run depends on.
#[test]
fn a_seed_is_always_the_same_run() {
    let retries = RetryConfig::default();
    for seed in 0..30 {
        let named = Seed(seed);
        let (first, second) = (simulate(seed, &retries), simulate(seed, &retries));
        assert!(first.trace.len() > CLIENTS * CALLS, "{:#?}", first.trace);
        for (step, (first, second)) in first.trace.iter().zip(&second.trace).enumerate() {
            assert_eq!(first, second, "step {step}");
        }
        assert_eq!(first.trace.len(), second.trace.len());
        drop(named);
    }
}
