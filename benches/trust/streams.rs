//! Whole streams of the client, from a transport in memory.

use super::{Operation, UNITS, bare, chunk, measured_part};
use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionStream, Client,
    transport::{Body, Request, testing::ManualTimer, transport_fn},
    verify::{Mode, SigningKey, Verifier},
};
use atoma_confidential::{
    CallInfo, Session, SystemRandomness,
    node::{NodeSecret, NodeSession},
    seal,
};
use serde_json::json;
use std::{hint::black_box, sync::Arc};

const NODE: [u8; 32] = [0x22; 32];

/// A session of a client with its node.
pub(crate) fn session() -> (Session, NodeSession) {
    let node = NodeSecret::from_bytes(NODE);
    let call = CallInfo::new("m", 77);
    let sealed = seal(br#"{"model":"m"}"#, &node.key(), &call, &mut SystemRandomness);
    let (envelope, session) = sealed.expect("a valid body");
    (session, node.open_request(&envelope.into_json()).expect("sealed for this node").1)
}

/// The texts of the chunks; only the last one has a finish reason.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = (1..UNITS).map(|at| chunk(&format!(" word-{at:03}"))).collect();
    let last = r#""finish_reason":"stop""#;
    texts.push(chunk("").replace(r#""finish_reason":null"#, last));
    texts
}

fn response(content_type: &str, body: String) -> http::Response<Body> {
    let head = http::Response::builder().header("content-type", content_type);
    head.body(Body::from(body)).expect("a valid head")
}

/// A client of a proxy that signs chunks, and seals them for confidential calls.
fn client(key: &SigningKey) -> (Client, ManualTimer) {
    let texts: Arc<[String]> = texts().into();
    let signed = texts.iter().map(|text| key.sign_json(text).expect("an unsigned object"));
    let plain: String = signed.map(|text| format!("data: {text}\n\n")).collect();
    let signatures: Arc<[String]> =
        texts.iter().map(|text| key.sign_hash(&bare::hash(text.as_bytes()))).collect();
    let respond = move |request: Request| {
        let path = request.uri().path();
        if path.ends_with("/nodes/lock") {
            let key = NodeSecret::from_bytes(NODE).key().to_string();
            let lock = json!({"public_key": key, "node_small_id": 7, "stack_small_id": 77,
                "stack_entry_digest": null});
            return response("application/json", lock.to_string());
        }
        if !path.contains("/confidential/") {
            return response("text/event-stream", plain.clone());
        }
        let body = std::str::from_utf8(request.body()).expect("an envelope");
        let opened = NodeSecret::from_bytes(NODE).open_request(body);
        let (_, session) = opened.expect("sealed for this node");
        let events = texts.iter().zip(&*signatures).map(|(text, signature)| {
            let sealed = session.seal_response(text.as_bytes(), bare::NONCE);
            format!("data: {}\n\n", sealed.to_chunk_json(Some(signature), None))
        });
        response("text/event-stream", events.collect())
    };
    let respond = Arc::new(respond);
    let transport = transport_fn(move |request: Request| {
        let respond = Arc::clone(&respond);
        async move { Ok(respond(request)) }
    });
    let timer = ManualTimer::new();
    let builder = Client::builder().api_key("sk-bench").server_url("http://localhost:1");
    let client = builder.transport(transport).timer(timer.clone()).build();
    (client.expect("a valid client"), timer)
}

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
}

async fn read(mut stream: ChatCompletionStream, mut after_each: impl FnMut(usize)) {
    let mut chunks = 0;
    while let Some(chunk) = stream.next_ref().await.expect("a good stream") {
        black_box(chunk.text().len());
        after_each(chunks);
        chunks += 1;
    }
    assert_eq!(chunks, UNITS);
}

/// Streams of [`UNITS`] chunks. The time before the first chunk is not measured.
pub(crate) fn streams() -> Vec<Operation> {
    let key = SigningKey::test();
    let (client, timer) = client(&key);
    let pinned = || Verifier::pinned([key.public_key()]).expect("one signer");
    let texts: Arc<[String]> = texts().into();
    let plain = {
        let (client, timer) = (client.clone(), timer.clone());
        move |after_each: &mut dyn FnMut(usize)| {
            let stream = timer.run(client.chat().stream(request())).expect("a stream");
            measured_part(|| timer.run(read(stream, after_each)))
        }
    };
    let chat = |name: &str, floor: &str, chat: atoma::Chat| {
        let timer = timer.clone();
        let run = move || {
            let stream = timer.run(chat.stream(request())).expect("a stream");
            measured_part(|| timer.run(read(stream, |_| {})))
        };
        Operation { name: name.into(), floor: floor.into(), run: Box::new(run) }
    };
    let with_bare = |name: &str, mut after_each: Box<dyn FnMut(usize)>| {
        let plain = plain.clone();
        let run = move || plain(&mut after_each);
        Operation { name: name.into(), floor: name.into(), run: Box::new(run) }
    };

    let check = bare::check_of(&key);
    let signatures: Arc<[[u8; 64]]> =
        texts.iter().map(|text| bare::signature_of(&key, text.as_bytes())).collect();
    let bare_check = {
        let texts = Arc::clone(&texts);
        move |at: usize| assert!(check(&bare::hash(texts[at].as_bytes()), &signatures[at]))
    };
    let cipher = bare::Cipher::new();
    let ciphertexts: Arc<[String]> =
        texts.iter().map(|text| cipher.seal(text.as_bytes())).collect();
    let bare_open = move |at: usize| {
        black_box(cipher.open(&ciphertexts[at]));
    };

    let plain_name = "stream: plain";
    let verified_floor = "stream: plain, with BLAKE2b and Ed25519 alone";
    let confidential_floor = "stream: plain, with base64, AES-256-GCM and BLAKE2b alone";
    let sampled = Mode::UncheckedBetween { every: 16 };
    vec![
        chat(plain_name, plain_name, client.chat()),
        with_bare(verified_floor, Box::new(bare_check)),
        chat("stream: verified", verified_floor, client.verified(pinned()).chat()),
        chat(
            "stream: verified, signatures of one chunk in 16",
            plain_name,
            client.verified(pinned().mode(sampled)).chat(),
        ),
        with_bare(confidential_floor, Box::new(bare_open)),
        chat("stream: confidential", confidential_floor, client.confidential().chat()),
        chat(
            "stream: confidential and verified",
            verified_floor,
            client.verified(pinned()).confidential().chat(),
        ),
    ]
}
