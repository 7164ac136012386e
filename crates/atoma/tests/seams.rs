//! The seams of the client: an inspector, an observer, a request source, a layer, and two more
//! resources.

mod support;

use atoma::{
    ApiKey, CallEnd, CallInfo, CallResult, ChatCompletionResponse, Client, ClientBuilder,
    EmbeddingRequest, ErrorKind, Inspect, InspectCall, Observer, StreamEvent,
    transport::{
        AttemptEnded, AttemptStarted, BoxError, CallId, ResponseHead, RetryEvent, layer_fn,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
};
use http::{Extensions, header::AUTHORIZATION};
use serde_json::json;
use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{chunk, completion, event, hello_stream, last_chunk, request};

fn scripted(
    exchanges: impl IntoIterator<Item = Exchange>,
) -> (ScriptedTransport, ManualTimer, ClientBuilder) {
    let timer = ManualTimer::new();
    let transport = ScriptedTransport::new(exchanges).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test-key").server_url("http://localhost:1");
    let builder = builder.transport(transport.clone()).timer(timer.clone());
    (transport, timer, builder)
}

fn json_body(body: impl std::fmt::Display) -> Exchange {
    Exchange::respond(200).header("content-type", "application/json").body(body.to_string())
}

fn streamed() -> Exchange {
    Exchange::respond(200).header("content-type", "text/event-stream")
}

/// Reverses every text, counts what it saw, and reports the count at the end.
#[derive(Clone, Default)]
struct Reverse {
    seen: Vec<String>,
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Inspected(usize);

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

impl Inspect for Reverse {
    fn begin(&self, call: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        self.log.lock().unwrap().push(format!("{} {} {}", call.method, call.path, call.is_stream));
        Some(Box::new(self.clone()))
    }
}

impl InspectCall for Reverse {
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        let text = std::str::from_utf8(body)?;
        self.seen.push(text.to_owned());
        Ok(reversed(text).into_bytes().into())
    }

    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        self.seen.push(data.to_owned());
        Ok(reversed(data).into())
    }

    fn finish(&mut self, extensions: &mut Extensions) -> Result<(), BoxError> {
        extensions.insert(Inspected(self.seen.len()));
        Ok(())
    }
}

#[test]
fn an_inspector_replaces_the_text_that_is_parsed() {
    let sealed = |text: serde_json::Value| reversed(&text.to_string());
    let stream = [chunk("he"), chunk("llo"), last_chunk()].map(|text| event(sealed(text))).concat()
        + &event("[DONE]");
    let body = sealed(completion("hello"));
    let (_, timer, builder) = scripted([
        json_body(&body),
        streamed().body(stream.clone()),
        streamed().body(stream.clone()),
    ]);
    let inspector = Reverse::default();
    let client = builder.inspect(inspector.clone()).build().unwrap();
    timer.run(async {
        let reply = client.chat().create(request()).await.unwrap();
        assert_eq!(reply.text(), "hello");
        assert_eq!(reply.raw(), body.as_bytes(), "the raw body is what was received");
        assert_eq!(reply.metadata().extensions().get(), Some(&Inspected(1)));

        let mut chunks = client.chat().stream(request()).await.unwrap();
        assert_eq!(chunks.try_next().await.unwrap().unwrap().text(), "he");
        assert_eq!(chunks.raw(), sealed(chunk("he")), "the raw event is what was received");
        while chunks.try_next().await.unwrap().is_some() {}
        assert_eq!(chunks.metadata().extensions().get(), Some(&Inspected(3)));
        assert_eq!(chunks.into_response().await.unwrap().text(), "hello");

        let reply = client.chat().create(request()).await.unwrap();
        assert_eq!(reply.text(), "hello");
        assert_eq!(reply.raw(), stream.as_bytes());
        assert_eq!(reply.metadata().extensions().get(), Some(&Inspected(3)));
    });
    assert_eq!(
        *inspector.log.lock().unwrap(),
        [
            "POST /chat/completions false",
            "POST /chat/completions true",
            "POST /chat/completions false"
        ]
    );
}

