//! Responses and chunks that are plain, altered, moved, missing or signed by another.

use crate::{
    client_of_mock, create, mock_responds_again, next_calls_succeed,
    proxy::{CANARY, Play, client},
    shows_no_text, stream,
    support::{chunk, completion, last_chunk, request},
};
use atoma::{
    CompletionRequest, OpenErrorKind,
    verify::{SigningKey, Verifier, VerifyErrorKind},
};
use atoma_mock::{MockServer, Response, Tampering};
use serde_json::{Value, json};

#[test]
fn row_139_a_plain_response_where_an_encrypted_one_was_due() {
    for body in [completion(CANARY), json!({"choices": []}), json!({}), json!({"usage": null})] {
        let (client, proxy, timer) = client([Play::Plain(body)]);
        let error = create(&client, &timer).unwrap_err();
        assert_eq!(error.open_failure().unwrap().kind(), OpenErrorKind::NotEncrypted);
        assert!(error.is_untrusted() && !error.is_retryable() && error.may_have_been_processed());
        shows_no_text(&error, "a whole response");
        assert_eq!(proxy.log.lock().unwrap().locks.len(), 1);
        next_calls_succeed(&client, &proxy, &timer);
    }
    for at in 0..3 {
        let plain: [fn(&mut Vec<String>); 3] = [
            |events| events[0] = chunk(CANARY).to_string(),
            |events| events[1] = chunk(CANARY).to_string(),
            |events| events[2] = last_chunk().to_string(),
        ];
        let chunks = vec![chunk("he"), chunk("llo"), last_chunk()];
        let (client, proxy, timer) = client([Play::Events(chunks, plain[at])]);
        let error = stream(&client, &timer).unwrap_err();
        assert_eq!(error.open_failure().unwrap().kind(), OpenErrorKind::NotEncrypted, "{at}");
        let partial = error.partial().map(|partial| partial.text().into_owned());
        assert_eq!(partial.unwrap_or_default(), ["", "he", "hello"][at]);
        assert!(!error.is_partial_verified());
        shows_no_text(&error, "a chunk");
        next_calls_succeed(&client, &proxy, &timer);
    }
}

/// Changes a member of a whole response in every way that must be refused.
fn altered() -> Vec<(&'static str, fn(&mut Value), OpenErrorKind)> {
    fn flip(body: &mut Value, member: &str) {
        let text = body[member].as_str().unwrap();
        let first = if text.starts_with('A') { "B" } else { "A" };
        body[member] = json!(format!("{first}{}", &text[1..]));
    }
    vec![
        ("no nonce", |b| b["nonce"] = Value::Null, OpenErrorKind::MissingMember),
        (
            "a nonce of 11 bytes",
            |b| b["nonce"] = json!("AAAAAAAAAAAAAAA="),
            OpenErrorKind::NonceSize,
        ),
        (
            "a nonce of 16 bytes",
            |b| b["nonce"] = json!("AAAAAAAAAAAAAAAAAAAAAA=="),
            OpenErrorKind::NonceSize,
        ),
        ("an empty nonce", |b| b["nonce"] = json!(""), OpenErrorKind::NonceSize),
        ("another nonce", |b| flip(b, "nonce"), OpenErrorKind::TagMismatch),
        ("another ciphertext", |b| flip(b, "ciphertext"), OpenErrorKind::TagMismatch),
        ("no ciphertext", |b| b["ciphertext"] = Value::Null, OpenErrorKind::MissingMember),
        (
            "a short ciphertext",
            |b| b["ciphertext"] = json!("AAAA"),
            OpenErrorKind::CiphertextTooShort,
        ),
        (
            "ciphertext that is not base64",
            |b| b["ciphertext"] = json!("*"),
            OpenErrorKind::InvalidBase64,
        ),
        ("another hash", |b| flip(b, "response_hash"), OpenErrorKind::HashMismatch),
        ("a short hash", |b| b["response_hash"] = json!("AAAA"), OpenErrorKind::HashSize),
        ("no hash", |b| b["response_hash"] = Value::Null, OpenErrorKind::MissingMember),
    ]
}

