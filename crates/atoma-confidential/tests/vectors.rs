//! The shared vectors, complete: another implementation made them, and each rejected row is
//! rejected for its reason.

mod common;

use atoma_confidential::{
    CallInfo, NodeKey, OpenError, OpenErrorKind as Kind, SealErrorKind, seal,
};
use common::{of_vectors, session_of_vectors};
use serde_json::Value;
use std::{fs, path::Path};

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn rows<'a>(vectors: &'a Value, name: &str) -> &'a Vec<Value> {
    let rows = vectors[name].as_array().unwrap();
    assert!(!rows.is_empty(), "{name}");
    rows
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn requests_are_sealed_byte_for_byte() {
    let vectors = vectors();
    let lock = &vectors["lock_response"];
    for row in rows(&vectors, "requests") {
        let node: NodeKey = text(&lock["public_key"]).parse().unwrap();
        let call = CallInfo::new(
            text(&row["body"]["model_name"]),
            lock["stack_small_id"].as_u64().unwrap(),
        )
        .stream(row["body"]["stream"].as_bool().unwrap())
        .num_compute_units(row["body"]["num_compute_units"].as_u64().unwrap());
        let nonce = u8::from_str_radix(&text(&row["nonce_hex"])[..2], 16).unwrap();
        let plaintext = text(&row["plaintext"]).as_bytes();
        let (envelope, _) = seal(plaintext, &node, &call, &mut of_vectors(nonce)).unwrap();
        let body: Value = serde_json::from_str(&envelope.into_json()).unwrap();
        assert_eq!(body, row["body"]);
    }
}

#[test]
fn responses_and_chunks_are_opened() {
    let vectors = vectors();
    let session = session_of_vectors();
    let response = &vectors["response"];
    let events = rows(&vectors["stream"], "events").iter().map(|event| (&event["data"], event));
    for (wire, row) in [(&response["wire"], response)].into_iter().chain(events) {
        let opened = session.open(text(wire)).unwrap();
        assert_eq!(opened.plaintext(), text(&row["plaintext"]));
        let wire: Value = serde_json::from_str(text(wire)).unwrap();
        assert_eq!(opened.signature(), wire["signature"].as_str());
        assert_eq!(opened.response_hash_base64(), text(&wire["response_hash"]));
        let usage = opened.outer_usage().map(|usage| serde_json::from_str::<Value>(usage).unwrap());
        assert_eq!(usage.as_ref(), wire.get("usage"));
        assert_eq!(opened.into_plaintext(), text(&row["plaintext"]));
    }
}

#[test]
fn rejected_responses_are_rejected_for_their_reason() {
    let vectors = vectors();
    let session = session_of_vectors();
    let mut of_the_signature = 0;
    for row in rows(&vectors, "refused_responses") {
        let (why, result) = (text(&row["why"]), session.open(text(&row["wire"])));
        let kind = result.as_ref().map(|_| ()).map_err(OpenError::kind);
        let wanted = match why {
            "a bit of the tag" | "a bit of the ciphertext" => Kind::TagMismatch,
            "response_hash is not that of the plaintext" => Kind::HashMismatch,
            "nonce of 11 bytes" => Kind::NonceSize,
            "ciphertext shorter than a tag" => Kind::CiphertextTooShort,
            "no nonce" => Kind::MissingMember,
            "the plaintext is not JSON" => Kind::PlaintextNotJson,
            _ if why.starts_with("a plain answer where an encrypted one") => Kind::NotEncrypted,
            // Signatures are judged by a verifier, which needs exactly these three.
            _ if why.starts_with("signature by another key") => {
                let opened = result.unwrap();
                let wire: Value = serde_json::from_str(text(&row["wire"])).unwrap();
                assert_eq!(opened.signature(), wire["signature"].as_str());
                assert_eq!(opened.plaintext(), text(&vectors["response"]["plaintext"]));
                of_the_signature += 1;
                continue;
            }
            _ => panic!("a new row: {why}"),
        };
        assert_eq!(kind, Err(wanted), "{why}");
    }
    assert_eq!(of_the_signature, 1);
}

#[test]
fn rejected_node_keys_are_rejected_before_anything_is_sealed() {
    let vectors = vectors();
    for row in rows(&vectors, "refused_node_keys") {
        let why = text(&row["why"]);
        match (why, text(&row["public_key"]).parse::<NodeKey>()) {
            ("31 bytes", Err(error)) => assert!(error.is_wrong_size()),
            ("not base64", Err(error)) => assert!(!error.is_wrong_size()),
            (_, Ok(node)) => {
                let sealed =
                    seal(br#"{"model":"m"}"#, &node, &CallInfo::new("m", 1), &mut of_vectors(1));
                assert_eq!(sealed.unwrap_err().kind(), SealErrorKind::WeakNodeKey, "{why}");
            }
            (_, Err(error)) => panic!("{why}: {error}"),
        }
    }
}

/// Why the README advises against streams: nodes repeat one nonce for all chunks of a stream. Here
/// the proxy reads a chunk without any key, from the ciphertexts and the common beginning of a
/// stream alone.
#[test]
fn an_observer_reads_a_stream_without_the_key() {
    let vectors = vectors();
    let events = rows(&vectors["stream"], "events");
    let ciphertext = |event: &Value| {
        let wire: Value = serde_json::from_str(text(&event["data"])).unwrap();
        decode_base64(text(&wire["ciphertext"]))
    };
    let (first, second) = (ciphertext(&events[0]), ciphertext(&events[1]));
    let mixed: Vec<u8> = first.iter().zip(&second).map(|(a, b)| a ^ b).collect();
    // Id, time and model are the same in both chunks; the first one continues like this in every stream.
    let known = br#""role":"assistant","content":""},"finish_reason":null}]}"#;
    let start = mixed.iter().position(|&byte| byte != 0).unwrap() - 1;
    let read: Vec<u8> = mixed[start..].iter().zip(known).map(|(a, b)| a ^ b).collect();
    let read = String::from_utf8_lossy(&read);
    assert!(read.starts_with(r#""content":"Grüße"},"finish_reason":null}]}"#), "{read}");
}

fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, &c| bits << 6 | u32::from(digit(c)))
            << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