/// Rejects what contains this word.
struct Rejects(&'static str);

impl Inspect for Rejects {
    fn begin(&self, _: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        Some(Box::new(Self(self.0)))
    }
}

impl InspectCall for Rejects {
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        if String::from_utf8_lossy(body).contains(self.0) {
            return Err(format!("contains {}", self.0).into());
        }
        Ok(body.into())
    }

    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        if data.contains(self.0) {
            Err(format!("contains {}", self.0).into())
        } else {
            Ok(data.into())
        }
    }
}

#[test]
fn an_inspector_can_reject_a_response() {
    let stream = hello_stream();
    for (name, exchange, is_streamed, partial) in [
        ("a body", json_body(completion("hello")), false, None),
        (
            "an event stream in a body",
            Exchange::respond(200).body(stream.clone()),
            false,
            Some("he"),
        ),
        ("a stream that was not asked for", streamed().body(stream.clone()), false, Some("he")),
        ("a stream", streamed().body(stream.clone()), true, Some("he")),
        ("a body in place of a stream", json_body(completion("hello")), true, None),
    ] {
        let (_, timer, builder) = scripted([exchange]);
        let client = builder.inspect(Rejects("llo")).build().unwrap();
        let error = timer.run(async {
            if is_streamed {
                support::read(client.chat().stream(request()).await).await.error.unwrap()
            } else {
                client.chat().create(request()).await.unwrap_err()
            }
        });
        assert!(error.is_rejected() && error.kind() == ErrorKind::Rejected, "{name}: {error:?}");
        assert!(!error.is_retryable() && error.may_have_been_processed(), "{name}");
        assert_eq!(support::chain(&error).last().unwrap(), "contains llo", "{name}");
        assert_eq!(
            error.partial().map(|part| part.text().into_owned()).as_deref(),
            partial,
            "{name}"
        );
        assert_eq!(error.partial_as::<ChatCompletionResponse>(), error.partial(), "{name}");
    }
}

/// Writes down every event.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn push(&self, _: CallId, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

impl Observer for Log {
    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        self.push(call, format!("started {}", info.path));
    }

    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        self.push(event.call, format!("attempt {}", event.attempt));
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let status = event.outcome.map(|response| response.status().as_u16());
        self.push(event.call, format!("attempt ended {status:?}"));
    }

    fn retry(&self, event: &RetryEvent) {
        self.push(event.call, "retry");
    }

    fn response_head(&self, event: &ResponseHead<'_>) {
        self.push(event.call, format!("head {}", event.response.status().as_u16()));
    }

    fn first_event(&self, event: &StreamEvent<'_>) {
        self.push(event.call, "first event");
    }

    fn event(&self, event: &StreamEvent<'_>) {
        self.push(event.call, format!("event {}", event.data.len()));
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        let outcome = match end.outcome {
            CallResult::Complete => "complete".to_owned(),
            CallResult::Failed(error) => format!("failed: {:?}", error.kind()),
            CallResult::Dropped => "dropped".to_owned(),
            _ => unreachable!(),
        };
        let tokens = end.usage.map_or(0, |usage| usage.total_tokens);
        let chunks = end.stats.map_or(0, atoma::StreamStats::chunks);
        self.push(end.call, format!("{outcome}, {tokens} tokens, {chunks} chunks"));
    }
}

fn observe(
    exchanges: impl IntoIterator<Item = Exchange>,
    run: impl AsyncFnOnce(Client),
) -> Vec<String> {
    let (_, timer, builder) = scripted(exchanges);
    let log = Arc::new(Log::default());
    let client = builder.observer(Arc::clone(&log)).build().unwrap();
    timer.run(run(client));
    log.0.lock().unwrap().clone()
}

