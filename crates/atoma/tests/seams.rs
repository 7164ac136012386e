//! The seams of the client: observers, a request source, a layer, calls as futures, and two more
//! resources. Inspectors are tested in `inspect.rs`.

mod support;

use atoma::{
    ApiKey, CallEnd, CallInfo, CallResult, Client, EmbeddingRequest, Observer, StreamEvent,
    transport::{
        AttemptEnded, AttemptStarted, CallId, ResponseHead, RetryEvent, layer_fn,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
};
use http::header::AUTHORIZATION;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    chunk, completion, event, hello_stream, last_chunk, request,
    scripted::{json_body, scripted, streamed},
};

/// Records every event.
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
    let rejected = observe([Exchange::respond(401)], async |client| {
        client.chat().create(request()).await.unwrap_err();
    });
    assert_eq!(rejected[3..], ["head 401", "failed: Authentication, 0 tokens, 0 chunks"]);

    let dropped = observe([streamed().body(event(chunk("he"))).stall()], async |client| {
        let mut stream = client.chat().stream(request()).await.unwrap();
        stream.next().await.unwrap().unwrap();
    });
    assert_eq!(dropped.last().unwrap(), "dropped, 0 tokens, 1 chunks");
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
fn a_layer_can_wait_and_respond_itself() {
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
    let role = event(json!({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant"}}]}));
    let usage = json!({"choices": [], "usage": {"completion_tokens": 13, "total_tokens": 20}});
    let exchange = streamed().head_after(pause(5)).pause(pause(1)).body(role);
    let exchange = exchange.pause(pause(1)).body(event(chunk("a")));
    let exchange = exchange.pause(pause(1)).body(": keep-alive\n\n");
    let exchange = exchange.pause(pause(3)).body(event(chunk("b")));
    let exchange = exchange.pause(pause(2)).body(event(last_chunk()) + &event(usage));
    let exchange = exchange.pause(pause(1)).body(event("[DONE]"));
    let (_, timer, builder) = scripted([exchange]);
    let client = builder.build().unwrap();
    let stats = timer.run(async {
        let mut stream = client.chat().stream(request()).await.unwrap();
        let stats = stream.stats();
        assert_eq!((stats.first_chunk(), stats.tokens_per_second()), (None, None));
        while stream.next_ref().await.unwrap().is_some() {}
        stream.stats()
    });
    assert_eq!((stats.chunks(), stats.events(), stats.comments()), (5, 6, 1));
    assert_eq!(stats.head(), pause(5), "times begin with the call");
    assert_eq!((stats.first_chunk(), stats.first_token()), (Some(pause(6)), Some(pause(7))));
    assert_eq!((stats.longest_gap(), stats.duration()), (pause(4), Some(pause(14))));
    assert_eq!(stats.chunks_per_second(), Some(4.0 / 7.0));
    assert_eq!(stats.tokens_per_second(), Some(2.0), "12 tokens after the first, in 6 s");
}

#[test]
fn the_longest_gap_is_a_wait_for_the_server() {
    let pause = Duration::from_secs;
    let pieces = [chunk("a"), chunk("b"), chunk("c")].map(event).concat();
    let longest_gap = |exchange: Exchange, reads: usize| {
        let (_, timer, builder) = scripted([exchange]);
        let client = builder.build().unwrap();
        timer.run(async {
            let mut stream = client.chat().stream(request()).await.unwrap();
            for _ in 0..reads {
                stream.next_ref().await.unwrap();
                timer.advance(pause(100));
            }
            while let Ok(Some(_)) = stream.next_ref().await {}
            stream.stats().longest_gap()
        })
    };
    let whole = || streamed().pause(pause(9)).body(pieces.clone()).pause(pause(2));
    let finished = || whole().body(event(last_chunk()));
    for (name, exchange, reads, expected) in [
        ("the first chunk ends no gap", finished(), 0, pause(2)),
        ("a pause of the reader, who has more to read", finished(), 2, pause(2)),
        ("a pause of the reader, who has read everything", finished(), 3, pause(2)),
        ("the wait for an end", finished().pause(pause(3)).body(event("[DONE]")), 0, pause(3)),
        ("a stall that ends in a timeout", whole().stall(), 0, pause(120)),
    ] {
        assert_eq!(longest_gap(exchange, reads), expected, "{name}");
    }
}
