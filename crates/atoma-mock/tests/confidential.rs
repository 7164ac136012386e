//! The confidential node, seen by a client: locks, envelopes, and faults on demand.

use atoma_confidential::{CallInfo, NodeKey, OpenErrorKind, Session, seal};
use atoma_mock::{MockServer, Response, SigningKey, Tampering};
use atoma_verify::Verifier;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Posts JSON, and returns the status and the body, without chunk framing.
async fn post(server: &MockServer, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&server.url()[7..]).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer key\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn lock(server: &MockServer, request: &Value) -> (NodeKey, u64) {
    let (status, body) = post(server, "/v1/nodes/lock", &request.to_string()).await;
    assert_eq!(status, 200, "{body}");
    let lock: Value = serde_json::from_str(&body).unwrap();
    let key = lock["public_key"].as_str().unwrap().parse().unwrap();
    (key, lock["stack_small_id"].as_u64().unwrap())
}

fn randomness() -> impl FnMut(&mut [u8]) {
    let mut count = 0_u8;
    move |bytes: &mut [u8]| {
        bytes.fill_with(|| {
            count = count.wrapping_add(1);
            count
        });
    }
}

fn sealed(request: &Value, key: &NodeKey, info: &CallInfo) -> (String, Session) {
    let plaintext = request.to_string();
    let (envelope, session) = seal(plaintext.as_bytes(), key, info, &mut randomness()).unwrap();
    (envelope.into_json(), session)
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "secret"}]})
}

const CHAT: &str = "/v1/confidential/chat/completions";

