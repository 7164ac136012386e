//! Confidential calls against the mock's proxy and node: locks, faults and tampering.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, CompletionRequest, EmbeddingRequest,
    ErrorKind, ImageRequest, RetryConfig, verify::Verifier,
};
use atoma_mock::{MockServer, Response, Tampering};
use std::time::Duration;

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("canary")],
    )
}

/// A client that does not wait long between its attempts.
fn client(mock: &MockServer) -> Client {
    let backoff = atoma::BackoffStrategy::default().initial_interval(Duration::from_millis(50));
    let retries = RetryConfig::default().backoff(backoff);
    let builder = Client::builder().api_key("any-secret-key").server_url(mock.url());
    builder.retries(retries).build().unwrap()
}

#[tokio::test]
async fn each_lost_lock_costs_one_lock_and_one_encryption() {
    for (name, lost) in [
        ("locked", Response::stack_locked as fn() -> Response),
        ("unavailable", Response::stack_unavailable),
        ("locked, as a 500", Response::hidden_stack_locked),
    ] {
        for failures in 0..3 {
            let mock = MockServer::start().await;
            for _ in 0..failures {
                mock.respond(lost());
            }
            let reply = client(&mock).confidential().chat().create(request()).await.expect(name);
            assert_eq!(reply.attempts().count as usize, failures + 1, "{name}");
            assert_eq!(mock.stats().locks, failures + 1, "{name}");
            for received in mock.requests() {
                let body = String::from_utf8_lossy(&received.body);
                assert!(!body.contains("canary"), "{name}: {body}");
            }
        }
    }
}

#[tokio::test]
async fn long_chats_and_images_lock_what_they_ask_for() {
    let mock = MockServer::start().await;
    let private = client(&mock).confidential();
    private.chat().create(request().max_completion_tokens(20_000)).await.unwrap();
    let image = ImageRequest::new("black-forest-labs/FLUX.1-schnell", "a").n(1).size("1024x1024");
    private.images().generate(image).await.unwrap();
    let text = CompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", "Once upon a");
    private.completions().create(text).await.unwrap();
    let embedding = EmbeddingRequest::new("intfloat/multilingual-e5-large", "a");
    private.embeddings().create(embedding).await.unwrap();
    assert_eq!((mock.stats().locks, mock.stats().spent_locks), (4, 4));
}

#[tokio::test]
async fn each_tampering_is_an_error_that_is_not_retried() {
    use Tampering::{Hash, NoHash, NoSignature, Nonce, Plain, Signature, Signer, Tag};
    for tampering in [Hash, Signature, Signer, NoSignature, NoHash, Tag, Nonce, Plain] {
        let mock = MockServer::start().await;
        let verifier = Verifier::pinned([mock.signer()]).unwrap();
        let private = client(&mock).verified(verifier).confidential();
        mock.respond(Response::text("canary").tamper(tampering));
        let error = private.chat().create(request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{tampering:?}: {error:?}");
        assert!(!error.is_retryable() && error.may_have_been_processed(), "{tampering:?}");
        assert!(!format!("{error:?}{error:#?}").contains("canary"), "{tampering:?}");
        assert_eq!(mock.stats().locks, 1, "{tampering:?}");

        mock.respond(Response::text("one two three").tamper_after_events(2, tampering));
        let stream = private.chat().stream(request()).await.unwrap();
        let error = stream.into_response().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{tampering:?}: {error:?}");
        let partial = error.partial().expect("two chunks were checked");
        assert!("one two three".starts_with(&*partial.text()), "{tampering:?}");
    }
}

#[cfg(feature = "blocking")]
#[test]
fn the_blocking_client_has_the_same_calls_and_the_same_failures() {
    let mock = MockServer::start_blocking();
    let blocking = atoma::blocking::Client::from_client(client(&mock)).unwrap();
    let verified = blocking.verified(Verifier::pinned([mock.signer()]).unwrap());
    for is_confidential in [false, true] {
        let chat = if is_confidential { verified.confidential().chat() } else { verified.chat() };
        let reply = chat.create(request()).send().unwrap();
        assert!(reply.verified().unwrap().is_pinned(), "{is_confidential}");
        let chunks: Result<Vec<_>, _> = chat.stream(request()).send().unwrap().collect();
        assert!(chunks.unwrap().len() > 2, "{is_confidential}");

        mock.respond(Response::text("one two").tamper_after_events(2, Tampering::Hash));
        let error = chat.stream(request()).send().unwrap().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{is_confidential}: {error:?}");
        assert!(error.partial().is_some() && !error.is_partial_verified(), "{is_confidential}");
    }
}
