//! No text of a confidential call is on the wire, in a log line, a span, an observer, a receipt, an error or a `Debug`.

#[path = "support/confidential_proxy.rs"]
mod proxy;
mod support;

use atoma::{
    CallEnd, CallInfo, ChatCompletionMessage, ChatCompletionRequest, Client, CompletionRequest,
    EmbeddingRequest, Error, ErrorKind, ImageRequest, Log, LogLevel, Observer, RetryConfig,
    StreamEvent, Tracing, Verification,
    transport::{CallId, Request, testing::ManualTimer, transport_fn},
    verify::Verifier,
};
use proxy::{Play, Proxy};
use serde_json::{Value, json};
use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};
use support::{chunk, last_chunk};
use tracing::{Event, Metadata, Subscriber, field, span};

/// In every prompt and every completion, and nowhere else.
const CANARY: &str = "canary";

/// Everything that is shown to anybody, as one text.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<String>>);

impl Shown {
    fn add(&self, text: impl fmt::Display) {
        writeln!(self.0.lock().unwrap(), "{text}").unwrap();
    }

    fn add_error(&self, error: &Error) {
        self.add(format_args!("{error} {error:?} {error:#?} {:?}", error.body_excerpt()));
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            self.add(format_args!("{error} {error:?}"));
            cause = error.source();
        }
    }
}

impl Observer for Shown {
    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        self.add(format_args!("{call:?} {info:?} {}", String::from_utf8_lossy(info.body)));
    }

    fn event(&self, event: &StreamEvent<'_>) {
        // Text that the proxy sends in the clear is on the wire already.
        if event.data.contains("\"ciphertext\"") {
            self.add(event.data);
        }
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        self.add(format_args!("{end:?}"));
    }
}

impl field::Visit for Shown {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.add(format_args!("{field}={value:?}"));
    }
}

/// Records every span and event of every crate.
impl Subscriber for Shown {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn completion() -> Value {
    support::completion(CANARY)
}

/// Every way in which the proxy can respond, and whether it is a good one.
fn plays() -> Vec<(&'static str, Play, bool)> {
    fn flip(body: &mut Value, member: &str) {
        let text = body[member].as_str().unwrap();
        let first = if text.starts_with('A') { "B" } else { "A" };
        body[member] = json!(format!("{first}{}", &text[1..]));
    }
    let alter: [(&'static str, fn(&mut Value)); 6] = [
        ("no nonce", |body| body["nonce"] = Value::Null),
        ("another tag", |body| flip(body, "ciphertext")),
        ("another hash", |body| flip(body, "response_hash")),
        ("no signature", |body| body["signature"] = Value::Null),
        ("another signature", |body| body["signature"] = json!("A".repeat(132))),
        ("a signature that is not base64", |body| body["signature"] = json!("*")),
    ];
    let mut plays = vec![
        ("good", Play::Seal(completion()), true),
        ("plain", Play::Plain(completion()), false),
        ("an unexpected plaintext", Play::Seal(json!({"unexpected": CANARY})), false),
        ("a list", Play::Seal(json!([CANARY])), false),
        ("an error inside", Play::Seal(json!({"error": {"code": 1, "message": "x"}})), false),
        ("an error", Play::Error(500, "Bad Request"), false),
    ];
    plays.extend(alter.map(|(name, alter)| (name, Play::Alter(alter), false)));
    plays
}

fn streams() -> Vec<(&'static str, Play, bool)> {
    let chunks = || vec![chunk(CANARY), chunk(CANARY), last_chunk()];
    vec![
        ("a good stream", Play::Stream(chunks()), true),
        ("a stream that ends early", Play::Stream(chunks()[..1].to_vec()), false),
        ("a plain chunk", Play::Events(chunks(), |all| all[1] = chunk(CANARY).to_string()), false),
        ("half a chunk", Play::Events(chunks(), |all| all[1].truncate(90)), false),
        (
            "another tag",
            Play::Events(chunks(), |all| {
                all[1] = all[1].replacen("\"ciphertext\":\"", "\"ciphertext\":\"AAAA", 1);
            }),
            false,
        ),
        (
            "an unexpected chunk",
            Play::Stream(vec![chunk(CANARY), json!({"choices": CANARY})]),
            false,
        ),
        (
            "a chunk that is not an object",
            Play::Stream(vec![chunk(CANARY), json!([CANARY])]),
            false,
        ),
        ("an empty stream", Play::Stream(vec![]), false),
    ]
}

/// A client that shows as much as it can.
fn client(proxy: &Arc<Proxy>, shown: &Shown) -> (Client, ManualTimer) {
    let (server, timer, log) = (Arc::clone(proxy), ManualTimer::new(), shown.clone());
    let transport = transport_fn(move |request: Request| {
        let response = server.respond(&request);
        async move { Ok(response) }
    });
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let builder = builder.transport(transport).timer(timer.clone()).observer(shown.clone());
    let builder = builder.observer(Log::new(LogLevel::Debug).output(move |line| log.add(line)));
    let builder = builder.observer(Tracing::new().content(true));
    (builder.retries(RetryConfig::none()).build().unwrap(), timer)
}

fn chat() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user(CANARY)]).extra("user", CANARY)
}

