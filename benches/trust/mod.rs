//! The cost of verification and encryption, each operation next to its floor: the bare cryptography of the same crates.

mod bare;
mod streams;

use atoma_confidential::{CallInfo, SystemRandomness, node::NodeSecret, seal};
use atoma_verify::{Mode, SigningKey, Verifier};
use cpu_time::ThreadTime;
use std::{hint::black_box, time::Duration};
pub(crate) use streams::streams;

/// Chunks of a stream, and calls of an operation that is measured alone.
pub(crate) const UNITS: usize = 200;

/// Something that is measured.
pub(crate) struct Operation {
    pub(crate) name: String,
    /// The name of the operation that this one is compared with.
    pub(crate) floor: String,
    /// Does the work [`UNITS`] times, and returns its processor time.
    pub(crate) run: Box<dyn FnMut() -> Duration>,
}

impl Operation {
    fn new(
        name: impl Into<String>,
        floor: impl Into<String>,
        mut once: impl FnMut() + 'static,
    ) -> Self {
        let run = move || {
            measured_part(|| {
                for _ in 0..UNITS {
                    once();
                }
            })
        };
        Self { name: name.into(), floor: floor.into(), run: Box::new(run) }
    }
}

/// The part of a run that counts. `benches/instructions.sh trust` names this function.
#[inline(never)]
fn measured_part(work: impl FnOnce()) -> Duration {
    let start = ThreadTime::now();
    work();
    black_box(start.elapsed())
}

/// A chunk of a stream before it is signed, with the text of its delta.
pub(crate) fn chunk(content: &str) -> String {
    let choice = r#"{"index":0,"delta":{"content":"TEXT"},"logprobs":null,"finish_reason":null}"#;
    let choice = choice.replace("TEXT", content);
    format!(
        r#"{{"id":"chatcmpl-5f2b8c1e9d3a4c7fb6e0a1d2c3b4e5f6","object":"chat.completion.chunk","created":1755000100,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{choice}],"usage":null,"system_fingerprint":null}}"#
    )
}

/// Checks, openings and seals, one at a time.
pub(crate) fn single() -> Vec<Operation> {
    let mut operations = checks(" of nodes that sign their responses");
    operations.extend(openings());
    operations.extend(seals());
    operations
}

fn checks(content: &str) -> Vec<Operation> {
    let seed = [7; 32];
    let keys =
        [SigningKey::ed25519(seed), SigningKey::secp256k1(seed), SigningKey::secp256r1(seed)];
    let mut operations = Vec::new();
    for key in keys {
        let scheme = key.public_key().scheme();
        let chunk = chunk(content);
        let text = key.sign_json(&chunk).expect("an object that is not signed");
        let floor = format!("check, {scheme}: BLAKE2b and the signature alone");
        let check = bare::check_of(&key);
        let signature = bare::signature_of(&key, chunk.as_bytes());
        operations.push(Operation::new(&*floor, &*floor, move || {
            assert!(check(&bare::hash(black_box(chunk.as_bytes())), black_box(&signature)));
        }));
        let pinned = Verifier::pinned([key.public_key()]).expect("one signer");
        let mut stream = pinned.stream();
        let next = text.clone();
        operations.push(Operation::new(
            format!("check, {scheme}: StreamVerifier::check"),
            &*floor,
            move || assert!(stream.check(black_box(&next)).is_ok()),
        ));
        operations.push(Operation::new(
            format!("check, {scheme}: Verifier::check, which parses the key"),
            floor,
            move || assert!(pinned.check(black_box(&text)).is_ok()),
        ));
    }
    let text = SigningKey::test().sign_json(&chunk(content)).expect("an object that is not signed");
    let floor = "check without a signature: BLAKE2b alone";
    let plain = chunk(content);
    operations.push(Operation::new(floor, floor, move || {
        black_box(bare::hash(black_box(plain.as_bytes())));
    }));
    let mut sampled =
        Verifier::any_signer().mode(Mode::UncheckedBetween { every: u32::MAX }).stream();
    operations.push(Operation::new(
        "check without a signature: StreamVerifier::check, sampled",
        floor,
        move || assert!(sampled.check(black_box(&text)).is_ok()),
    ));
    operations
}

fn openings() -> Vec<Operation> {
    let text = chunk(" zurueck");
    let cipher = bare::Cipher::new();
    let ciphertext = cipher.seal(text.as_bytes());
    let floor = "open a chunk: base64, AES-256-GCM and BLAKE2b alone";
    let mut operations = vec![Operation::new(floor, floor, move || {
        black_box(cipher.open(black_box(&ciphertext)));
    })];
    let usage = r#"{"prompt_tokens":9,"total_tokens":12,"completion_tokens":3}"#;
    for (name, usage) in [
        ("open a chunk: Session::open", None),
        ("open a chunk: Session::open, with a usage next to it", Some(usage)),
    ] {
        let (session, on_node) = streams::session();
        let sealed = on_node.seal_response(text.as_bytes(), bare::NONCE);
        let wire = sealed.to_chunk_json(Some(&"A".repeat(132)), usage);
        operations.push(Operation::new(name, floor, move || {
            black_box(session.open(black_box(&wire)).expect("sealed for this session"));
        }));
    }
    operations
}

fn seals() -> Vec<Operation> {
    let content = "x".repeat(4096);
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{content}"}}]}}"#);
    let key = NodeSecret::from_bytes([0x22; 32]).key();
    let call = CallInfo::new("m", 77);
    let floor = "seal 4 KiB: two X25519, AES-256-GCM, BLAKE2b and base64 alone";
    let bare_body = body.clone();
    vec![
        Operation::new(floor, floor, move || {
            black_box(bare::seal(&key, black_box(bare_body.as_bytes())));
        }),
        Operation::new("seal 4 KiB: seal and Envelope::into_json", floor, move || {
            let sealed = seal(black_box(body.as_bytes()), &key, &call, &mut SystemRandomness);
            black_box(sealed.expect("a valid body").0.into_json());
        }),
    ]
}
