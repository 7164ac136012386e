//! The behavior that every endpoint shares: retries, errors, options of a call, metadata, observers, and the
//! blocking client.

mod support;

use atoma::{
    Call, CallEnd, CallInfo, CallResult, Client, CompletionRequest, EmbeddingRequest, Endpoint,
    ErrorKind, ImageRequest, Metadata, NodeCreateRequest, NodeLockRequest, Observer, Reply,
    ResponseStream, RetryConfig, RetryEvent,
    transport::{
        AttemptStarted, CallId,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
    types::{NodeAddress, StreamModel},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    completion, event, hello_stream, request,
    scripted::{json_body, scripted, streamed},
};

const TEXT: &str = r#"{"id":"c","object":"text_completion","choices":[{"index":0,"text":"hi","finish_reason":"stop"}]}"#;

/// One endpoint: where its calls go, and a response that it understands.
struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: String,
    is_stream: bool,
}

impl Case {
    fn new(name: &'static str, target: &'static str, body: impl Into<String>) -> Self {
        let (method, path) = target.split_once(' ').unwrap();
        Self { name, method, path, body: body.into(), is_stream: name.ends_with("stream") }
    }

    fn response(&self) -> Exchange {
        let exchange =
            if self.is_stream { streamed().body(self.body.clone()) } else { json_body(&self.body) };
        exchange.header("x-request-id", "req-2")
    }
}

/// Runs a check for every endpoint.
macro_rules! every_endpoint {
    ($check:ident) => {{
        let completions = || CompletionRequest::new("m", "Once");
        let address = || NodeAddress::new(1, "https://node.test", "PT");
        $check(
            &Case::new("chat", "POST /chat/completions", completion("hi").to_string()),
            |client| client.chat().create(request()),
        );
        $check(&Case::new("chat stream", "POST /chat/completions", hello_stream()), |client| {
            client.chat().stream(request())
        });
        $check(&Case::new("completions", "POST /completions", TEXT), |client| {
            client.completions().create(completions())
        });
        $check(&Case::new("completions stream", "POST /completions", event(TEXT)), |client| {
            client.completions().stream(completions())
        });
        let vectors = r#"{"object":"list","data":[{"index":0,"embedding":[0.5]}]}"#;
        $check(&Case::new("embeddings", "POST /embeddings", vectors), |client| {
            client.embeddings().create(EmbeddingRequest::new("m", "text"))
        });
        let images = r#"{"created":1,"data":[{"url":"https://images.test/a.png"}]}"#;
        $check(&Case::new("images", "POST /images/generations", images), |client| {
            client.images().generate(ImageRequest::new("m", "an otter").n(1).size("64x64"))
        });
        let models = r#"{"object":"list","data":[{"id":"m"}]}"#;
        $check(&Case::new("models", "GET /models", models), |client| client.models().list());
        $check(&Case::new("model", "GET /models", models), |client| client.models().retrieve("m"));
        $check(&Case::new("open router", "GET /open_router/models", "[1]"), |client| {
            client.open_router().models()
        });
        $check(&Case::new("health", "GET /health", r#"{"message":"ok"}"#), |client| {
            client.health().check()
        });
        $check(&Case::new("nodes", "POST /nodes", r#"{"message":"Success"}"#), |client| {
            client.nodes().create(NodeCreateRequest::new(address(), "c2ln"))
        });
        let lock = r#"{"public_key":"a2V5","node_small_id":1,"stack_small_id":2}"#;
        $check(&Case::new("lock", "POST /nodes/lock", lock), |client| {
            client.nodes().lock(NodeLockRequest::new("m"))
        });
    }};
}

/// The value of a call, whole or streamed.
trait Outcome {
    fn metadata(&self) -> &Metadata;
    /// Reads to the end; true if there is content.
    async fn has_content(self) -> bool;
}

impl<T> Outcome for Reply<T> {
    fn metadata(&self) -> &Metadata {
        self.metadata()
    }

    async fn has_content(self) -> bool {
        !self.raw().is_empty()
    }
}

impl<M: StreamModel> Outcome for ResponseStream<M> {
    fn metadata(&self) -> &Metadata {
        self.metadata()
    }

    async fn has_content(mut self) -> bool {
        let is_first = self.try_next().await.unwrap().is_some() && !self.raw().is_empty();
        is_first && self.into_response().await.is_ok()
    }
}

/// The events of calls, in a word each.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn push(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }
}

impl Observer for Log {
    fn call_started(&self, _: CallId, info: &CallInfo<'_>) {
        self.push(format!("start {}", info.path));
    }

    fn attempt_started(&self, _: &AttemptStarted<'_>) {
        self.push("attempt");
    }

    fn retry(&self, _: &RetryEvent) {
        self.push("retry");
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        self.push(match end.outcome {
            CallResult::Complete => "complete",
            CallResult::Failed(_) => "failed",
            _ => "dropped",
        });
    }
}

fn client(
    exchanges: impl IntoIterator<Item = Exchange>,
) -> (Client, ScriptedTransport, ManualTimer, Arc<Log>) {
    let (transport, timer, builder) = scripted(exchanges);
    let log = Arc::new(Log::default());
    let client = builder.observer(Arc::clone(&log)).build().unwrap();
    (client, transport, timer, log)
}

