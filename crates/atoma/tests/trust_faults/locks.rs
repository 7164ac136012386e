//! Locks that are lost, unusable, late or too small.

use crate::{
    client_of_mock, create, mock_responds_again, next_calls_succeed,
    proxy::{Play, Proxy, client, client_of},
    support::{completion, request},
};
use atoma::{
    ChatCompletionRequest, ErrorKind, ImageRequest, LockedNode, RetryConfig,
    transport::testing::ManualTimer,
};
use atoma_mock::{MockServer, Response};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Each attempt has its own lock and its own encryption, and the mock saw all of them.
async fn every_attempt_has_a_lock(lost: fn() -> Response, status: u16) {
    for failures in 0..=3 {
        let mock = MockServer::start().await;
        for _ in 0..failures {
            mock.respond(lost());
        }
        let client = client_of_mock(&mock);
        let outcome = client.confidential().chat().create(request()).await;
        let attempts = failures.min(2) + 1;
        match outcome {
            Ok(reply) => {
                assert_eq!((reply.attempts().count as usize, failures < 3), (attempts, true));
            }
            Err(error) => {
                assert_eq!((error.status().unwrap().as_u16(), failures), (status, 3), "{error:?}");
                assert!(error.is_api_error() && !error.is_untrusted());
                assert_eq!(error.attempts().count as usize, attempts);
            }
        }
        assert_eq!(mock.stats().locks, attempts, "{failures} failures");
        let requests = mock.requests();
        let envelopes = requests.iter().filter(|request| request.path.contains("confidential"));
        let envelopes: Vec<Value> = envelopes.map(atoma_mock::ReceivedRequest::json).collect();
        assert_eq!(envelopes.len(), attempts);
        for member in ["nonce", "salt", "client_dh_public_key", "ciphertext", "stack_small_id"] {
            let values: HashSet<String> =
                envelopes.iter().map(|envelope| envelope[member].to_string()).collect();
            assert_eq!(values.len(), attempts, "{member}");
        }
        mock_responds_again(&client).await;
    }
}

#[tokio::test]
async fn row_130_the_stack_is_locked() {
    every_attempt_has_a_lock(Response::stack_locked, 423).await;
}

#[tokio::test]
async fn row_131_the_stack_is_unavailable() {
    every_attempt_has_a_lock(Response::stack_unavailable, 425).await;
}

#[tokio::test]
async fn row_132_a_locked_stack_is_reported_as_a_500() {
    every_attempt_has_a_lock(Response::hidden_stack_locked, 500).await;
    // Another 500 may have been billed, and keeps its meaning.
    let (client, proxy, timer) = client([Play::Error(500, "Bad Request")]);
    let retries = RetryConfig::default().statuses([]);
    let call = client.confidential().chat().create(request()).retries(retries);
    assert_eq!(timer.run(call).unwrap_err().status().unwrap(), 500);
    assert_eq!(proxy.log.lock().unwrap().locks.len(), 1);
    next_calls_succeed(&client, &proxy, &timer);
}

#[tokio::test]
async fn row_133_no_confidential_node_serves_the_model() {
    let mock = MockServer::builder().models(["another-model"]).start().await;
    let error = client_of_mock(&mock).confidential().chat().create(request()).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.kind()), (503, ErrorKind::Overloaded));
    assert!(error.to_string().contains("no confidential node serves the model"), "{error}");
    assert!(!error.may_have_been_processed() && error.is_retryable());
    assert_eq!((error.attempts().count, mock.stats().locks), (3, 0));
    assert!(mock.requests().iter().all(|request| request.path.ends_with("/nodes/lock")));
}

