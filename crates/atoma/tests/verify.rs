//! A verifying client returns only responses that are signed as required.

mod support;

use atoma::{
    ChatCompletionStream, Client, CompletionRequest, EmbeddingRequest, Error, ErrorKind,
    ImageRequest, Verification,
    transport::{
        Body, Request,
        testing::{Exchange, ManualTimer, ScriptedTransport},
        transport_fn,
    },
    verify::{Mode, Receipt, SigningKey, SuiAddress, Verifier, VerifyErrorKind},
};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use support::{chunk, last_chunk, request};

fn client(content_type: &'static str, body: impl Into<String>) -> Client {
    let body = body.into();
    let transport = transport_fn(move |_: Request| {
        let response = http::Response::builder().header("content-type", content_type);
        let response = response.body(Body::from(body.clone())).unwrap();
        async move { Ok(response) }
    });
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    builder.transport(transport).build().unwrap()
}

fn json(body: impl Into<String>) -> Client {
    client("application/json", body)
}

fn stream(chunks: &[String]) -> Client {
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    client("text/event-stream", events)
}

fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("the response is there")
}

fn node() -> SigningKey {
    SigningKey::test()
}

fn other() -> SigningKey {
    SigningKey::ed25519([9; 32])
}

fn pinned() -> Verifier {
    Verifier::pinned([node().address()]).unwrap()
}

fn completion() -> String {
    json!({"id": "c", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]})
    .to_string()
}

fn chunks(key: &SigningKey) -> Vec<String> {
    let texts = [chunk("he"), chunk("llo"), last_chunk()];
    texts.map(|text| key.sign_json(&text.to_string()).unwrap()).into()
}

#[test]
fn a_signed_response_carries_its_signer() {
    let signed = node().sign_json(&completion()).unwrap();
    for (name, verifier, is_pinned) in [
        ("pinned", pinned(), true),
        ("any signer", Verifier::any_signer(), false),
        ("first signer", Verifier::trust_on_first_use(), false),
    ] {
        let reply =
            now(json(signed.clone()).verified(verifier).chat().create(request())).expect(name);
        let verified = reply.verified().expect(name);
        assert_eq!(
            (verified.signer(), verified.is_pinned()),
            (node().address(), is_pinned),
            "{name}"
        );
        assert!(reply.receipt().is_none(), "{name}");
    }
    let plain = now(json(signed).chat().create(request())).unwrap();
    assert!(plain.verified().is_none());
}

#[test]
fn every_signed_resource_is_verified() {
    let embedding =
        json!({"object": "list", "data": [{"index": 0, "embedding": [1.0]}], "model": "m"});
    let image = json!({"created": 1, "data": [{"b64_json": "aGk="}]});
    let text = json!({"id": "c", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]});
    for is_signed in [true, false] {
        let sign = |value: &serde_json::Value| match is_signed {
            true => node().sign_json(&value.to_string()).unwrap(),
            false => value.to_string(),
        };
        let client = |value| json(sign(value)).verified(pinned());
        let embeddings =
            now(client(&embedding).embeddings().create(EmbeddingRequest::new("m", "a")));
        let images = client(&image).images().generate(ImageRequest::new("m", "a").n(1).size("8x8"));
        let completions = client(&text).completions().create(CompletionRequest::new("m", "a"));
        let outcomes = [
            embeddings.map(|reply| reply.verified().is_some()),
            now(images).map(|reply| reply.verified().is_some()),
            now(completions).map(|reply| reply.verified().is_some()),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.is_ok_and(|is_verified| is_verified), is_signed);
        }
    }
    // Nodes do not sign these.
    let models = json(r#"{"object": "list", "data": []}"#).verified(pinned());
    assert!(now(models.models().list()).is_ok());
}

#[test]
fn responses_that_are_not_signed_as_required_are_untrusted() {
    let signed = node().sign_json(&completion()).unwrap();
    let by_other = other().sign_json(&completion()).unwrap();
    for (name, body, kind) in [
        ("unsigned", completion(), VerifyErrorKind::MissingSignature),
        ("altered", signed.replace("hello", "hallo"), VerifyErrorKind::HashMismatch),
        ("another signer", by_other, VerifyErrorKind::UnknownSigner),
    ] {
        let error = now(json(body).verified(pinned()).chat().create(request())).expect_err(name);
        assert!(error.is_untrusted() && !error.is_retryable(), "{name}");
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}");
        assert_eq!(error.trust_failure().unwrap().kind(), kind, "{name}");
        assert!(error.to_string().starts_with("response not trusted"), "{name}: {error}");
        assert!(!format!("{error:?}").contains("hallo"), "{name}");
    }
}