#[test]
fn an_observer_sees_a_call_from_its_start_to_its_end() {
    let mut whole = completion("hello");
    whole["usage"] = json!({"total_tokens": 7});
    let lines = observe([Exchange::respond(503), json_body(&whole)], async |client| {
        client.chat().create(request()).await.unwrap();
    });
    assert_eq!(
        lines,
        [
            "started /chat/completions",
            "attempt 1",
            "attempt ended Ok(503)",
            "retry",
            "attempt 2",
            "attempt ended Ok(200)",
            "head 200",
            "complete, 7 tokens, 0 chunks",
        ]
    );

    let usage = event(r#"{"choices":[],"usage":{"total_tokens":9}}"#);
    let body = event(chunk("he")) + &event(last_chunk()) + &usage;
    let lines = observe([streamed().body(body)], async |client| {
        client.chat().stream(request()).await.unwrap().into_response().await.unwrap();
    });
    assert_eq!(lines[4..6], ["first event", &format!("event {}", chunk("he").to_string().len())]);
    assert_eq!(lines.last().unwrap(), "complete, 9 tokens, 3 chunks");

    let failed = observe([streamed().body(event(chunk("he")))], async |client| {
        client.chat().stream(request()).await.unwrap().into_response().await.unwrap_err();
    });
    assert_eq!(failed.last().unwrap(), "failed: Truncated, 0 tokens, 1 chunks");
    let refused = observe([Exchange::respond(401)], async |client| {
        client.chat().create(request()).await.unwrap_err();
    });
    assert_eq!(refused[3..], ["head 401", "failed: Authentication, 0 tokens, 0 chunks"]);

    let dropped = observe([streamed().body(event(chunk("he"))).stall()], async |client| {
        let mut stream = client.chat().stream(request()).await.unwrap();
        stream.next().await.unwrap().unwrap();
    });
    assert_eq!(dropped.last().unwrap(), "dropped, 0 tokens, 0 chunks");
    let unsent = observe([], async |client| drop(client.chat().create(request())));
    assert!(unsent.is_empty(), "nothing happens before a call is polled");
}

#[test]
fn observers_are_independent_of_each_other() {
    let (_, timer, builder) = scripted([Exchange::respond(503), json_body(completion("hello"))]);
    let (first, second) = (Arc::new(Log::default()), Arc::new(Log::default()));
    let retries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&retries);
    let builder =
        builder.observer(Arc::clone(&first)).on_retry(move |_| *counted.lock().unwrap() += 1);
    let client = builder.observer(Arc::clone(&second)).build().unwrap();
    timer.run(client.chat().create(request())).unwrap();
    assert_eq!(*first.0.lock().unwrap(), *second.0.lock().unwrap());
    assert_eq!((first.0.lock().unwrap().len(), *retries.lock().unwrap()), (8, 1));
}