#[test]
fn row_140_a_nonce_tag_or_hash_that_does_not_fit() {
    for (name, alter, kind) in altered() {
        let (client, proxy, timer) = client([Play::Alter(alter)]);
        let error = create(&client, &timer).expect_err(name);
        assert_eq!(error.open_failure().expect(name).kind(), kind, "{name}");
        assert!(error.is_untrusted() && !error.is_retryable(), "{name}");
        assert_eq!(error.attempts().count, 1, "{name}");
        assert_eq!(proxy.log.lock().unwrap().locks.len(), 1, "{name}");
        shows_no_text(&error, name);
        next_calls_succeed(&client, &proxy, &timer);
    }
}

#[tokio::test]
async fn row_141_a_signature_that_is_missing_wrong_or_of_another_signer() {
    for (tampering, kind) in [
        (Tampering::NoSignature, VerifyErrorKind::MissingSignature),
        (Tampering::Signature, VerifyErrorKind::InvalidSignature),
        (Tampering::Signer, VerifyErrorKind::UnknownSigner),
    ] {
        let mock = MockServer::start().await;
        let client = client_of_mock(&mock).verified(Verifier::pinned([mock.signer()]).unwrap());
        for is_confidential in [false, true] {
            let chat = if is_confidential { client.confidential().chat() } else { client.chat() };
            mock.respond(Response::text(CANARY).tamper(tampering));
            let error = chat.create(request()).await.unwrap_err();
            assert_eq!(error.trust_failure().unwrap().kind(), kind, "{tampering:?}");
            assert!(error.is_untrusted() && !error.is_retryable());
            assert_eq!(error.attempts().count, 1);
            shows_no_text(&error, "a whole response");

            mock.respond(Response::text("one two three").tamper_after_events(2, tampering));
            let stream = chat.stream(request()).await.unwrap();
            let error = stream.into_response().await.unwrap_err();
            // A stream has one signer, whichever signers are pinned.
            let is_other = kind == VerifyErrorKind::UnknownSigner;
            let kind = if is_other { VerifyErrorKind::SignerChanged } else { kind };
            assert_eq!(error.trust_failure().unwrap().kind(), kind, "{tampering:?}");
            assert!(error.partial().is_some() && !error.is_partial_verified());
        }
        assert_eq!(mock.stats().locks, 2, "{tampering:?}");
        mock_responds_again(&client).await;
    }
}

#[test]
fn row_142_a_chunk_is_repeated_moved_or_missing() {
    type Change = fn(&mut Vec<String>);
    let rows: [(&str, Change, &str, u64); 4] = [
        ("repeated", |events| events.insert(1, events[0].clone()), "hehello", 1),
        ("repeated later", |events| events.insert(2, events[0].clone()), "hellohe", 0),
        ("moved", |events| events.swap(0, 1), "llohe", 0),
        ("missing", |events| drop(events.remove(0)), "llo", 0),
    ];
    for (name, change, text, repeats) in rows {
        let chunks = vec![chunk("he"), chunk("llo"), last_chunk()];
        let (client, proxy, timer) = client([Play::Events(chunks, change)]);
        let verified = client.verified(Verifier::any_signer()).confidential();
        timer.run(async {
            let mut stream = verified.chat().stream(request()).await.unwrap();
            let mut read = String::new();
            while let Some(chunk) = stream.try_next().await.expect(name) {
                read.push_str(&chunk.text());
            }
            // Neither the tag nor the signature covers the order: the guide says so.
            assert_eq!((read.as_str(), stream.repeated_chunks()), (text, Some(repeats)), "{name}");
        });
        next_calls_succeed(&client, &proxy, &timer);
    }
}

