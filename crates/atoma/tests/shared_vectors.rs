//! The shared vectors through both crates together: opened, then checked against the node's pinned key.

use atoma::{
    NodeKey, OpenErrorKind,
    verify::{PublicKey, Scheme, StreamVerifier, Verifier, VerifyErrorKind},
};
use atoma_confidential::{CallInfo, Opened, Session, seal};
use serde_json::Value;
use std::{fs, path::Path};

/// `None` in a packed crate, whose neighbors are not there.
fn vectors() -> Option<Value> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(crates.join("atoma-confidential/tests/vectors.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn rows<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let rows = vectors[name].as_array().unwrap();
    assert!(!rows.is_empty(), "{name}");
    rows
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn session(vectors: &Value) -> Session {
    let node: NodeKey = text(&vectors["lock_response"]["public_key"]).parse().unwrap();
    let drawn = [vec![0x11; 32], vec![0x33; 16], vec![0x40; 12]].concat();
    let mut drawn = drawn.into_iter();
    let mut randomness = |bytes: &mut [u8]| bytes.fill_with(|| drawn.next().unwrap());
    let sealed = seal(br#"{"model":"m"}"#, &node, &CallInfo::new("m", 77), &mut randomness);
    sealed.unwrap().1
}

fn pinned(vectors: &Value) -> Verifier {
    let hex = text(&vectors["keys"]["node_ed25519_public_hex"]);
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let key: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    Verifier::pinned([PublicKey::new(Scheme::Ed25519, &key).unwrap()]).unwrap()
}

fn check(verifier: &mut StreamVerifier, opened: &Opened<'_>) -> Result<(), VerifyErrorKind> {
    let (hash, signature) = (opened.response_hash_base64(), opened.signature().unwrap_or_default());
    let checked = verifier.check_plaintext(opened.plaintext(), signature, &hash);
    checked.map(|_| ()).map_err(|error| error.kind())
}

#[test]
fn responses_and_streams_are_opened_and_signed_by_the_node() {
    let Some(vectors) = vectors() else { return };
    let (session, verifier) = (session(&vectors), pinned(&vectors));
    let opened = session.open(text(&vectors["response"]["wire"])).unwrap();
    assert_eq!(opened.plaintext(), text(&vectors["response"]["plaintext"]));
    assert_eq!(check(&mut verifier.stream(), &opened), Ok(()));
    let mut stream = verifier.stream();
    for event in rows(&vectors["stream"], "events") {
        let opened = session.open(text(&event["data"])).unwrap();
        assert_eq!(opened.plaintext(), text(&event["plaintext"]));
        assert_eq!(check(&mut stream, &opened), Ok(()));
    }
    let address = text(&vectors["keys"]["node_sui_address"]);
    assert_eq!(stream.finish().unwrap().signer().to_string(), address);
}

#[test]
fn every_refused_response_is_refused_for_its_reason() {
    let Some(vectors) = vectors() else { return };
    let (session, verifier) = (session(&vectors), pinned(&vectors));
    for row in rows(&vectors, "refused_responses") {
        let why = text(&row["why"]);
        match session.open(text(&row["wire"])) {
            Err(error) => {
                let kind = match why {
                    "a bit of the tag" | "a bit of the ciphertext" => OpenErrorKind::TagMismatch,
                    "response_hash is not that of the plaintext" => OpenErrorKind::HashMismatch,
                    "nonce of 11 bytes" => OpenErrorKind::NonceSize,
                    "ciphertext shorter than a tag" => OpenErrorKind::CiphertextTooShort,
                    "no nonce" => OpenErrorKind::MissingMember,
                    "the plaintext is not JSON" => OpenErrorKind::PlaintextNotJson,
                    _ => OpenErrorKind::NotEncrypted,
                };
                assert_eq!(error.kind(), kind, "{why}");
            }
            Ok(opened) => {
                assert!(why.starts_with("signature by another key"), "{why}");
                let refused = check(&mut verifier.stream(), &opened).unwrap_err();
                assert_eq!(refused, VerifyErrorKind::UnknownSigner, "{why}");
                let refused = check(&mut Verifier::any_signer().stream(), &opened).unwrap_err();
                assert_eq!(refused, VerifyErrorKind::InvalidSignature, "{why}");
            }
        }
    }
}

#[test]
fn signed_texts_pass_and_every_refused_one_is_refused() {
    let Some(vectors) = vectors() else { return };
    for row in rows(&vectors, "signed") {
        let checked = Verifier::any_signer().check(text(&row["wire"]));
        match checked {
            Ok(verified) => {
                let signer = verified.signer().to_string();
                assert!(
                    row["sui_address"].as_str().is_none_or(|address| address == signer),
                    "{row}"
                );
            }
            // The mock's features may bring the other schemes even where ours do not.
            Err(error) => {
                assert!(!cfg!(feature = "verify-ecdsa") && text(&row["scheme"]) != "ed25519");
                assert_eq!(error.kind(), VerifyErrorKind::SchemeNotCompiled);
            }
        }
    }
    for row in rows(&vectors, "refused_signed") {
        assert!(Verifier::any_signer().check(text(&row["wire"])).is_err(), "{}", row["why"]);
    }
}