fn is_retried<E: Endpoint<Output: Outcome>>(case: &Case, call: impl Fn(&Client) -> Call<E>) {
    let name = case.name;
    let (client, transport, timer, log) = client([Exchange::respond(503), case.response()]);
    let outcome = timer.run(call(&client).header("x-trace", "7").query("v", "1")).expect(name);
    let metadata = outcome.metadata();
    assert_eq!(metadata.status(), 200, "{name}");
    assert_eq!(metadata.request_id(), Some("req-2"), "{name}");
    assert_eq!(metadata.attempts().count, 2, "{name}");
    assert!(timer.run(outcome.has_content()), "{name}");

    let requests = transport.requests();
    assert_eq!(requests.len(), 2, "{name}");
    let path = if name == "health" { case.path.to_owned() } else { format!("/v1{}", case.path) };
    for sent in &requests {
        assert_eq!((sent.method().as_str(), sent.uri().path()), (case.method, &*path), "{name}");
        assert_eq!(sent.uri().query(), Some("v=1"), "{name}");
        assert_eq!(sent.headers()["x-trace"], "7", "{name}");
        assert_eq!(sent.headers()["authorization"], "Bearer sk-test-key", "{name}");
        assert_eq!(sent.body(), requests[0].body(), "{name}");
        let is_json =
            sent.headers().get("content-type").is_some_and(|kind| kind == "application/json");
        assert_eq!(is_json, case.method == "POST", "{name}");
    }
    let events = log.0.lock().unwrap().join(", ");
    let wanted = format!("start {}, attempt, retry, attempt, complete", case.path);
    assert_eq!(events, wanted, "{name}");
}

#[test]
fn every_endpoint_is_retried_observed_and_keeps_its_metadata() {
    every_endpoint!(is_retried);
}

fn reports_errors<E: Endpoint>(case: &Case, call: impl Fn(&Client) -> Call<E>) {
    let name = case.name;
    let error = |exchange: Exchange| {
        let (client, _, timer, log) = client([exchange.header("x-request-id", "req-1")]);
        let error = timer.run(call(&client).retries(RetryConfig::none())).err().expect(name);
        assert_eq!(log.0.lock().unwrap().last().unwrap(), "failed", "{name}");
        error
    };
    let body = r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#;
    let refused =
        error(Exchange::respond(401).header("content-type", "application/json").body(body));
    assert_eq!(refused.kind(), ErrorKind::Authentication, "{name}");
    assert_eq!(refused.api_error().unwrap().message, "Authentication failed", "{name}");
    assert_eq!(refused.request_id(), Some("req-1"), "{name}");

    assert!(error(Exchange::respond(503)).status().is_some_and(|status| status == 503), "{name}");
    // A stream is judged when it is read, and tested with the streams.
    if !case.is_stream {
        assert!(error(json_body(body)).is_api_error(), "{name}: an error with status 200");
        let page = Exchange::respond(200).header("content-type", "text/html").body("<html>");
        assert!(error(page).is_unexpected_response(), "{name}: a page");
        assert!(!error(json_body("{\"a\":")).is_api_error(), "{name}: half a body");
    }
}

#[test]
fn every_endpoint_reports_errors() {
    every_endpoint!(reports_errors);
}

fn takes_options<E: Endpoint<Output: Outcome>>(case: &Case, call: impl Fn(&Client) -> Call<E>) {
    let name = case.name;
    let (client, transport, timer, _) =
        client([Exchange::never(), Exchange::respond(503), case.response()]);
    let late = call(&client).timeout(Duration::from_secs(3)).retries(RetryConfig::none());
    assert!(timer.run(late).err().expect(name).is_timeout(), "{name}");
    let once = call(&client).retries(RetryConfig::none());
    assert!(timer.run(once).is_err(), "{name}");
    let elsewhere = call(&client).server_url("https://gateway.test/atoma");
    assert!(timer.run(elsewhere).is_ok(), "{name}");
    let host = transport.requests().last().unwrap().uri().host().map(str::to_owned);
    assert_eq!(host.as_deref(), Some("gateway.test"), "{name}");
    assert_eq!(transport.exchanges_left(), 0, "{name}: each call was sent once");
}

#[test]
fn every_endpoint_takes_the_options_of_a_call() {
    every_endpoint!(takes_options);
}

#[cfg(feature = "blocking")]
fn is_sent_blocking<E: atoma::blocking::BlockingEndpoint>(
    case: &Case,
    call: impl Fn(&Client) -> Call<E>,
) {
    let (client, transport, _, _) = client([case.response()]);
    let client = atoma::blocking::Client::from_client(client).unwrap();
    assert!(call(&client).send().is_ok(), "{}", case.name);
    assert_eq!(transport.exchanges_left(), 0, "{}", case.name);
}

#[cfg(feature = "blocking")]
#[test]
fn every_endpoint_is_sent_by_the_blocking_client() {
    every_endpoint!(is_sent_blocking);
}
