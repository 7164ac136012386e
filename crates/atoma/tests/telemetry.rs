//! The spans of calls and attempts, as a subscriber of `tracing` sees them.

#[path = "telemetry/recorder.rs"]
mod recorder;
mod support;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, CompletionRequest, EmbeddingRequest,
    ImageRequest, Tracing, transport::testing::Exchange,
};
use recorder::{Recorder, assert_attributes};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    chunk, completion, event, last_chunk, request,
    scripted::{json_body, scripted, streamed},
};

/// Runs calls whose spans are recorded.
fn record(
    observer: Tracing,
    exchanges: impl IntoIterator<Item = Exchange>,
    run: impl AsyncFnOnce(Client),
) -> Recorder {
    let recorder = Recorder::default();
    let (_, timer, builder) = scripted(exchanges);
    let client = builder.observer(observer).build().unwrap();
    tracing::subscriber::with_default(recorder.clone(), || timer.run(run(client)));
    assert!(recorder.are_all_closed(), "each span ends with its call");
    assert!(!recorder.text().contains("sk-test-key"), "no span has the key");
    recorder
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 19, "completion_tokens": 5, "total_tokens": 24,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 2},
    })
}

fn full_request() -> ChatCompletionRequest {
    request()
        .n(2)
        .seed(7)
        .max_completion_tokens(100)
        .temperature(0.5)
        .top_p(0.9)
        .frequency_penalty(0.1)
        .presence_penalty(0.2)
        .stop("END")
        .reasoning_effort("low")
        .extra("top_k", 40)
        .response_format(atoma::ResponseFormat::JsonObject)
}

#[test]
fn a_call_has_the_attributes_of_the_conventions() {
    let mut body = completion("hello");
    body["model"] = "m-2026".into();
    body["usage"] = usage();
    let recorder = record(Tracing::new(), [json_body(&body)], async |client| {
        client.chat().create(full_request()).await.unwrap();
    });
    assert_attributes(
        &recorder.call(),
        json!({
            "otel.name": "chat m",
            "otel.kind": "client",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "atoma",
            "gen_ai.request.model": "m",
            "gen_ai.request.choice.count": 2,
            "gen_ai.request.seed": 7,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.frequency_penalty": 0.1,
            "gen_ai.request.presence_penalty": 0.2,
            "gen_ai.request.stop_sequences": "[\"END\"]",
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.output.type": "json",
            "gen_ai.response.id": "c1",
            "gen_ai.response.model": "m-2026",
            "gen_ai.response.finish_reasons": "[\"stop\"]",
            "gen_ai.usage.input_tokens": 19,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 16,
            "gen_ai.usage.reasoning.output_tokens": 2,
            "server.address": "localhost",
            "server.port": 1,
            "atoma.outcome": "complete",
        }),
    );
    assert_attributes(
        &recorder.spans("atoma.attempt")[0],
        json!({
            "otel.name": "POST",
            "otel.kind": "client",
            "http.request.method": "POST",
            "url.full": "http://localhost:1/v1/chat/completions",
            "server.address": "localhost",
            "server.port": 1,
            "http.response.status_code": 200,
            "network.protocol.version": "1.1",
        }),
    );
    let text = recorder.text();
    assert!(!text.to_lowercase().contains("hello"), "content was not asked for: {text}");
}

#[test]
fn a_stream_has_its_timing_and_tokens() {
    let pause = Duration::from_secs;
    let usage = json!({"choices": [], "usage": usage()});
    let exchange = streamed().head_after(pause(1)).pause(pause(1)).body(event(chunk("hello")));
    let exchange = exchange.pause(pause(2)).body(event(last_chunk()) + &event(usage));
    let recorder = record(Tracing::new().provider("openai"), [exchange], async |client| {
        client.chat().stream(request()).await.unwrap().into_response().await.unwrap();
    });
    assert_attributes(
        &recorder.call(),
        json!({
            "otel.name": "chat m",
            "otel.kind": "client",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.request.stream": true,
            "gen_ai.response.id": "c1",
            "gen_ai.response.model": "m",
            "gen_ai.response.finish_reasons": "[\"stop\"]",
            "gen_ai.response.time_to_first_chunk": 2.0,
            "gen_ai.usage.input_tokens": 19,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 16,
            "gen_ai.usage.reasoning.output_tokens": 2,
            "server.address": "localhost",
            "server.port": 1,
            "atoma.outcome": "complete",
            "atoma.stream.time_to_first_token": 2.0,
            "atoma.stream.longest_gap": 2.0,
            "atoma.stream.chunks": 3,
            "atoma.stream.tokens_per_second": 2.0,
        }),
    );
}