#[test]
fn row_143_a_chunk_of_another_stream() {
    let foreign: fn(&mut Vec<String>) = |events| {
        let node = atoma_confidential::node::NodeSecret::from_bytes([0x22; 32]);
        let call = atoma_confidential::CallInfo::new("m", 1);
        let mut fixed = |bytes: &mut [u8]| bytes.fill(3);
        let sealed = atoma_confidential::seal(br#"{"model":"m"}"#, &node.key(), &call, &mut fixed);
        let (_, on_node) = node.open_request(&sealed.unwrap().0.into_json()).unwrap();
        let sealed = on_node.seal_response(chunk(CANARY).to_string().as_bytes(), [9; 12]);
        let signature = SigningKey::test().sign_hash(&sealed.response_hash);
        events[1] = sealed.to_chunk_json(Some(&signature), None);
    };
    let chunks = vec![chunk("he"), chunk("llo"), last_chunk()];
    let (client, proxy, timer) = client([Play::Events(chunks, foreign)]);
    let error = stream(&client, &timer).unwrap_err();
    assert_eq!(error.open_failure().unwrap().kind(), OpenErrorKind::TagMismatch);
    assert_eq!(error.partial().unwrap().text(), "he");
    shows_no_text(&error, "a chunk of another stream");
    next_calls_succeed(&client, &proxy, &timer);
}

#[test]
fn row_144_inner_and_outer_stream_differ() {
    // Nothing is sent whose response could not be read.
    let (client, proxy, timer) = client([Play::Seal(completion(CANARY))]);
    let call = client.confidential().chat().create(request().extra("stream", true));
    let outcome = timer.run(call);
    let log = proxy.log.lock().unwrap();
    for (envelope, plaintext) in log.envelopes.iter().zip(&log.plaintexts) {
        assert_eq!(envelope["stream"], plaintext["stream"].as_bool().unwrap_or(false));
    }
    assert!(outcome.is_ok() || log.envelopes.is_empty(), "{outcome:?}");
    drop(log);
    next_calls_succeed(&client, &proxy, &timer);
}

#[tokio::test]
async fn row_145_an_encrypted_stream_ends_early() {
    let text = "one two three four five six seven eight";
    for events in [0, 1, 4, 7] {
        let mock = MockServer::start().await;
        let verifier = Verifier::pinned([mock.signer()]).unwrap();
        let client = client_of_mock(&mock).verified(verifier);
        let private = client.confidential();
        mock.respond(Response::text(text).truncate_after_events(events));
        let stream = private.chat().stream(request()).await.unwrap();
        let error = stream.into_response().await.unwrap_err();
        let partial = error.partial().map(|partial| partial.text().into_owned());
        let partial = partial.unwrap_or_default();
        assert!(error.is_truncated() && text.starts_with(&partial), "{events}: {error:?}");
        assert_eq!((events > 1, mock.stats().locks), (!partial.is_empty(), 1), "{events}");
        assert!(!error.is_partial_verified() && error.may_have_been_processed());
        mock_responds_again(&client).await;
    }
}

#[test]
fn row_146_confidential_streams_of_completions_are_empty() {
    let (client, proxy, timer) = client([]);
    let call = client.confidential().completions().stream(CompletionRequest::new("m", "a"));
    let error = timer.run(call).unwrap_err();
    assert!(error.is_invalid_request() && error.to_string().contains("empty"), "{error}");
    assert!(proxy.log.lock().unwrap().locks.is_empty());
    next_calls_succeed(&client, &proxy, &timer);
}

#[test]
fn row_147_an_error_object_in_place_of_encrypted_text() {
    let reported = json!({"error": {"code": 503, "message": "overloaded"}});
    let (whole, proxy, timer) = client([Play::Plain(reported)]);
    let error = create(&whole, &timer).unwrap_err();
    assert_eq!(error.api_error().unwrap().message, "overloaded");
    next_calls_succeed(&whole, &proxy, &timer);
    let in_stream: fn(&mut Vec<String>) =
        |events| events[1] = json!({"error": {"code": 503, "message": "overloaded"}}).to_string();
    let chunks = vec![chunk("he"), chunk("llo"), last_chunk()];
    let (streamed, proxy, timer) = client([Play::Events(chunks, in_stream)]);
    let error = stream(&streamed, &timer).unwrap_err();
    assert_eq!(error.api_error().unwrap().message, "overloaded");
    assert_eq!(error.partial().unwrap().text(), "he");
    assert!(!error.is_partial_verified());
    next_calls_succeed(&streamed, &proxy, &timer);
}
