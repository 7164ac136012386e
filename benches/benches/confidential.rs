//! The cost of opening an encrypted chunk and of sealing a request, next to the bare cryptography.
//!
//! Run: `cargo bench -p atoma-benches --bench confidential`
//!
//! You should see, for a chunk with a `usage` (308 bytes of text), nanoseconds per chunk and the ratio to the bare
//! cryptography (base64, AES-256-GCM, BLAKE2b) and to the same checks with serde_json; then the same for a request
//! of 4 KiB, where X25519 is nearly everything.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit};
use atoma_benches::clients::Error;
use atoma_benches::rounds::interleaved;
use atoma_confidential::node::NodeSecret;
use atoma_confidential::{CallInfo, NodeKey, Session, SystemRandomness, seal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use cpu_time::ThreadTime;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::hint::black_box;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

const ROUNDS: usize = 101;
const NONCE: [u8; 12] = [9; 12];
const CHUNK: &str = r#"{"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1755000101,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{"index":0,"delta":{"content":" zurueck"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":9,"total_tokens":12,"completion_tokens":3}}"#;
const USAGE: &str = r#"{"prompt_tokens":9,"total_tokens":12,"completion_tokens":3}"#;

fn main() -> Result<(), Error> {
    let node = NodeSecret::from_bytes([0x22; 32]);
    let call = CallInfo::new("m", 77);
    let (envelope, session) = seal(br#"{"model":"m"}"#, &node.key(), &call, &mut SystemRandomness)?;
    let (_, on_node) = node.open_request(&envelope.into_json())?;
    let sealed = on_node.seal_response(CHUNK.as_bytes(), NONCE);
    let wire = sealed.to_chunk_json(Some(&"A".repeat(132)), Some(USAGE));
    // The floors use a separate key, because the session's cannot be taken out.
    let cipher = Aes256Gcm::new(&[7; 32].into());
    let mut own = CHUNK.as_bytes().to_vec();
    let tag = cipher.encrypt_in_place_detached(&NONCE.into(), b"", &mut own).expect("a short text");
    own.extend_from_slice(&tag);
    let own = STANDARD.encode(own);
    let own_wire = wire.replace(&STANDARD.encode(&sealed.ciphertext), &own);

    println!("opening a chunk of {} bytes", CHUNK.len());
    compare(
        2_000,
        &mut [
            ("floor: base64, AES-256-GCM, BLAKE2b", &mut || bare(&cipher, black_box(&own))),
            ("the same and serde_json", &mut || by_hand(&cipher, black_box(&own_wire))),
            ("atoma-confidential", &mut || ours(&session, black_box(&wire))),
        ],
    )?;

    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "x".repeat(4096)
    );
    let key = node.key();
    println!("\nsealing a request of {} bytes", body.len());
    compare(
        20,
        &mut [
            ("floor: two X25519, AES-256-GCM, BLAKE2b, base64", &mut || bare_request(&key, &body)),
            ("atoma-confidential", &mut || {
                let sealed = seal(body.as_bytes(), &key, &call, &mut SystemRandomness);
                sealed.expect("a valid body").0.into_json().len()
            }),
        ],
    )
}

type Contender<'a> = (&'static str, &'a mut dyn FnMut() -> usize);

fn compare(passes: usize, contenders: &mut [Contender<'_>]) -> Result<(), Error> {
    let times = interleaved(contenders.len(), ROUNDS, passes, |contender| {
        let start = ThreadTime::now();
        for _ in 0..passes {
            black_box((contenders[contender].1)());
        }
        Ok::<_, Error>(start.elapsed())
    })?;
    for ((name, _), time) in contenders.iter().zip(&times) {
        println!("    {name:<50} {:>7.0} ns {:>6.2} x", time.nanoseconds(), time.ratio(&times[0]));
    }
    Ok(())
}

fn ours(session: &Session, wire: &str) -> usize {
    session.open(wire).expect("sealed for this session").plaintext().len()
}

fn bare(cipher: &Aes256Gcm, ciphertext: &str) -> usize {
    let mut buffer = STANDARD.decode(ciphertext).expect("base64");
    let tag: [u8; 16] = buffer.split_off(buffer.len() - 16).try_into().expect("16 bytes");
    cipher
        .decrypt_in_place_detached(&NONCE.into(), b"", &mut buffer, &tag.into())
        .expect("the right key");
    black_box(Blake2b::<U32>::digest(&buffer));
    buffer.len()
}

#[derive(Deserialize)]
struct Chunk<'a> {
    nonce: &'a str,
    ciphertext: &'a str,
    response_hash: &'a str,
    signature: Option<String>,
    usage: Option<IgnoredAny>,
}

fn by_hand(cipher: &Aes256Gcm, wire: &str) -> usize {
    let chunk: Chunk<'_> = serde_json::from_str(wire).expect("JSON");
    let mut buffer = STANDARD.decode(chunk.ciphertext).expect("base64");
    let nonce: [u8; 12] =
        STANDARD.decode(chunk.nonce).expect("base64").try_into().expect("12 bytes");
    let tag: [u8; 16] = buffer.split_off(buffer.len() - 16).try_into().expect("16 bytes");
    cipher
        .decrypt_in_place_detached(&nonce.into(), b"", &mut buffer, &tag.into())
        .expect("the right key");
    let hash = STANDARD.decode(chunk.response_hash).expect("base64");
    assert_eq!(Blake2b::<U32>::digest(&buffer)[..], hash[..]);
    let text = String::from_utf8(buffer).expect("UTF-8");
    serde_json::from_str::<IgnoredAny>(&text).expect("JSON");
    black_box((chunk.signature, chunk.usage));
    text.len()
}

fn bare_request(node: &NodeKey, body: &str) -> usize {
    let secret = black_box([0x11; 32]);
    let shared = x25519(secret, *node.as_bytes());
    black_box(x25519(secret, X25519_BASEPOINT_BYTES));
    let mut buffer = body.as_bytes().to_vec();
    let cipher = Aes256Gcm::new(&shared.into());
    black_box(cipher.encrypt_in_place_detached(&NONCE.into(), b"", &mut buffer))
        .expect("a short text");
    black_box(Blake2b::<U32>::digest(body.as_bytes()));
    STANDARD.encode(&buffer).len()
}