fn events(body: &str) -> Vec<&str> {
    body.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

#[tokio::test]
async fn every_endpoint_opens_and_seals() {
    let image = json!({"model": "m", "prompt": "a", "n": 1, "size": "8x8"});
    for (path, request, units, wanted) in [
        ("chat/completions", chat(false), 8192, "secret"),
        ("completions", json!({"model": "m", "prompt": "secret"}), 8192, "secret"),
        ("embeddings", json!({"model": "m", "input": "secret"}), 8192, "embedding"),
        ("images/generations", image, 1024 * 1024, "generated-images"),
    ] {
        let server = MockServer::start().await;
        let (key, stack) = lock(&server, &json!({"model": "m", "max_num_tokens": units})).await;
        let (envelope, session) = sealed(&request, &key, &CallInfo::new("m", stack));
        let path = format!("/v1/confidential/{path}");
        let (status, body) = post(&server, &path, &envelope).await;
        assert_eq!(status, 200, "{path} {body}");
        let opened = session.open(&body).unwrap();
        assert!(opened.plaintext().contains(wanted), "{}", opened.plaintext());
        assert!(!body.contains(wanted));
        let outer: Value = serde_json::from_str(&body).unwrap();
        let member = |name: &str| outer[name].as_str().unwrap();
        let pinned = Verifier::pinned([server.signer()]).unwrap();
        let (signature, hash) = (member("signature"), member("response_hash"));
        assert!(pinned.check_plaintext(opened.plaintext(), signature, hash).is_ok());
        let received = server.requests().pop().unwrap();
        assert_eq!(received.plaintext().unwrap(), request.to_string().as_bytes());
        let stats = server.stats();
        assert_eq!((stats.locks, stats.spent_locks), (1, 1));
    }
}

#[tokio::test]
async fn a_spent_expired_or_small_lock_is_rejected() {
    let server = MockServer::start().await;
    let call = async |stack: u64, key: &NodeKey, path: &str| {
        let (envelope, _) = sealed(&chat(false), key, &CallInfo::new("m", stack));
        post(&server, path, &envelope).await.0
    };
    let (key, stack) = lock(&server, &json!({"model": "m"})).await;
    assert_eq!(call(stack, &key, CHAT).await, 200);
    assert_eq!(call(stack, &key, CHAT).await, 425, "spent");
    let (key, stack) = lock(&server, &json!({"model": "m"})).await;
    assert_eq!(call(stack, &key, "/v1/confidential/images/generations").await, 425, "too small");
    server.expire_locks();
    assert_eq!(call(stack, &key, CHAT).await, 425, "expired");
    let (key, stack) = lock(&server, &json!({"model": "m", "timeout": 0})).await;
    assert_eq!(call(stack, &key, CHAT).await, 425, "timed out");
    let (old, stack) = lock(&server, &json!({"model": "m"})).await;
    server.rotate_node_key();
    assert_ne!(old.to_string(), server.node_key());
    assert_eq!(call(stack, &old, CHAT).await, 500, "rotated");
    assert_eq!(call(stack, &old, CHAT).await, 425, "spent by the failed call");
}

#[tokio::test]
async fn errors_on_demand_leave_locks_alone() {
    let server = MockServer::start().await;
    server
        .respond(Response::stack_locked())
        .respond(Response::stack_unavailable())
        .respond(Response::hidden_stack_locked());
    for wanted in [423, 425, 500, 200] {
        let (key, stack) = lock(&server, &json!({"model": "m"})).await;
        let (envelope, _) = sealed(&chat(false), &key, &CallInfo::new("m", stack));
        assert_eq!(post(&server, CHAT, &envelope).await.0, wanted);
    }
}

#[tokio::test]
async fn a_stream_has_one_nonce_and_ends_with_the_usage() {
    let server = MockServer::builder().no_keep_alive().start().await;
    let (key, stack) = lock(&server, &json!({"model": "m"})).await;
    let info = CallInfo::new("m", stack).stream(true);
    let (envelope, session) = sealed(&chat(true), &key, &info);
    let (status, body) = post(&server, CHAT, &envelope).await;
    assert_eq!(status, 200);
    let chunks = events(&body);
    let nonces: Vec<Value> = chunks
        .iter()
        .map(|chunk| serde_json::from_str::<Value>(chunk).unwrap()["nonce"].clone())
        .collect();
    assert!(nonces.len() > 5 && nonces.iter().all(|nonce| *nonce == nonces[0]));
    let last = session.open(chunks[chunks.len() - 1]).unwrap();
    let last: Value = serde_json::from_str(last.plaintext()).unwrap();
    assert!(last["usage"]["completion_tokens"].is_u64());
}

#[tokio::test]
async fn inner_and_outer_stream_must_agree() {
    for (path, request, outer, status, empty) in [
        (CHAT, chat(true), false, 500, false),
        (CHAT, chat(false), true, 200, true),
        (
            "/v1/confidential/completions",
            json!({"model": "m", "prompt": "a", "stream": true}),
            true,
            200,
            true,
        ),
    ] {
        let server = MockServer::start().await;
        let (key, stack) = lock(&server, &json!({"model": "m"})).await;
        // `seal` refuses streams that differ, so the outer member is set afterwards.
        let inner = request["stream"] == true;
        let info = CallInfo::new("m", stack).stream(inner);
        let envelope = sealed(&request, &key, &info).0;
        let mut envelope: Value = serde_json::from_str(&envelope).unwrap();
        envelope["stream"] = json!(outer);
        let envelope = envelope.to_string();
        let (actual, body) = post(&server, path, &envelope).await;
        assert_eq!(actual, status, "{path}");
        assert_eq!(body.starts_with("0\r\n"), empty, "{body}");
    }
}

#[tokio::test]
async fn tampering_is_noticed() {
    for (tampering, wanted) in [
        (Tampering::Tag, Some(OpenErrorKind::TagMismatch)),
        (Tampering::Hash, Some(OpenErrorKind::HashMismatch)),
        (Tampering::Nonce, None),
        (Tampering::Plain, None),
    ] {
        let server = MockServer::start().await;
        let (key, stack) = lock(&server, &json!({"model": "m"})).await;
        let (envelope, session) = sealed(&chat(false), &key, &CallInfo::new("m", stack));
        server.respond(Response::text("hello").tamper(tampering));
        let (status, body) = post(&server, CHAT, &envelope).await;
        assert_eq!(status, 200);
        let error = session.open(&body).unwrap_err();
        assert!(wanted.is_none_or(|kind| kind == error.kind()), "{tampering:?}: {error}");
    }
}

#[tokio::test]
async fn plain_responses_are_signed_with_any_scheme() {
    let seed = SigningKey::TEST_SEED;
    for key in [SigningKey::test(), SigningKey::secp256k1(seed), SigningKey::secp256r1(seed)] {
        let server = MockServer::builder().signing_key(key).no_keep_alive().start().await;
        let pinned = Verifier::pinned([server.signer()]).unwrap();
        let image = json!({"model": "m", "prompt": "a", "n": 1, "size": "8x8"});
        for (path, request) in [
            ("/v1/chat/completions", chat(false)),
            ("/v1/completions", json!({"model": "m", "prompt": "a"})),
            ("/v1/embeddings", json!({"model": "m", "input": "a"})),
            ("/v1/images/generations", image),
        ] {
            let (status, body) = post(&server, path, &request.to_string()).await;
            assert_eq!(status, 200, "{path} {body}");
            pinned.check(&body).unwrap();
        }
        let prompt = json!({"model": "m", "prompt": "a", "stream": true});
        for (path, request) in [("/v1/chat/completions", chat(true)), ("/v1/completions", prompt)] {
            let (_, body) = post(&server, path, &request.to_string()).await;
            assert!(events(&body).len() > 3);
            for event in events(&body) {
                pinned.check(event).unwrap();
            }
        }
    }
}
