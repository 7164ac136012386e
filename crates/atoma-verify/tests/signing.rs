//! Signing as a node does.

mod common;

use atoma_verify::{Scheme, SigningKey, Verifier, VerifyErrorKind, split, verify};
use common::vectors;

fn keys() -> Vec<SigningKey> {
    vec![
        SigningKey::ed25519([7; 32]),
        #[cfg(feature = "ecdsa")]
        SigningKey::secp256k1([7; 32]),
        #[cfg(feature = "ecdsa")]
        SigningKey::secp256r1([7; 32]),
    ]
}

#[test]
fn the_test_key_signs_the_worked_example() {
    let signed = &vectors().signed[0];
    let key = SigningKey::test();
    assert_eq!(key.sign_json(&signed.preimage).unwrap(), signed.wire);
    assert_eq!(key.address().to_string(), signed.sui_address);
    assert_eq!(key.public_key(), signed.public_key());
    let plaintext = key.sign_plaintext(signed.preimage.as_bytes());
    assert_eq!(plaintext.signature, signed.signature);
    assert_eq!(plaintext.response_hash, signed.response_hash);
    assert_eq!(key.sign_hash(verify(&signed.wire).unwrap().hash()), signed.signature);
}

#[test]
fn signed_objects_pass_with_every_scheme() {
    for key in keys() {
        let verifier = Verifier::pinned([key.public_key()]).unwrap();
        for number in 0..20 {
            let text = format!(r#"{{"id":{number},"a":{{"signature":"x"}}}}"#);
            let signed = key.sign_json(&text).unwrap();
            let verified = verifier.check(&signed).unwrap();
            assert_eq!(verified.public_key(), key.public_key());
            assert_eq!(split(&signed).unwrap().preimage().collect::<String>(), text);
        }
        assert!(verifier.check(key.sign_json(" { } ").unwrap()).is_ok());
        assert!(verifier.check(key.sign_json("{ \"a\": 1 }\n").unwrap()).is_ok());
    }
}

#[test]
fn secrets_outside_of_the_range_are_replaced() {
    let zero = [0; 32];
    let most = [0xff; 32];
    for seed in [zero, most] {
        assert_eq!(SigningKey::ed25519(seed).public_key().scheme(), Scheme::Ed25519);
        #[cfg(feature = "ecdsa")]
        for key in [SigningKey::secp256k1(seed), SigningKey::secp256r1(seed)] {
            assert!(verify(key.sign_json("{}").unwrap()).is_ok());
        }
    }
}

#[test]
fn texts_that_cannot_be_signed_are_rejected() {
    let key = SigningKey::test();
    for text in ["", "[]", "{", r#"{"signature":"s"}"#, r#"{"response_hash":"h","a":1}"#] {
        assert_eq!(key.sign_json(text).unwrap_err().kind(), VerifyErrorKind::Malformed, "{text}");
    }
}

#[test]
fn the_secret_is_not_printed() {
    for key in keys() {
        let text = format!("{key:?}");
        assert!(text.contains("public_key") && !text.contains("7, 7"), "{text}");
    }
}