#[test]
fn each_chunk_is_checked_before_it_is_returned() {
    let good = chunks(&node());
    let mut bad = good.clone();
    bad[1] = bad[1].replace("llo", "lla");
    let mut mixed = good.clone();
    mixed[1] = chunks(&other())[1].clone();

    let mut whole = now(stream(&good).verified(pinned()).chat().stream(request())).unwrap();
    let mut text = String::new();
    while let Some(chunk) = now(whole.try_next()).unwrap() {
        assert!(whole.verified().is_none(), "verified at the end only");
        text.push_str(&chunk.text());
    }
    assert_eq!((text.as_str(), whole.verified().unwrap().signer()), ("hello", node().address()));

    for (name, chunks, verifier) in
        [("altered", &bad, pinned()), ("another signer", &mixed, Verifier::any_signer())]
    {
        let mut stream = now(stream(chunks).verified(verifier).chat().stream(request())).unwrap();
        assert_eq!(now(stream.try_next()).unwrap().unwrap().text(), "he", "{name}");
        let error = now(stream.try_next()).unwrap_err();
        assert!(error.is_untrusted(), "{name}: {error}");
        assert_eq!(error.partial().unwrap().text(), "he", "{name}: checked chunks only");
        assert!(now(stream.into_response()).unwrap_err().is_untrusted(), "{name}");
    }
}

/// Every way to read a stream, and its error.
fn readings() -> Vec<(&'static str, fn(ChatCompletionStream) -> Error)> {
    fn items<S: futures::Stream<Item = atoma::Result<T>> + Unpin, T>(stream: S) -> Error {
        let read = stream.filter_map(|item| async { item.err() }).collect::<Vec<Error>>();
        now(read).pop().expect("an error")
    }
    vec![
        ("stream", items),
        ("try_next", |mut stream| {
            loop {
                if let Err(error) = now(stream.try_next()).map(|chunk| chunk.expect("an error")) {
                    return error;
                }
            }
        }),
        ("next_ref", |mut stream| {
            loop {
                if let Err(error) = now(stream.next_ref()).map(|chunk| assert!(chunk.is_some())) {
                    return error;
                }
            }
        }),
        ("into_response", |stream| now(stream.into_response()).unwrap_err()),
        ("events", |stream| items(stream.events())),
        ("text", |stream| items(stream.text())),
    ]
}

#[test]
fn a_partial_response_after_a_failed_verification_is_marked_as_unverified() {
    for mode in [Mode::EveryChunk, Mode::UncheckedBetween { every: 100 }, Mode::UncheckedUntilEnd] {
        for (name, read) in readings() {
            let mut altered = chunks(&node());
            altered[1] = altered[1].replace("llo", "lla");
            let client = stream(&altered).verified(pinned().mode(mode));
            let error = read(now(client.chat().stream(request())).unwrap());
            assert!(error.is_untrusted() && error.trust_failure().is_some(), "{name} {mode:?}");
            assert_eq!(error.partial().unwrap().text(), "he", "{name} {mode:?}");
            assert!(!error.is_partial_verified(), "{name} {mode:?}");
            assert!(format!("{error:#?}").contains("is_partial_verified: false"), "{error:#?}");

            // A stream that ended early was checked chunk by chunk, but not as a whole.
            let client = stream(&chunks(&node())[..1]).verified(pinned().mode(mode));
            let error = read(now(client.chat().stream(request())).unwrap());
            assert!(error.is_truncated() && error.partial().is_some(), "{name} {mode:?}");
            assert!(!error.is_partial_verified(), "{name} {mode:?}");
        }
    }
    // A response that is not streamed has no partial response.
    let error = now(json(completion()).verified(pinned()).chat().create(request())).unwrap_err();
    assert!(error.partial().is_none() && !error.is_partial_verified());
}

/// Reads a response that arrives in these pieces, and returns its text and the verdict.
fn verdict(content_type: &str, pieces: &[&[u8]]) -> (String, Result<SuiAddress, VerifyErrorKind>) {
    let response = Exchange::respond(200).header("content-type", content_type);
    let response = pieces.iter().fold(response, |response, piece| response.body(piece.to_vec()));
    let timer = ManualTimer::new();
    let builder =
        Client::builder().api_key("sk-test").transport(ScriptedTransport::new([response]));
    let client = builder.timer(timer.clone()).verify(pinned()).build().unwrap();
    let kind = |error: Error| error.trust_failure().expect("a verdict").kind();
    timer.run(async {
        if content_type == "application/json" {
            let reply = client.chat().create(request()).await;
            let text = reply.as_ref().map(|reply| reply.text().into_owned()).unwrap_or_default();
            return (text, reply.map(|reply| reply.verified().unwrap().signer()).map_err(kind));
        }
        let mut text = String::new();
        let mut stream = client.chat().stream(request()).await.unwrap();
        loop {
            match stream.try_next().await {
                Ok(Some(chunk)) => text.push_str(&chunk.text()),
                Ok(None) => return (text, Ok(stream.verified().unwrap().signer())),
                Err(error) => return (text, Err(kind(error))),
            }
        }
    })
}

