//! Confidential calls: one lock and one encryption for each attempt, and no fallback.

#[path = "support/confidential_proxy.rs"]
mod proxy;
mod support;

use atoma::{
    CallInfo, CompletionRequest, EmbeddingRequest, ErrorKind, ImageRequest, Inspect, InspectCall,
    LockedNode, OpenErrorKind, RetryConfig, Verification,
    transport::testing::ManualTimer,
    verify::{SigningKey, Verifier, VerifyErrorKind},
};
use proxy::{CANARY, PROMPT, Play, Proxy, client, client_of};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{chunk, completion, last_chunk, request};

#[test]
fn every_endpoint_is_encrypted_and_opened() {
    let text = json!({"id": "c", "choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]});
    let vector =
        json!({"object": "list", "data": [{"index": 0, "embedding": [1.0]}], "model": "m"});
    let image = json!({"created": 1, "data": [{"b64_json": "aGk="}]});
    let chunks = vec![chunk("he"), chunk("llo"), last_chunk()];
    let (client, proxy, timer) = client([
        Play::Seal(completion("hello")),
        Play::Stream(chunks),
        Play::Seal(text),
        Play::Seal(vector),
        Play::Seal(image),
    ]);
    let private = client.confidential();
    timer.run(async {
        let reply = private.chat().create(request()).await.unwrap();
        assert_eq!(reply.text(), "hello");
        let node: &LockedNode = reply.metadata().extensions().get().unwrap();
        assert_eq!((node.node_small_id, node.stack_small_id), (7, 101));
        let stream = private.chat().stream(request()).await.unwrap();
        assert_eq!(stream.into_response().await.unwrap().text(), "hello");
        let reply = private.completions().create(CompletionRequest::new("m", "a")).await.unwrap();
        assert_eq!(reply.text(), "hi");
        let reply = private.embeddings().create(EmbeddingRequest::new("m", "a")).await.unwrap();
        assert_eq!(reply.data.len(), 1);
        let request = ImageRequest::new("m", "a").n(1).size("1024x1024");
        assert_eq!(private.images().generate(request).await.unwrap().data.len(), 1);
    });
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.plaintexts.len()), (5, 5));
    for (index, (lock, envelope)) in log.locks.iter().zip(&log.envelopes).enumerate() {
        assert_eq!(lock["max_num_tokens"], envelope["num_compute_units"]);
        assert_eq!(envelope["stack_small_id"], 101 + index);
        let inner = log.plaintexts[index]["stream"].as_bool().unwrap_or(false);
        assert_eq!(envelope["stream"], inner);
    }
    assert_eq!(log.locks[4]["max_num_tokens"], 1024 * 1024);
}

#[test]
fn each_attempt_takes_a_new_lock_and_encrypts_anew() {
    for (name, status, message) in [
        ("locked", 423, "Locked"),
        ("stack unavailable", 425, "Stack unavailable"),
        ("the 500 of a locked stack", 500, "Internal server error occurred"),
    ] {
        let plays = [
            Play::Error(status, message),
            Play::Error(status, message),
            Play::Seal(completion("hi")),
        ];
        let (client, proxy, timer) = client(plays);
        // Only the rules of confidential calls decide which statuses are retried.
        let retries = RetryConfig::default().statuses([]);
        let call = client.confidential().chat().create(request()).retries(retries);
        let reply = timer.run(call).expect(name);
        assert_eq!(reply.attempts().count, 3, "{name}");
        let log = proxy.log.lock().unwrap();
        assert_eq!((log.locks.len(), log.envelopes.len()), (3, 3), "{name}");
        for member in ["nonce", "salt", "client_dh_public_key", "ciphertext", "stack_small_id"] {
            let values: HashSet<String> =
                log.envelopes.iter().map(|envelope| envelope[member].to_string()).collect();
            assert_eq!(values.len(), 3, "{name}: {member}");
        }
    }
}

#[test]
fn a_node_key_that_was_just_rejected_is_not_used_again() {
    let failed = "Inference service returned status code error 500 Internal Server Error";
    let plays = [Play::Error(500, failed), Play::Seal(completion("hi"))];
    let mut proxy = Proxy::new(plays.clone());
    proxy.secrets = Mutex::new(vec![0x22, 0x22, 0x23]);
    let (client, proxy, timer) = client_of(proxy);
    let reply = timer.run(client.confidential().chat().create(request())).unwrap();
    assert_eq!(reply.attempts().count, 3);
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.envelopes.len()), (3, 2));
    assert_ne!(log.envelopes[0]["node_dh_public_key"], log.envelopes[1]["node_dh_public_key"]);
}

