//! Checking a signed chunk, next to the bare cryptography of the same crates.
//!
//! Run: `cargo bench -p atoma-benches --bench verify`
//! (`-- ed25519` for one scheme)
//!
//! You should see, for each scheme, the time of `StreamVerifier::check` (cutting, hash, base64,
//! signature, with the key parsed once), of `Verifier::check` (which parses the key each time), and of
//! BLAKE2b and the signature alone; then the time of cutting and of a hash without a signature.

use std::hint::black_box;

use atoma_verify::{Mode, Scheme, SigningKey, Verifier, split, verify};
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use criterion::{Criterion, criterion_group, criterion_main};

/// A chunk of some 300 bytes before it is signed.
const CHUNK: &str = r#"{"id":"chatcmpl-5f2b8c1e9d3a4c7fb6e0a1d2c3b4e5f6","object":"chat.completion.chunk","created":1755000100,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{"index":0,"delta":{"content":" network of nodes that sign their responses"},"logprobs":null,"finish_reason":null}],"system_fingerprint":null}"#;

fn checks(criterion: &mut Criterion) {
    let seed = [7; 32];
    for key in [SigningKey::ed25519(seed), SigningKey::secp256k1(seed), SigningKey::secp256r1(seed)]
    {
        let public_key = key.public_key();
        let text = key.sign_json(CHUNK).expect("an object that is not signed");
        let verified = verify(&text).expect("the text that was just signed");
        let signature = bare_signature(&key, verified.hash());
        let check = bare_check(public_key.scheme(), public_key.as_bytes());
        let mut group = criterion.benchmark_group(public_key.scheme().to_string());
        let pinned = Verifier::pinned([public_key]).expect("one signer");
        let mut stream = pinned.stream();
        group.bench_function("StreamVerifier::check", |bench| {
            bench.iter(|| stream.check(black_box(&text)).expect("a signed chunk"));
        });
        group.bench_function("Verifier::check", |bench| {
            bench.iter(|| pinned.check(black_box(&text)).expect("a signed chunk"));
        });
        group.bench_function("bare BLAKE2b and signature", |bench| {
            bench.iter(|| {
                let hash: [u8; 32] = Blake2b::<U32>::digest(black_box(CHUNK)).into();
                assert!(check(&hash, black_box(&signature)));
            });
        });
    }
}

fn parts(criterion: &mut Criterion) {
    let text = SigningKey::test().sign_json(CHUNK).expect("an object that is not signed");
    let mut group = criterion.benchmark_group("without signature");
    group.bench_function("split", |bench| bench.iter(|| split(black_box(&text)).is_ok()));
    let mut stream = Verifier::any_signer().mode(Mode::Sample { every: u32::MAX }).stream();
    group.bench_function("StreamVerifier::check, sampled", |bench| {
        bench.iter(|| stream.check(black_box(&text)).expect("a signed chunk"));
    });
    group.bench_function("bare BLAKE2b", |bench| {
        bench.iter(|| Blake2b::<U32>::digest(black_box(CHUNK)));
    });
}

/// The 64 bytes between flag and key.
fn bare_signature(key: &SigningKey, hash: &[u8; 32]) -> [u8; 64] {
    use base64::Engine;
    let raw = base64::engine::general_purpose::STANDARD.decode(key.sign_hash(hash));
    raw.expect("base64")[1..65].try_into().expect("64 bytes")
}

type Check = Box<dyn Fn(&[u8; 32], &[u8; 64]) -> bool>;

/// The cryptography alone, with the key parsed beforehand.
fn bare_check(scheme: Scheme, key: &[u8]) -> Check {
    match scheme {
        Scheme::Ed25519 => {
            let bytes = key.try_into().expect("32 bytes");
            let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).expect("a key");
            Box::new(move |hash, signature| {
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verify_strict(hash, &signature).is_ok()
            })
        }
        Scheme::Secp256k1 => {
            use k256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
            let key = VerifyingKey::from_sec1_bytes(key).expect("a key");
            Box::new(move |hash, signature| {
                Signature::from_slice(signature).is_ok_and(|sig| key.verify(hash, &sig).is_ok())
            })
        }
        Scheme::Secp256r1 => {
            use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
            let key = VerifyingKey::from_sec1_bytes(key).expect("a key");
            Box::new(move |hash, signature| {
                Signature::from_slice(signature).is_ok_and(|sig| key.verify(hash, &sig).is_ok())
            })
        }
        scheme => panic!("no bare check of {scheme}"),
    }
}

criterion_group!(benches, checks, parts);
criterion_main!(benches);