#[test]
fn each_attempt_is_a_child_of_its_call() {
    let busy = Exchange::respond(503).header("x-request-id", "r-1");
    let mut body = completion("hello");
    body["usage"] = usage();
    let recorder = Recorder::default();
    let (_, timer, builder) = scripted([busy, json_body(&body)]);
    let client =
        builder.observer(Tracing::new()).default_query("key", "sk-test-key").build().unwrap();
    tracing::subscriber::with_default(recorder.clone(), || {
        let outer = tracing::info_span!(target: "test", "outer");
        let run = || timer.run(async { client.chat().create(request()).await.unwrap() });
        outer.in_scope(run);
    });
    assert!(recorder.are_all_closed());
    let attempts = recorder.spans("atoma.attempt");
    assert_eq!(attempts[0]["http.response.status_code"], 503);
    assert_eq!(attempts[0]["error.type"], "503");
    assert_eq!(attempts[0]["otel.status_code"], "ERROR");
    assert_eq!(attempts[0]["atoma.request_id"], "r-1");
    assert!(attempts[0].get("http.request.resend_count").is_none());
    assert_eq!(attempts[1]["http.request.resend_count"], 1);
    assert_eq!(attempts[1]["url.full"], "http://localhost:1/v1/chat/completions?key=REDACTED");
    assert!(attempts[1].get("error.type").is_none());
    assert!(recorder.call().get("error.type").is_none(), "the call succeeded");

    let recorded = recorder.0.lock().unwrap();
    let tree: Vec<_> = recorded.spans.iter().map(|span| (span.name, span.parent)).collect();
    let expected = [
        ("outer", None),
        ("atoma.call", Some(1)),
        ("atoma.attempt", Some(2)),
        ("atoma.attempt", Some(2)),
    ];
    assert_eq!(tree, expected);
    assert_eq!(recorded.events.len(), 1);
    let (parent, retry) = &recorded.events[0];
    assert_eq!((*parent, &retry["message"]), (2, &json!("retry")));
    assert_eq!(retry["cause"], "503 Service Unavailable");
}

#[test]
fn failures_have_a_type_and_dropped_calls_an_outcome() {
    let ended = |exchange: Exchange, reads: usize| {
        let recorder = record(Tracing::new(), [exchange], async |client| {
            let Ok(mut stream) = client.chat().stream(request()).await else { return };
            for _ in 0..reads {
                if !matches!(stream.try_next().await, Ok(Some(_))) {
                    break;
                }
            }
        });
        let call = recorder.call();
        let text = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        ["atoma.outcome", "error.type", "otel.status_code", "gen_ai.response.finish_reasons"]
            .map(text)
    };
    let begun = || streamed().body(event(chunk("hello")));
    for (name, exchange, reads, expected) in [
        ("rejected", Exchange::respond(401), 0, ["failed", "authentication", "ERROR", "-"]),
        (
            "rate limit",
            Exchange::respond(429).header("x-should-retry", "false"),
            0,
            ["failed", "rate_limit", "ERROR", "-"],
        ),
        ("truncated", begun(), 9, ["failed", "truncated", "ERROR", "[\"error\"]"]),
        ("stalled", begun().stall(), 9, ["failed", "timeout", "ERROR", "[\"error\"]"]),
        ("dropped", begun().stall(), 1, ["dropped", "-", "-", "[\"error\"]"]),
        ("dropped before the first chunk", begun().stall(), 0, ["dropped", "-", "-", "-"]),
    ] {
        assert_eq!(ended(exchange, reads), expected, "{name}");
    }
}