#[test]
fn a_provider_makes_the_key_of_each_attempt_and_no_response_carries_it() {
    let echo = |status| {
        Exchange::respond(status).header("x-echo", "sk-secret-2").body(r#"{"error":"sk-secret-2"}"#)
    };
    let (transport, timer, builder) = scripted([echo(503), echo(400)]);
    let count = Mutex::new(0);
    let client = builder
        .api_key_provider(move || {
            let mut count = count.lock().unwrap();
            *count += 1;
            let key = format!("sk-secret-{count}");
            async move { Ok(ApiKey::new(key)?) }
        })
        .build()
        .unwrap();
    let error = timer.run(client.chat().create(request())).unwrap_err();
    let keys: Vec<_> = transport
        .requests()
        .iter()
        .map(|request| request.headers()[AUTHORIZATION].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["Bearer sk-secret-1", "Bearer sk-secret-2"]);
    let shown = format!("{error:?} {error:#?} {:?}", error.api_error());
    assert!(!shown.contains("sk-secret"), "{shown}");
    assert_eq!(error.api_error().unwrap().message, "[key]");
}

#[test]
fn a_layer_can_wait_and_answer_by_itself() {
    let timer = ManualTimer::new();
    let inner = ScriptedTransport::new([json_body(completion("hello"))]).timer(timer.clone());
    let slept = timer.clone();
    let layer = layer_fn(inner.clone(), move |request, next| {
        let slept = slept.clone();
        async move {
            use atoma::transport::Timer;
            slept.sleep_until(slept.now() + Duration::from_secs(3)).await;
            next.send(request).await
        }
    });
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let client = builder.transport(layer).timer(timer.clone()).build().unwrap();
    assert_eq!(timer.run(client.chat().create(request())).unwrap().text(), "hello");
    assert_eq!((timer.elapsed(), inner.requests().len()), (Duration::from_secs(3), 1));
}

#[test]
fn a_call_is_a_future() {
    let hello = || json_body(completion("hello"));
    let (_, timer, builder) = scripted([hello(), hello(), hello()]);
    let client = builder.build().unwrap();
    let calls = (0..3).map(|_| client.chat().create(request()));
    let texts = timer.run(futures::future::join_all(calls));
    assert!(texts.into_iter().all(|reply| reply.unwrap().text() == "hello"));
}

#[test]
fn stream_options_can_be_switched_off() {
    let (transport, timer, builder) = scripted((0..4).map(|_| streamed().body(hello_stream())));
    let quiet = builder.stream_usage(false).build().unwrap();
    let sent = |call: atoma::Call<_>| {
        timer.run(async { call.await.map(drop) }).unwrap();
        let body = transport.requests().pop().unwrap();
        serde_json::from_slice::<serde_json::Value>(body.body()).unwrap()
    };
    let chat = quiet.chat();
    assert_eq!(sent(chat.stream(request()))["stream_options"], json!(null));
    assert_eq!(
        sent(chat.stream(request()).stream_usage(true))["stream_options"],
        json!({"include_usage": true})
    );
    let options = atoma::StreamOptions::default().include_usage(true);
    let explicit = chat.stream(request().stream_options(options)).stream_usage(false);
    assert_eq!(sent(explicit)["stream_options"], json!({"include_usage": true}));
}

#[test]
fn models_and_embeddings_are_calls_like_any_other() {
    let models = json!({"object": "list", "data": [{"id": "m", "owned_by": "atoma", "x": 1}]});
    let vectors = json!({
        "object": "list", "model": "e", "usage": {"prompt_tokens": 2, "total_tokens": 2},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
    });
    let (transport, timer, builder) = scripted([
        Exchange::respond(503),
        json_body(&models),
        json_body(&vectors),
        streamed().body(event(&vectors)),
        json_body(r#"{"error":{"message":"no","code":"429"}}"#),
    ]);
    let client = builder.build().unwrap();
    timer.run(async {
        let reply = client.models().list().await.unwrap();
        assert_eq!((reply.data[0].id.as_str(), reply.attempts().count), ("m", 2));
        assert_eq!(reply.data[0].extra.get("x"), Some(&json!(1)));
        for _ in 0..2 {
            let reply =
                client.embeddings().create(EmbeddingRequest::new("e", "text")).await.unwrap();
            assert_eq!(reply.data[0].embedding, [0.5, -1.0]);
        }
        let error = client.embeddings().create(EmbeddingRequest::new("e", "t")).await.unwrap_err();
        assert!(error.is_api_error() && error.status().unwrap() == 429, "{error:?}");
    });
    let requests = transport.requests();
    assert_eq!((requests[1].method().as_str(), requests[1].uri().path()), ("GET", "/v1/models"));
    assert!(requests[1].body().is_empty());
    assert_eq!(requests[2].uri().path(), "/v1/embeddings");
    assert_eq!(&requests[2].body()[..], br#"{"model":"e","input":"text"}"#);
}

#[test]
fn a_stream_measures_itself() {
    let pause = Duration::from_secs;
    let exchange = streamed().pause(pause(2)).body(event(chunk("a"))).pause(pause(1));
    let exchange = exchange.body(": keep-alive\n\n").pause(pause(3)).body(event(chunk("b")));
    let exchange = exchange.body(event(last_chunk())).pause(pause(1)).body(event("[DONE]"));
    let (_, timer, builder) = scripted([exchange]);
    let client = builder.build().unwrap();
    let stats = timer.run(async {
        let mut stream = client.chat().stream(request()).await.unwrap();
        assert_eq!(stream.stats().first_chunk(), None);
        while stream.next_ref().await.unwrap().is_some() {}
        stream.stats().clone()
    });
    assert_eq!((stats.chunks(), stats.first_chunk()), (3, Some(pause(2))));
    assert_eq!((stats.longest_gap(), stats.duration()), (pause(4), Some(pause(7))));
    assert_eq!(stats.chunks_per_second(), Some(0.5));
}