#[test]
fn a_failing_node_is_reported_where_no_other_key_is_handed_out() {
    let (client, proxy, timer) = client([Play::Error(500, "Inference service returned status")]);
    let error = timer.run(client.confidential().chat().create(request())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error:?}");
    assert!(error.is_retryable() && error.may_have_been_processed() && !error.is_untrusted());
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.envelopes.len()), (3, 1));
}

#[test]
fn a_rejected_lock_is_reported() {
    for (status, locks, kind, text) in [
        (503, 3, ErrorKind::Overloaded, "no confidential node serves the model"),
        (401, 1, ErrorKind::Authentication, "no node was locked"),
        (400, 1, ErrorKind::InvalidRequest, "no node was locked"),
    ] {
        let proxy = Proxy::new([]);
        proxy.lock_errors.lock().unwrap().extend([status; 3]);
        let (client, proxy, timer) = client_of(proxy);
        let error = timer.run(client.confidential().chat().create(request())).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.status().unwrap(), status);
        assert!(error.is_api_error() && error.to_string().contains(text), "{error}");
        assert!(!error.may_have_been_processed());
        assert_eq!(proxy.log.lock().unwrap().locks.len(), locks, "{error}");
        assert_eq!(error.attempts().count as usize, locks);
    }
}

#[test]
fn a_lock_that_expires_before_sending_is_not_used() {
    let mut proxy = Proxy::new([]);
    proxy.lock_delay = Some((ManualTimer::new(), Duration::from_secs(5)));
    let (client, proxy, timer) = client_of(proxy);
    let error = timer.run(client.confidential().chat().create(request())).unwrap_err();
    assert!(
        std::error::Error::source(&error).unwrap().to_string().contains("expired"),
        "{error:?}"
    );
    assert!(error.is_retryable() && !error.is_untrusted() && !error.may_have_been_processed());
    assert!(proxy.log.lock().unwrap().envelopes.is_empty());
}

#[test]
fn a_policy_rejects_a_node_before_anything_is_encrypted() {
    let (client, proxy, timer) = client([]);
    let private = client.confidential().policy(|node: LockedNode| async move {
        Err(format!("node {} is unknown", node.node_small_id).into())
    });
    let error = timer.run(private.chat().create(request())).unwrap_err();
    assert!(error.is_untrusted() && error.kind() == ErrorKind::Untrusted);
    assert!(!error.is_retryable() && !error.may_have_been_processed());
    assert!(format!("{error:?}").contains("node 7 is unknown"), "{error:?}");
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.envelopes.len()), (1, 0));
}

/// Flips a bit in the first byte of a base64 member.
fn flip(body: &mut Value, member: &str) {
    let text = body[member].as_str().unwrap().to_owned();
    let first = if text.starts_with('A') { "B" } else { "A" };
    body[member] = json!(format!("{first}{}", &text[1..]));
}

#[test]
fn only_an_encrypted_response_is_accepted() {
    let rows: Vec<(&str, Play, OpenErrorKind)> = vec![
        ("plain", Play::Plain(completion(CANARY)), OpenErrorKind::NotEncrypted),
        ("flipped", Play::Alter(|body| flip(body, "ciphertext")), OpenErrorKind::TagMismatch),
        ("other nonce", Play::Alter(|body| flip(body, "nonce")), OpenErrorKind::TagMismatch),
        ("short nonce", Play::Alter(|b| b["nonce"] = json!("AAAA")), OpenErrorKind::NonceSize),
        ("hash", Play::Alter(|body| flip(body, "response_hash")), OpenErrorKind::HashMismatch),
        (
            "no hash",
            Play::Alter(|body| body["response_hash"] = Value::Null),
            OpenErrorKind::MissingMember,
        ),
        ("base64", Play::Alter(|b| b["ciphertext"] = json!("*")), OpenErrorKind::InvalidBase64),
    ];
    for (name, play, kind) in rows {
        let (client, proxy, timer) = client([play]);
        let error = timer.run(client.confidential().chat().create(request())).unwrap_err();
        assert_eq!(error.open_failure().expect(name).kind(), kind, "{name}");
        assert!(error.is_untrusted() && !error.is_retryable(), "{name}");
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}");
        assert_eq!(proxy.log.lock().unwrap().locks.len(), 1, "{name}: it was sent again");
        let shown = format!("{error} {error:?} {error:#?} {:?}", error.body_excerpt());
        assert!(!shown.contains("canary"), "{name}: {shown}");
    }
    let reported = json!({"error": {"code": 429, "message": "slow down"}});
    let (client, _, timer) = client([Play::Plain(reported)]);
    let error = timer.run(client.confidential().chat().create(request())).unwrap_err();
    assert_eq!(error.api_error().unwrap().message, "slow down");
}