#[test]
fn row_134_a_lock_that_cannot_be_used() {
    let rows: [(&str, fn(Value) -> Value); 7] = [
        ("no key", |mut lock| {
            lock["public_key"] = Value::Null;
            lock
        }),
        ("a key of 31 bytes", |mut lock| {
            lock["public_key"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==");
            lock
        }),
        ("a key that is not base64", |mut lock| {
            lock["public_key"] = json!("not a key");
            lock
        }),
        ("an all-zero key", |mut lock| {
            lock["public_key"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            lock
        }),
        ("a key of low order", |mut lock| {
            lock["public_key"] = json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            lock
        }),
        ("no stack", |mut lock| {
            lock.as_object_mut().unwrap().remove("stack_small_id");
            lock
        }),
        ("not an object", |_| json!([])),
    ];
    for (name, change) in rows {
        let proxy = Proxy::new([]);
        *proxy.lock_response.lock().unwrap() = Some(change);
        let (client, proxy, timer) = client_of(proxy);
        println!("case: {name}");
        let error = create(&client, &timer).expect_err(name);
        assert!(error.is_untrusted() && !error.is_retryable(), "{name}: {error:?}");
        assert!(!error.may_have_been_processed(), "{name}");
        let log = proxy.log.lock().unwrap();
        assert_eq!((log.locks.len(), log.envelopes.len()), (1, 0), "{name}");
        drop(log);
        next_calls_succeed(&client, &proxy, &timer);
    }
}

#[tokio::test]
async fn row_135_a_lock_expires_before_the_request_arrives() {
    let mock = Arc::new(MockServer::start().await);
    let asked = Arc::new(AtomicUsize::new(0));
    let (server, count) = (Arc::clone(&mock), Arc::clone(&asked));
    let private = client_of_mock(&mock).confidential().policy(move |_: LockedNode| {
        // While the policy decides about the first node.
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            server.expire_locks();
        }
        async { Ok(()) }
    });
    let reply = private.chat().create(request()).await.unwrap();
    assert_eq!(reply.attempts().count, 2);
    let stats = mock.stats();
    assert_eq!((stats.locks, stats.spent_locks, asked.load(Ordering::Relaxed)), (2, 1, 2));
    private.chat().create(request()).await.unwrap();
}

#[test]
fn row_135_a_lock_that_has_expired_is_not_used() {
    let mut proxy = Proxy::new([]);
    proxy.lock_delay = Some((ManualTimer::new(), Duration::from_secs(5)));
    let (client, proxy, timer) = client_of(proxy);
    let error = create(&client, &timer).unwrap_err();
    assert!(format!("{error:?}").contains("lock expired before"), "{error:?}");
    assert!(!error.may_have_been_processed());
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.envelopes.len()), (3, 0));
}

#[test]
fn row_136_calls_of_two_models_keep_their_locks_apart() {
    let (client, proxy, timer) = client([Play::Seal(completion("a")), Play::Seal(completion("b"))]);
    let private = client.confidential();
    let of = |model: &str| ChatCompletionRequest::new(model, request().messages);
    timer.run(async {
        let calls = [private.chat().create(of("a")), private.chat().create(of("b"))];
        for reply in futures::future::join_all(calls).await {
            reply.unwrap();
        }
    });
    let log = proxy.log.lock().unwrap();
    for (envelope, plaintext) in log.envelopes.iter().zip(&log.plaintexts) {
        let stack = envelope["stack_small_id"].as_u64().unwrap();
        let lock = &log.locks[stack as usize - 101];
        assert_eq!(lock["model"], envelope["model_name"]);
        assert_eq!(plaintext["model"], envelope["model_name"]);
    }
    assert_eq!((log.locks.len(), log.envelopes.len()), (2, 2));
    drop(log);
    next_calls_succeed(&client, &proxy, &timer);
}

#[tokio::test]
async fn row_137_the_node_changes_its_key() {
    let mock = Arc::new(MockServer::start().await);
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Arc::clone(&mock);
    let private = client_of_mock(&mock).confidential().policy(move |_: LockedNode| {
        // The key changes after the lock was returned.
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            server.rotate_node_key();
        }
        async { Ok(()) }
    });
    let reply = private.chat().create(request()).await.unwrap();
    assert_eq!((reply.attempts().count, mock.stats().locks), (2, 2));
    private.chat().create(request()).await.unwrap();
}

#[test]
fn row_138_a_rejected_key_is_returned_again() {
    let failed = "Inference service returned status code error 500 Internal Server Error";
    let (client, proxy, timer) = client([Play::Error(500, failed)]);
    let error = create(&client, &timer).unwrap_err();
    assert_eq!(error.api_error().unwrap().message, failed);
    let log = proxy.log.lock().unwrap();
    assert_eq!((log.locks.len(), log.envelopes.len()), (3, 1), "sealed once for that key");
    drop(log);
    next_calls_succeed(&client, &proxy, &timer);
}

#[tokio::test]
async fn row_148_more_units_than_a_usual_lock_holds() {
    let mock = MockServer::start().await;
    let private = client_of_mock(&mock).confidential();
    private.chat().create(request().max_completion_tokens(20_000)).await.unwrap();
    private.images().generate(ImageRequest::new("m", "a").n(2).size("2048x1024")).await.unwrap();
    let requests = mock.requests();
    let lock = |at: usize| requests[at].json()["max_num_tokens"].as_u64().unwrap();
    let sent = |at: usize| requests[at].json()["num_compute_units"].as_u64().unwrap();
    assert!(lock(0) > 20_000 && lock(0) == sent(1), "{} {}", lock(0), sent(1));
    assert_eq!((lock(2), sent(3)), (2 * 2048 * 1024, 2 * 2048 * 1024));
    assert_eq!((mock.stats().locks, mock.stats().spent_locks), (2, 2));
}