#[test]
fn a_call_that_is_dropped_while_it_waits_ends_its_spans() {
    let recorder = record(Tracing::new(), [Exchange::never()], async |client| {
        let call = client.chat().create(request());
        let mut call = std::pin::pin!(call);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_pending());
    });
    assert_eq!(recorder.call()["atoma.outcome"], "dropped");
    assert_eq!(recorder.spans("atoma.attempt").len(), 1);
}

#[test]
fn every_endpoint_has_its_operation() {
    let text =
        json!({"id": "t1", "model": "m", "choices": [{"text": "hi", "finish_reason": "length"}]});
    let data = json!([{"embedding": [0.5], "index": 0}]);
    let vectors = json!({"model": "m", "data": data, "usage": {"prompt_tokens": 4}});
    let image = json!({"created": 1, "data": [{"url": "http://localhost:1/cat.png"}]});
    let list = json!({"object": "list", "data": []});
    let exchanges = [&text, &vectors, &image, &list].map(json_body);
    let recorder = record(Tracing::new(), exchanges, async |client| {
        client.completions().create(CompletionRequest::new("m", "Hello")).await.unwrap();
        let embedding = EmbeddingRequest::new("m", "Hello").dimensions(3).encoding_format("float");
        client.embeddings().create(embedding).await.unwrap();
        let image = ImageRequest::new("m", "A cat").n(1).size("1x1");
        client.images().generate(image).await.unwrap();
        client.models().list().await.unwrap();
    });
    let calls = recorder.spans("atoma.call");
    let names: Vec<_> = calls.iter().map(|call| (&call["otel.name"], &call["otel.kind"])).collect();
    assert_eq!(format!("{names:?}").matches("\"client\"").count(), 3);
    assert_eq!(calls[0]["otel.name"], "text_completion m");
    assert_eq!(calls[0]["gen_ai.response.finish_reasons"], "[\"length\"]");
    assert_eq!(calls[1]["otel.name"], "embeddings m");
    assert_eq!(calls[1]["gen_ai.usage.input_tokens"], 4);
    assert!(calls[1].get("gen_ai.usage.output_tokens").is_none(), "embeddings have no output");
    assert_eq!(calls[1]["gen_ai.embeddings.dimension.count"], 3);
    assert_eq!(calls[1]["gen_ai.request.encoding_formats"], "[\"float\"]");
    assert_eq!(calls[2]["otel.name"], "generate_content m");
    assert_eq!(calls[2]["gen_ai.output.type"], "image");
    assert_attributes(
        &calls[3],
        json!({
            "otel.name": "GET /models",
            "otel.kind": "internal",
            "server.address": "localhost",
            "server.port": 1,
            "atoma.outcome": "complete",
        }),
    );
}

#[test]
fn content_is_recorded_where_it_is_asked_for() {
    let call = json!({"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let message =
        json!({"role": "assistant", "reasoning": "Hm.", "content": "Hi", "tool_calls": [call]});
    let body = json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    let request = request()
        .message(serde_json::from_value::<ChatCompletionMessage>(message).unwrap())
        .message(ChatCompletionMessage::tool("t1", "done"))
        .message(
            ChatCompletionMessage::user("Look:")
                .part(atoma::ContentPart::image_url("https://a.test/cat.png"))
                .part(atoma::ContentPart::image_url("data:image/png;base64,AAAA")),
        )
        .tool(atoma::ChatCompletionToolsParam::function("f"));
    let recorder = record(Tracing::new().content(true), [json_body(body)], async |client| {
        client.chat().create(request).await.unwrap();
    });
    let span = recorder.call();
    let parsed = |name: &str| serde_json::from_str::<Value>(span[name].as_str().unwrap()).unwrap();
    let parts = json!([
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Hi"},
        {"type": "tool_call", "id": "t1", "name": "f", "arguments": {"a": 1}},
    ]);
    let expected = json!([
        {"role": "user", "parts": [{"type": "text", "content": "Hello!"}]},
        {"role": "assistant", "parts": parts},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": "done"}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "Look:"},
            {"type": "uri", "modality": "image", "uri": "https://a.test/cat.png"},
            {"type": "image"},
        ]},
    ]);
    assert_eq!(parsed("gen_ai.input.messages"), expected);
    let expected = json!([{"role": "assistant", "parts": parts, "finish_reason": "tool_calls"}]);
    assert_eq!(parsed("gen_ai.output.messages"), expected);
    assert_eq!(parsed("gen_ai.tool.definitions")[0]["name"], "f");
}

