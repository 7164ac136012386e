//! Every resource over loopback: its paths, its requests, and the behavior that all of them share.

use atoma::{
    Client, CompletionEvent, CompletionRequest, EmbeddingRequest, ImageRequest, Inspect,
    InspectCall, NodeLockRequest,
    transport::{Body, Request, transport_fn},
    types::{CompletionResponse, ImageData, NodeAddress, NodeCreateRequest, TextInput},
};
use futures::FutureExt;
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// The requests that a client sent.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Request>>>);

impl Log {
    fn last(&self) -> Request {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

/// A client of a server that responds to every request with this JSON.
fn client_at(url: &str, response: Value) -> (Client, Log) {
    let log = Log::default();
    let seen = log.clone();
    let transport = transport_fn(move |request: Request| {
        seen.0.lock().unwrap().push(request);
        let body = Body::from(response.to_string());
        let head = http::Response::builder()
            .header("content-type", "application/json")
            .header("x-request-id", "req-1");
        async move { Ok(head.body(body).unwrap()) }
    });
    let client = Client::builder().api_key("sk-test").server_url(url).transport(transport).build();
    (client.unwrap(), log)
}

fn client(response: Value) -> (Client, Log) {
    client_at("http://localhost:1", response)
}

fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("the response is there")
}

fn completion() -> Value {
    json!({"id": "c", "object": "text_completion", "model": "m",
        "choices": [{"index": 0, "text": "hello", "finish_reason": "stop"}]})
}

fn vectors(count: usize) -> Value {
    let data: Vec<Value> =
        (0..count).map(|index| json!({"index": index, "embedding": [index, 0.5]})).collect();
    json!({"object": "list", "data": data, "model": "m"})
}

#[test]
fn every_call_goes_to_its_path_with_the_key_and_keeps_the_metadata() {
    macro_rules! check {
        ($name:literal, $method:literal, $path:literal, $response:expr, |$client:ident| $call:expr) => {{
            let ($client, log) = client($response);
            let reply = now($call.header("x-trace", "7").query("v", "1")).expect($name);
            assert_eq!(reply.request_id(), Some("req-1"), $name);
            assert_eq!(reply.attempts().count, 1, $name);
            assert!(!reply.raw().is_empty(), $name);
            let sent = log.last();
            assert_eq!((sent.method().as_str(), sent.uri().path()), ($method, $path), $name);
            assert_eq!(sent.uri().query(), Some("v=1"), $name);
            assert_eq!(sent.headers()["x-trace"], "7", $name);
            assert_eq!(sent.headers()["authorization"], "Bearer sk-test", $name);
        }};
    }
    let address = NodeAddress::new(1, "http://node", "DE");
    check!("completions", "POST", "/v1/completions", completion(), |client| client
        .completions()
        .create(CompletionRequest::new("m", "Once")));
    check!("embeddings", "POST", "/v1/embeddings", vectors(1), |client| client
        .embeddings()
        .create(EmbeddingRequest::new("m", "text")));
    check!(
        "images",
        "POST",
        "/v1/images/generations",
        json!({"data": [{"url": "https://x.test/a.png"}]}),
        |client| client.images().generate(ImageRequest::new("m", "a cat").n(1).size("64x64"))
    );
    check!("models", "GET", "/v1/models", json!({"object": "list", "data": []}), |client| client
        .models()
        .list());
    check!("open router", "GET", "/v1/open_router/models", json!([{"any": 1}]), |client| client
        .open_router()
        .models());
    check!("health", "GET", "/health", json!({"message": "ok"}), |client| client.health().check());
    check!("node", "POST", "/v1/nodes", json!({"message": "Success"}), |client| client
        .nodes()
        .create(NodeCreateRequest::new(address.clone(), "sig")));
    check!(
        "lock",
        "POST",
        "/v1/nodes/lock",
        json!({"public_key": "k", "node_small_id": 1, "stack_small_id": 2}),
        |client| client.nodes().lock(NodeLockRequest::new("m"))
    );
}

/// A client of a server that streams this body.
fn streaming(body: impl Into<String>) -> Client {
    let body = body.into();
    let transport = transport_fn(move |_: Request| {
        let body = Body::from(body.clone());
        let head = http::Response::builder().header("content-type", "text/event-stream");
        async move { Ok(head.body(body).unwrap()) }
    });
    let client = Client::builder().api_key("k").server_url("http://localhost:1");
    client.transport(transport).build().unwrap()
}

#[test]
fn completions_stream_as_typed_events_that_end_as_the_stream_does() {
    let complete = "data: {\"choices\":[{\"index\":0,\"text\":\"On\",\"finish_reason\":null}]}\n\n\
        data: {\"choices\":[{\"index\":0,\"text\":\"ce\",\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let client = streaming(complete);
    let request = || CompletionRequest::new("m", "a");
    let mut events = now(client.completions().stream(request())).unwrap().events();
    let mut seen = Vec::new();
    while let Some(event) = now(events.try_next()).unwrap() {
        seen.push(match event {
            CompletionEvent::TextDelta { delta, .. } => delta,
            CompletionEvent::TextDone { text, .. } => format!("done {text}"),
            CompletionEvent::Usage(usage) => format!("usage {}", usage.total_tokens),
            CompletionEvent::Finish { reason, .. } => format!("finish {reason}"),
            event => panic!("{event:?}"),
        });
    }
    assert_eq!(seen, ["On", "ce", "usage 3", "done Once", "finish stop"]);
    assert!(now(events.try_next()).unwrap().is_none(), "the end stays the end");
    assert_eq!(now(events.into_response()).unwrap().text(), "Once");

    let client = streaming("data: {\"choices\":[{\"index\":0,\"text\":\"On\"}]}\n\n");
    let mut events = now(client.completions().stream(request())).unwrap().events();
    assert!(matches!(now(events.try_next()), Ok(Some(CompletionEvent::TextDelta { .. }))));
    for _ in 0..2 {
        let error = now(events.try_next()).unwrap_err();
        assert!(error.is_truncated(), "nothing is done after an error: {error}");
    }
}

#[test]
fn the_end_of_a_completions_stream_is_judged_as_that_of_a_chat() {
    let event = |data: Value| format!("data: {data}\n\n");
    let choice = |index: u32, text: &str, finish: Option<&str>| {
        event(json!({"id": "c", "object": "text_completion",
            "choices": [{"index": index, "text": text, "logprobs": null, "finish_reason": finish}]}))
    };
    let text = choice(0, "a", None);
    let last = choice(0, "", Some("length"));
    let other = choice(1, "b", None);
    let usage = event(
        json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}),
    );
    let error = event(json!({"error": {"message": "engine died", "code": 500}}));
    let done = "data: [DONE]\n\n".to_owned();
    let comments = ": keep-alive\n\n".repeat(3);
    for (name, events, wanted) in [
        ("a finish reason", vec![&text, &last], "complete"),
        (
            "a finish reason, then usage, then the mark",
            vec![&text, &last, &usage, &done],
            "complete",
        ),
        ("the mark of the end alone", vec![&text, &done], "complete"),
        ("comments between", vec![&comments, &text, &comments, &last, &comments], "complete"),
        ("a clean end in the middle", vec![&text], "truncated a"),
        ("usage, and no finish reason", vec![&text, &usage], "truncated a"),
        ("one of two choices is finished", vec![&text, &other, &last], "truncated a"),
        ("comments alone", vec![&comments], "truncated"),
        ("an error", vec![&text, &error], "error a"),
        ("an error after the end", vec![&text, &last, &error], "error a"),
        ("an event that is cut", vec![&text, &last[..20].to_owned()], "truncated a"),
    ] {
        let client = streaming(events.into_iter().cloned().collect::<String>());
        let request = CompletionRequest::new("m", "a").n(if name.contains("two") { 2 } else { 1 });
        let stream = now(client.completions().stream(request)).expect(name);
        let found = match now(stream.into_response()) {
            Ok(response) => {
                assert_eq!(response.text(), "a", "{name}");
                "complete".to_owned()
            }
            Err(error) => {
                let kind = if error.is_api_error() { "error" } else { "truncated" };
                assert_eq!(error.is_truncated(), kind == "truncated", "{name}: {error}");
                let partial = error.partial_as::<CompletionResponse>();
                format!("{kind} {}", partial.map_or("", |partial| partial.text())).trim().to_owned()
            }
        };
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn a_model_is_found_in_the_list_by_its_exact_id() {
    let list = json!({"object": "list", "data": [{"id": "a"}, {"id": "B", "max_model_len": 5}]});
    for (id, is_found) in [("B", true), ("b", false), ("c", false)] {
        let (client, _) = client(list.clone());
        let model = now(client.models().retrieve(id)).unwrap().into_inner();
        assert_eq!(model.is_some(), is_found, "{id}");
    }
}

#[test]
fn health_is_read_in_the_words_of_any_server() {
    let health = |body: &'static str| {
        let transport =
            transport_fn(
                move |_: Request| async move { Ok(http::Response::new(Body::from(body))) },
            );
        let client = Client::builder().api_key("k").server_url("http://localhost:1");
        let client = client.transport(transport).build().unwrap();
        now(client.health().check())
    };
    for (name, body, is_ok) in [
        ("Atoma", r#"{"message":"ok"}"#, true),
        ("vLLM, SGLang and TEI", "", true),
        ("Ollama", "Ollama is running", true),
        ("LiteLLM", "\"I'm alive!\"", true),
        ("llama.cpp", r#"{"status":"loading model"}"#, false),
        ("an error that is null", r#"{"message":"ok","error":null}"#, true),
    ] {
        assert_eq!(health(body).expect(name).is_ok(), is_ok, "{name}");
    }
    assert!(health(r#"{"error":"no upstream"}"#).unwrap_err().is_api_error());
    assert!(health("<html>ok</html>").unwrap_err().is_unexpected_response());
}

#[test]
fn an_image_is_saved_and_one_with_a_url_is_not() {
    let path = std::env::temp_dir().join(format!("atoma-image-{}", std::process::id()));
    let inline: ImageData = serde_json::from_value(json!({"b64_json": "iVBORw0KGgo="})).unwrap();
    inline.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"\x89PNG\r\n\x1a\n");
    std::fs::remove_file(&path).unwrap();
    let remote: ImageData =
        serde_json::from_value(json!({"url": "https://images.test/a.png"})).unwrap();
    assert!(remote.save(&path).unwrap_err().to_string().contains("fetch its URL"));
    assert!(!path.exists(), "nothing is written");
}

#[test]
fn a_list_of_texts_is_an_error_for_atoma_alone() {
    let list = || EmbeddingRequest::new("m", ["a", "b"]);
    let (atoma, log) = client_at("https://api.atoma.network", vectors(2));
    let error = now(atoma.embeddings().create(list())).unwrap_err();
    assert!(error.is_invalid_request() && error.to_string().contains("create_all"), "{error}");
    assert!(log.0.lock().unwrap().is_empty(), "nothing is sent");

    let elsewhere = atoma.embeddings().create(list()).server_url("http://localhost:2");
    assert_eq!(now(elsewhere).unwrap().data.len(), 2);
    let (other, _) = client(vectors(2));
    assert_eq!(now(other.embeddings().create(list())).unwrap().data.len(), 2);
}

#[test]
fn many_texts_give_their_vectors_in_order() {
    for (per_call, concurrency) in [(1, 1), (1, 3), (2, 2), (10, 4), (0, 0)] {
        let transport = transport_fn(|request: Request| async move {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let texts = match &body["input"] {
                Value::Array(texts) => texts.clone(),
                text => vec![text.clone()],
            };
            // Later texts are done first.
            let number: u64 = texts[0].as_str().unwrap().parse().unwrap();
            for _ in number..5 {
                tokio::task::yield_now().await;
            }
            let data: Vec<Value> = texts
                .iter()
                .enumerate()
                .map(|(index, text)| json!({"index": index, "embedding": [text.as_str().unwrap().parse::<f32>().unwrap()]}))
                .collect();
            Ok(http::Response::new(Body::from(json!({"data": data}).to_string())))
        });
        let client = Client::builder()
            .api_key("k")
            .server_url("http://localhost:1")
            .transport(transport)
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let request = EmbeddingRequest::new("m", TextInput::from(""));
        let texts = (0..5).map(|number| number.to_string());
        let vectors = runtime
            .block_on(client.embeddings().create_all(request, texts, per_call, concurrency))
            .unwrap();
        assert_eq!(vectors, [[0.0], [1.0], [2.0], [3.0], [4.0]], "{per_call} {concurrency}");
    }
}

#[test]
fn many_texts_go_to_atoma_one_by_one() {
    let (atoma, log) = client_at("https://api.atoma.network", vectors(1));
    let request = EmbeddingRequest::new("m", TextInput::from(""));
    let vectors = now(atoma.embeddings().create_all(request, ["a", "b"], 10, 1)).unwrap();
    assert_eq!(vectors.len(), 2);
    let inputs: Vec<Value> = log
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|sent| serde_json::from_slice::<Value>(sent.body()).unwrap()["input"].clone())
        .collect();
    assert_eq!(inputs, ["a", "b"]);
}

#[test]
fn a_missing_vector_is_an_error() {
    let (client, _) = client(vectors(1));
    let request = EmbeddingRequest::new("m", TextInput::from(""));
    let error = now(client.embeddings().create_all(request.clone(), ["a", "b"], 2, 1)).unwrap_err();
    assert!(error.is_unexpected_response(), "{error}");

    let (client, _) = self::client(json!({"data": [{"embedding": null, "index": 0}]}));
    let error = now(client.embeddings().create_all(request, ["a"], 1, 1)).unwrap_err();
    assert!(error.is_unexpected_response(), "{error}");
}

#[test]
fn an_image_is_fetched_without_the_key_or_any_header_of_the_client() {
    let (client, log) = client(json!("bytes"));
    let image: ImageData =
        serde_json::from_value(json!({"url": "https://images.test/a.png"})).unwrap();
    let reply = now(client.images().fetch(&image)).unwrap();
    assert_eq!(&reply[..], b"\"bytes\"");
    let sent = log.last();
    assert_eq!(sent.uri(), "https://images.test/a.png");
    assert!(sent.headers().is_empty(), "{:?}", sent.headers());

    let inline: ImageData = serde_json::from_value(json!({"b64_json": "aGk="})).unwrap();
    let error = now(client.images().fetch(&inline)).unwrap_err();
    assert!(error.is_invalid_request(), "{error}");
}

#[test]
fn invalid_requests_fail_before_they_are_sent() {
    let (client, log) = client(completion());
    let without_size =
        now(client.images().generate(ImageRequest::new("m", "a cat").n(1))).unwrap_err();
    assert!(without_size.to_string().contains("size is missing"), "{without_size}");
    let misused = now(client.completions().create(CompletionRequest::new("m", "a").stream(true)))
        .unwrap_err();
    assert!(misused.to_string().contains("call completions().stream(request)"), "{misused}");
    let misused = now(client.completions().stream(CompletionRequest::new("m", "a").stream(false)))
        .unwrap_err();
    assert!(misused.to_string().contains("call completions().create(request)"), "{misused}");
    assert!(log.0.lock().unwrap().is_empty());
}

#[test]
fn inspectors_see_every_resource() {
    struct Count(Arc<AtomicUsize>);
    impl Inspect for Count {
        fn begin(&self, _: &atoma::CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
    let count = Arc::new(AtomicUsize::new(0));
    let (client, _) = client(json!({"data": [], "message": "ok"}));
    let client = client.inspected(Count(Arc::clone(&count)));
    let _ = now(client.health().check());
    let _ = now(client.models().list());
    let _ = now(client.open_router().models());
    assert_eq!(count.load(Ordering::Relaxed), 3);
}