#[test]
fn wherever_the_bytes_are_cut_the_verdict_is_the_same() {
    let events = |chunks: &[String]| -> String {
        chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
    };
    let good = chunks(&node());
    let mut altered = good.clone();
    altered[1] = altered[1].replace("llo", "lla");
    let mut unsigned = good.clone();
    unsigned[2] = last_chunk().to_string();
    let mut mixed = good.clone();
    mixed[1] = chunks(&other())[1].clone();
    let signed = node().sign_json(&completion()).unwrap();
    for (content_type, body, text, wanted) in [
        ("text/event-stream", events(&good), "hello", Ok(node().address())),
        ("text/event-stream", events(&altered), "he", Err(VerifyErrorKind::HashMismatch)),
        ("text/event-stream", events(&unsigned), "hello", Err(VerifyErrorKind::MissingSignature)),
        ("text/event-stream", events(&mixed), "he", Err(VerifyErrorKind::SignerChanged)),
        ("application/json", signed.clone(), "hello", Ok(node().address())),
        (
            "application/json",
            signed.replace("hello", "hallo"),
            "",
            Err(VerifyErrorKind::HashMismatch),
        ),
    ] {
        let wanted = (text.to_owned(), wanted);
        let body = body.as_bytes();
        for at in 0..=body.len() {
            let (start, end) = body.split_at(at);
            assert_eq!(verdict(content_type, &[start, end]), wanted, "cut at {at}");
        }
        for size in [1, 2, 3, 7, 64] {
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            assert_eq!(verdict(content_type, &pieces), wanted, "pieces of {size}");
        }
    }
}

#[test]
fn cheaper_modes_find_a_forged_chunk_at_the_end() {
    let mut forged = chunks(&node());
    // The hash matches, but the signature is for another text.
    let signature = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["signature"].as_str().unwrap().to_owned()
    };
    forged[2] = forged[2].replace(&signature(&forged[2]), &signature(&forged[0]));
    for mode in [Mode::EveryChunk, Mode::UncheckedBetween { every: 100 }, Mode::UncheckedUntilEnd] {
        let verifier = pinned().mode(mode);
        let stream = now(stream(&forged).verified(verifier).chat().stream(request())).unwrap();
        let error = now(stream.into_response()).unwrap_err();
        assert!(error.is_untrusted(), "{mode:?}: {error}");
    }
}

#[test]
fn one_conversation_has_one_signer() {
    let verifier = Verifier::trust_on_first_use();
    let by = |key: SigningKey| json(key.sign_json(&completion()).unwrap());
    let first = now(by(node()).verified(verifier.clone()).chat().create(request()));
    assert!(first.is_ok());
    let second = now(by(other()).verified(verifier).chat().create(request())).unwrap_err();
    assert_eq!(second.trust_failure().unwrap().kind(), VerifyErrorKind::SignerChanged);
}

#[test]
fn a_receipt_is_checked_again_without_a_client() {
    let keep = || Verification::new(pinned()).keep_receipts(true);
    let reply = now(json(node().sign_json(&completion()).unwrap())
        .verified(keep())
        .chat()
        .create(request()))
    .unwrap();
    let saved = reply.receipt().unwrap().to_json();

    let receipt = Receipt::from_json(&saved).unwrap();
    assert_eq!(receipt.check(&pinned()).unwrap().signer(), node().address());
    let stranger = Verifier::pinned([other().address()]).unwrap();
    assert_eq!(receipt.check(&stranger).unwrap_err().kind(), VerifyErrorKind::UnknownSigner);
    assert!(
        Receipt::from_json(&saved.replace("hello", "hallo"))
            .and_then(|receipt| receipt.check(&pinned()))
            .is_err()
    );

    let mut stream =
        now(stream(&chunks(&node())).verified(keep()).chat().stream(request())).unwrap();
    while now(stream.try_next()).unwrap().is_some() {}
    assert_eq!(stream.receipt().unwrap().len(), 3);
    assert!(stream.receipt().unwrap().check(&pinned()).is_ok());
}

#[test]
fn an_address_is_a_pin() {
    let address: SuiAddress = node().address().to_string().parse().unwrap();
    let client = json(node().sign_json(&completion()).unwrap());
    let verified = client.verified(Verifier::pinned([address]).unwrap());
    assert!(now(verified.chat().create(request())).is_ok());
}