fn search(shown: &Shown, proxy: &Proxy, name: &str) {
    let log = proxy.log.lock().unwrap();
    let wire = String::from_utf8_lossy(&log.wire);
    // Text that the proxy itself sends in the clear is not searched for.
    let sent: String = log.locks.iter().chain(&log.envelopes).map(Value::to_string).collect();
    let shown = shown.0.lock().unwrap();
    assert!(!shown.contains(CANARY), "{name}: {shown}");
    assert!(!sent.contains(CANARY), "{name}: {sent}");
    assert!(!name.contains("good") || !wire.contains(CANARY), "{name}: {wire}");
    let read = log.plaintexts.iter().any(|plaintext| plaintext.to_string().contains(CANARY));
    assert!(read || log.plaintexts.is_empty(), "{name}: the node reads the prompt");
}

#[test]
fn whole_responses_show_nothing() {
    for is_verified in [false, true] {
        for (name, play, is_good) in plays() {
            let (proxy, shown) = (Arc::new(Proxy::new([play])), Shown::default());
            let _guard = tracing::subscriber::set_default(shown.clone());
            let (client, timer) = client(&proxy, &shown);
            let verification = Verification::new(Verifier::any_signer()).keep_receipts(true);
            let client = if is_verified { client.verified(verification) } else { client };
            let private = client.confidential();
            let call = private.chat().create(chat());
            shown.add(format_args!("{client:?} {private:?} {call:?}"));
            match timer.run(call) {
                Ok(reply) => {
                    shown.add(format_args!("{reply:?} {reply:#?} {:?}", reply.metadata()));
                    shown.add(String::from_utf8_lossy(reply.raw()));
                    shown.add(format_args!(
                        "{:?}",
                        reply.receipt().map(atoma::verify::Receipt::to_json)
                    ));
                    assert!(is_good || !is_verified && name.contains("signature"), "{name}");
                }
                Err(error) => {
                    shown.add_error(&error);
                    assert!(!is_good, "{name}: {error:?}");
                }
            }
            search(&shown, &proxy, name);
        }
    }
}

#[test]
fn streams_show_nothing() {
    for (name, play, is_good) in streams() {
        let (proxy, shown) = (Arc::new(Proxy::new([play])), Shown::default());
        let _guard = tracing::subscriber::set_default(shown.clone());
        let (client, timer) = client(&proxy, &shown);
        let verification = Verification::new(Verifier::any_signer()).keep_receipts(true);
        let private = client.verified(verification).confidential();
        timer.run(async {
            let mut stream = private.chat().stream(chat()).await.unwrap();
            let outcome = loop {
                shown.add(format_args!("{stream:?} {stream:#?} {}", stream.raw()));
                match stream.try_next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            shown.add(format_args!("{:?}", stream.receipt().map(atoma::verify::Receipt::to_json)));
            shown.add(format_args!("{:?} {:?}", stream.metadata(), stream.stats()));
            match outcome {
                Ok(()) => assert!(is_good, "{name}"),
                Err(error) => {
                    shown.add_error(&error);
                    assert!(!is_good, "{name}: {error:?}");
                }
            }
        });
        search(&shown, &proxy, name);
    }
}

#[test]
fn the_other_endpoints_show_nothing() {
    let text =
        json!({"id": "c", "choices": [{"index": 0, "text": CANARY, "finish_reason": "stop"}]});
    let vector = json!({"object": "list", "data": [{"index": 0, "embedding": [1.0], "x": CANARY}]});
    let image = json!({"created": 1, "data": [{"b64_json": "aGk=", "revised_prompt": CANARY}]});
    let plays = [text, vector, image].map(Play::Seal);
    let (proxy, shown) = (Arc::new(Proxy::new(plays)), Shown::default());
    let _guard = tracing::subscriber::set_default(shown.clone());
    let (client, timer) = client(&proxy, &shown);
    let private = client.confidential();
    timer.run(async {
        let reply = private.completions().create(CompletionRequest::new("m", CANARY)).await;
        shown.add(format_args!("{:?}", reply.unwrap()));
        let reply = private.embeddings().create(EmbeddingRequest::new("m", CANARY)).await;
        shown.add(format_args!("{:?}", reply.unwrap()));
        let request = ImageRequest::new("m", CANARY).n(1).size("8x8");
        shown.add(format_args!("{:?}", private.images().generate(request).await.unwrap()));
    });
    search(&shown, &proxy, "good");
    assert_eq!(proxy.log.lock().unwrap().plaintexts.len(), 3);
}

#[test]
fn a_refused_node_shows_nothing() {
    let (proxy, shown) = (Arc::new(Proxy::new([])), Shown::default());
    let (client, timer) = client(&proxy, &shown);
    let private = client.confidential().policy(|_| async { Err("not a node of ours".into()) });
    let error = timer.run(private.chat().create(chat())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    shown.add_error(&error);
    search(&shown, &proxy, "good");
}