#[test]
fn no_text_has_the_key_whoever_gave_it() {
    const KEY: &str = "sk-of-a-vault";
    let mut body = completion(KEY);
    (body["id"], body["model"]) = (KEY.into(), KEY.into());
    let stream =
        || streamed().header("x-request-id", KEY).body(event(chunk(KEY)) + &event(last_chunk()));
    let recorder = Recorder::default();
    for provided in [false, true] {
        let (_, timer, builder) = scripted([json_body(&body), stream()]);
        let builder = match provided {
            false => builder.api_key(KEY),
            true => builder.api_key_provider(async || Ok(atoma::ApiKey::new(KEY)?)),
        };
        let client = builder.observer(Tracing::new().content(true)).build().unwrap();
        tracing::subscriber::with_default(recorder.clone(), || {
            timer.run(async {
                client.chat().create(request()).await.unwrap();
                client.chat().stream(request()).await.unwrap().into_response().await.unwrap();
            });
        });
    }
    let text = recorder.text();
    assert!(text.contains("[key]") && !text.contains(KEY), "{text}");
}

#[test]
fn without_a_subscriber_nothing_is_recorded() {
    let (_, timer, builder) = scripted([json_body(completion("hello"))]);
    let client = builder.observer(Tracing::new().content(true)).build().unwrap();
    let reply = timer.run(async { client.chat().create(request()).await });
    assert_eq!(reply.unwrap().text(), "hello");
}

/// Confidential calls have everything but content, also where content is asked for.
#[cfg(all(feature = "confidential", feature = "hyper"))]
#[tokio::test]
async fn a_confidential_call_never_shows_its_content() {
    let mock = atoma_mock::MockServer::start().await;
    mock.always(atoma_mock::Response::text("canary of the model"));
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let client =
        support::builder(mock.url()).observer(Tracing::new().content(true)).build().unwrap();
    let private = client.confidential();
    let messages = [ChatCompletionMessage::user("canary of the user")];
    let request = ChatCompletionRequest::new("m", messages).temperature(0.5).stop("canary stop");
    let reply = private.chat().create(request.clone()).await.unwrap();
    assert_eq!(reply.text(), "canary of the model");
    private.chat().stream(request).await.unwrap().into_response().await.unwrap();
    let calls = recorder.spans("atoma.call");
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call["otel.name"], "chat m");
        assert_eq!(call["gen_ai.request.temperature"], 0.5);
        assert_eq!(call["gen_ai.response.finish_reasons"], "[\"stop\"]");
        assert_eq!(call["atoma.confidential"], true);
        assert!(call["gen_ai.usage.output_tokens"].as_i64() > Some(0));
    }
    let text = recorder.text();
    assert!(!text.contains("canary") && !text.contains("sk-test"), "{text}");
}

#[cfg(feature = "blocking")]
#[test]
fn a_blocking_call_has_the_same_spans() {
    let mock = atoma_mock::MockServer::start_blocking();
    let recorder = Recorder::default();
    let builder = support::builder(mock.url()).observer(Tracing::new());
    let client = builder.build_blocking().unwrap();
    tracing::subscriber::with_default(recorder.clone(), || {
        for chunk in client.chat().stream(request()).send().unwrap() {
            chunk.unwrap();
        }
    });
    let call = recorder.call();
    assert_eq!(call["atoma.outcome"], "complete");
    assert!(call["gen_ai.response.time_to_first_chunk"].is_f64());
    assert_eq!(recorder.spans("atoma.attempt").len(), 1);
    assert!(recorder.are_all_closed());
}