#[test]
fn a_forged_chunk_ends_a_stream_with_the_checked_part() {
    let (client, _, timer) = client([Play::Stream(vec![chunk("he"), json!({"choices": 1})])]);
    let verified = client.verified(Verification::new(Verifier::any_signer()).keep_receipts(true));
    let plain = client.confidential();
    timer.run(async {
        let stream = plain.chat().stream(request()).await.unwrap();
        let error = stream.into_response().await.unwrap_err();
        assert!(error.is_truncated() || error.is_unexpected_response(), "{error}");
        assert_eq!(error.body_excerpt(), None);
        assert_eq!(error.partial().unwrap().text(), "he");
    });
    drop(verified);
}

#[test]
fn a_verified_confidential_response_is_signed_over_its_plaintext() {
    let unsigned: fn(&mut Value) = |body| body["signature"] = Value::Null;
    let wrong: fn(&mut Value) = |body| {
        body["signature"] = json!(SigningKey::test().sign_hash(&[1; 32]));
    };
    let (client, _, timer) = client([
        Play::Seal(completion(CANARY)),
        Play::Stream(vec![chunk(CANARY), last_chunk()]),
        Play::Alter(unsigned),
        Play::Alter(wrong),
        Play::Seal(completion(CANARY)),
    ]);
    let pinned = Verifier::pinned([SigningKey::test().address()]).unwrap();
    let private = client.verified(Verification::new(pinned).keep_receipts(true)).confidential();
    timer.run(async {
        let reply = private.chat().create(request()).await.unwrap();
        assert!(reply.verified().unwrap().is_pinned());
        let receipt = reply.receipt().unwrap().to_json();
        assert!(!receipt.contains("canary") && !receipt.contains(PROMPT), "{receipt}");
        assert!(!format!("{reply:?} {reply:#?}").contains("canary"));

        let mut stream = private.chat().stream(request()).await.unwrap();
        while stream.try_next().await.unwrap().is_some() {}
        assert!(stream.verified().unwrap().is_pinned());
        assert!(!format!("{stream:?}").contains("canary"));
        assert_eq!(stream.receipt().unwrap().len(), 2);

        for kind in [VerifyErrorKind::MissingSignature, VerifyErrorKind::InvalidSignature] {
            let error = private.chat().create(request()).await.unwrap_err();
            assert_eq!(error.trust_failure().unwrap().kind(), kind);
        }
        let other = Verifier::pinned([SigningKey::ed25519([9; 32]).address()]).unwrap();
        let private = client.verified(other).confidential();
        let error = private.chat().create(request()).await.unwrap_err();
        assert_eq!(error.trust_failure().unwrap().kind(), VerifyErrorKind::UnknownSigner);
    });
}

#[test]
fn calls_that_would_not_be_encrypted_are_an_error() {
    let (client, proxy, timer) = client([]);
    let private = client.confidential();
    let stream = private.completions().stream(CompletionRequest::new("m", "a"));
    let error = timer.run(stream).unwrap_err();
    assert!(error.is_invalid_request() && error.to_string().contains("empty"), "{error}");
    assert!(proxy.log.lock().unwrap().locks.is_empty());
}

/// Keeps the bodies of calls.
#[derive(Clone, Default)]
struct Bodies(Arc<Mutex<Vec<String>>>);

impl Inspect for Bodies {
    fn begin(&self, call: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        self.0.lock().unwrap().push(String::from_utf8_lossy(call.body).into_owned());
        None
    }
}

#[test]
fn an_inspector_sees_the_body_before_it_is_encrypted() {
    let (client, _, timer) = client([Play::Seal(completion("hi"))]);
    let bodies = Bodies::default();
    let private = client.inspected(bodies.clone()).confidential();
    timer.run(async { private.chat().create(request()).await.unwrap() });
    let body: Value = serde_json::from_str(&bodies.0.lock().unwrap()[0]).unwrap();
    let sent = request();
    assert_eq!(body["messages"][0]["content"], sent.messages[0].text().as_ref());
}
