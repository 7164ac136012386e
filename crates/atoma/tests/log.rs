//! The lines that a client writes about its calls.

mod support;

use atoma::{ChatCompletionRequest, Client, Log, LogLevel, transport::testing::Exchange};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    chunk, completion, event, last_chunk, request,
    scripted::{json_body, scripted, streamed},
};

fn lines(
    level: LogLevel,
    exchanges: impl IntoIterator<Item = Exchange>,
    run: impl AsyncFnOnce(Client),
) -> Vec<String> {
    let (_, timer, builder) = scripted(exchanges);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let log = Log::new(level).output(move |line| written.lock().unwrap().push(line.to_owned()));
    let client = builder.observer(log).default_query("api-version", "sk-test-key").build().unwrap();
    timer.run(run(client));
    let lines = lines.lock().unwrap();
    // Calls are numbered over the whole process.
    lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().1.split_once(' ').unwrap().1.to_owned())
        .collect()
}

async fn read(client: Client, request: ChatCompletionRequest) -> atoma::Result<()> {
    client.chat().stream(request).await?.into_response().await.map(drop)
}

fn stream() -> Exchange {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}});
    let exchange = streamed().head_after(Duration::from_millis(250)).header("x-request-id", "r-1");
    let exchange = exchange.pause(Duration::from_secs(1)).body(event(chunk("secret text")));
    exchange.pause(Duration::from_secs(2)).body(event(last_chunk()) + &event(usage))
}

const URL: &str = "http://localhost:1/v1/chat/completions?api-version=REDACTED";

#[test]
fn info_is_a_few_lines_without_content() {
    let busy = || Exchange::respond(503).header("retry-after", "2").header("x-request-id", "r-0");
    let written = lines(LogLevel::Info, [busy(), stream()], async |client| {
        read(client, request()).await.unwrap();
    });
    assert_eq!(written.len(), 4, "{written:#?}");
    assert_eq!(written[0], format!("POST {URL}, model m, stream"));
    let retry = "attempt 1 failed: 503 Service Unavailable, request r-0; next attempt in 2.";
    assert!(written[1].starts_with(retry), "{}", written[1]);
    assert!(written[2].starts_with("200 OK after 2."), "{}", written[2]);
    assert!(written[2].ends_with("s, 2 attempts"), "{}", written[2]);
    assert!(written[3].starts_with("complete after 5."), "{}", written[3]);
    let numbers = "3 chunks, longest gap 2.0s, 3 + 5 tokens, 2.0 tokens/s";
    assert!(written[3].ends_with(numbers), "{}", written[3]);

    let mut whole = completion("hello");
    whole["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 5});
    let written = lines(LogLevel::Info, [json_body(&whole)], async |client| {
        client.chat().create(request()).await.unwrap();
    });
    let expected = [
        &*format!("POST {URL}, model m"),
        "200 OK after 0.0ns, 1 attempt",
        "complete after 0.0ns: 3 + 5 tokens",
    ];
    assert_eq!(written, expected);
}

#[test]
fn failed_and_dropped_calls_say_so() {
    let body = json!({"error": {"message": "no such key", "code": "invalid_api_key"}});
    let rejected = Exchange::respond(401).body(body.to_string());
    let written = lines(LogLevel::Info, [rejected], async |client| {
        client.chat().create(request()).await.unwrap_err();
    });
    assert_eq!(written[1], "401 Unauthorized after 0.0ns, 1 attempt");
    assert_eq!(written[2], "failed after 0.0ns: 401 Unauthorized: invalid_api_key, no such key");
    let written = lines(LogLevel::Info, [stream()], async |client| {
        client.chat().stream(request()).await.unwrap().next().await.unwrap().unwrap();
    });
    let dropped = "dropped after 1.2s: first token 1.2s, 1 chunk, longest gap 0.0ns";
    assert_eq!(written.last().unwrap(), dropped);
    let written = lines(LogLevel::Off, [stream()], async |client| {
        read(client, request()).await.unwrap();
    });
    assert!(written.is_empty());
}

#[test]
fn debug_shows_attempts_headers_and_the_beginning_of_texts() {
    let echo = stream().header("x-echo", "Bearer sk-test-key").header("set-cookie", "id=secret");
    let echo = echo.body(event(json!({"choices": [], "echo": "sk-test-key"})));
    let written = lines(LogLevel::Debug, [echo], async |client| {
        read(client, request()).await.unwrap();
    });
    let all = written.join("\n");
    for expected in [
        "request body: {\"messages\":[{\"role\":\"user\"",
        "attempt 1 started",
        "attempt 1 ended after 250.0ms: HTTP/1.1 200 OK, ",
        "x-request-id: r-1",
        "x-echo: Bearer [key]",
        "set-cookie: [redacted]",
        "secret text",
        "\"echo\":\"[key]\"",
    ] {
        assert!(all.contains(expected), "{expected} is missing in\n{all}");
    }
    assert!(!all.contains("sk-test-key") && !all.contains("id=secret"), "{all}");
    assert!(written.iter().all(|line| line.chars().count() < 300 && !line.contains('\n')));
}

#[test]
fn a_key_of_a_provider_or_a_call_is_redacted_too() {
    let echo = || streamed().body(event(json!({"choices": [], "echo": "sk-of-a-vault"})));
    for provided in [false, true] {
        let (_, timer, builder) = scripted([echo()]);
        let lines = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&lines);
        let log = Log::new(LogLevel::Debug).output(move |line| *written.lock().unwrap() += line);
        let builder = match provided {
            true => builder.api_key_provider(async || Ok(atoma::ApiKey::new("sk-of-a-vault")?)),
            false => builder,
        };
        let client = builder.observer(log).build().unwrap();
        let mut call = client.chat().stream(request());
        if !provided {
            call = call.header("authorization", "Bearer sk-of-a-vault");
        }
        timer.run(async { call.await.unwrap().into_response().await.unwrap_err() });
        let lines = lines.lock().unwrap();
        assert!(lines.contains("[key]") && !lines.contains("sk-of-a-vault"), "{lines}");
    }
}
