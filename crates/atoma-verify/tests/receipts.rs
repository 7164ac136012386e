//! Receipts: saved, read and checked again, and rejected once altered.

mod common;

use atoma_verify::{Receipt, Verifier, VerifyErrorKind, verify};
use common::vectors;
use serde_json::{Value, json};

const REQUEST: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const TIME: u64 = 1_764_300_000;

fn worked_example() -> (Receipt, Verifier) {
    let signed = &vectors().signed[0];
    let mut receipt = Receipt::new(REQUEST, TIME);
    receipt.add_text(&*signed.wire).unwrap();
    (receipt, Verifier::pinned([signed.public_key()]).unwrap())
}

#[test]
fn a_receipt_survives_being_saved() {
    let (receipt, verifier) = worked_example();
    let read = Receipt::from_json(&receipt.to_json()).unwrap();
    assert_eq!(read, receipt);
    assert!(!receipt.to_json().contains('\n'));

    let signed = &vectors().signed[0];
    let verified = read.check(&verifier).unwrap();
    assert_eq!(verified, verifier.check(&signed.wire).unwrap());
    assert_eq!(read.texts().collect::<Vec<_>>(), [&signed.wire]);
    assert_eq!(read.public_key(), Some(signed.public_key()));
    assert_eq!((read.time(), read.len(), read.is_empty()), (TIME, 1, false));
    assert!(read.is_for_request(REQUEST));
    assert!(!read.is_for_request(b"{}"));
}

#[test]
fn a_receipt_is_checked_against_signers_from_elsewhere() {
    let (receipt, _) = worked_example();
    let other = Verifier::pinned([vectors().signed[1].public_key()]).unwrap();
    assert_eq!(receipt.check(&other).unwrap_err().kind(), VerifyErrorKind::UnknownSigner);
    // The documented limit: a receipt that is checked against its own key proves little.
    assert!(!receipt.check(&Verifier::any_signer()).unwrap().is_pinned());
}

/// Every member, replaced with another value of the same shape.
#[test]
fn an_altered_receipt_is_rejected() {
    let signed = vectors().signed;
    let (receipt, _) = worked_example();
    let whole: Value = serde_json::from_str(&receipt.to_json()).unwrap();
    let other = |key: &str, value: Value| {
        let mut whole = whole.clone();
        whole[key] = value;
        (key.to_owned(), whole)
    };
    let response = |key: &str, value: Value| {
        let mut whole = whole.clone();
        whole["responses"][0][key] = value;
        (format!("responses {key}"), whole)
    };
    let text = &signed[0].wire;
    let altered = [
        other("receipt", json!(2)),
        other("receipt", json!("1")),
        other("request_hash", json!(signed[1].response_hash)),
        other("request_hash", json!("")),
        other("time", json!(TIME + 1)),
        other("time", json!(-1)),
        other("signer", json!(signed[1].sui_address)),
        other("signer", json!(null)),
        other("public_key", json!(signed[1].public_key().to_string())),
        other("public_key", json!(null)),
        other("digest", json!(signed[1].response_hash)),
        other("responses", json!([])),
        other("responses", json!(null)),
        other("responses", json!([whole["responses"][0], whole["responses"][0]])),
        other("note", json!("unknown members are refused")),
        response("text", json!(text.replace("\"m\"", "\"M\""))),
        response("text", json!(format!("{text} "))),
        response("text", json!(signed[1].wire)),
        response("text", json!(signed[0].preimage)),
        response("text", json!(null)),
        response("signature", json!(signed[1].signature)),
        response("response_hash", json!(signed[1].response_hash)),
        response("note", json!("unknown members are refused")),
    ];
    for (name, altered) in altered {
        assert!(Receipt::from_json(&altered.to_string()).is_err(), "{name}: {altered}");
    }
    let twice = receipt.to_json().replacen('{', r#"{"receipt":1,"#, 1);
    for bad in ["", "{}", "[]", "null", &twice, &format!("{}{{}}", receipt.to_json())] {
        let error = Receipt::from_json(bad).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::BadReceipt, "{bad}");
    }
}

#[test]
fn any_flipped_bit_of_a_receipt_is_rejected() {
    let (receipt, verifier) = worked_example();
    let json = receipt.to_json().into_bytes();
    for at in 0..json.len() {
        for bit in 0..8 {
            let mut flipped = json.clone();
            flipped[at] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(flipped) else { continue };
            let passed = Receipt::from_json(&flipped).and_then(|read| read.check(&verifier));
            assert!(passed.is_err(), "byte {at} bit {bit}: {flipped}");
        }
    }
}

/// A forger who knows the format makes a whole new receipt. Only a pin finds that.
#[cfg(feature = "signing")]
#[test]
fn only_a_pin_rejects_a_receipt_that_was_signed_again() {
    let (_, verifier) = worked_example();
    let forger = atoma_verify::SigningKey::ed25519([9; 32]);
    let mut forged = Receipt::new(REQUEST, TIME);
    forged.add_text(forger.sign_json(r#"{"id":"forged"}"#).unwrap()).unwrap();
    let forged = Receipt::from_json(&forged.to_json()).unwrap();
    assert!(forged.check(&Verifier::any_signer()).is_ok());
    assert_eq!(forged.check(&verifier).unwrap_err().kind(), VerifyErrorKind::UnknownSigner);
}

/// The digest and the hash fit, but the signature is one of another text.
#[test]
fn a_signature_of_another_text_is_found_by_the_check() {
    let signed = vectors().signed;
    assert_eq!(signed[1].sui_address, signed[4].sui_address);
    let wire = signed[1].wire.replace(&signed[1].signature, &signed[4].signature);
    let mut receipt = Receipt::new(REQUEST, TIME);
    receipt.add_text(wire).unwrap();
    let read = Receipt::from_json(&receipt.to_json()).unwrap();
    let error = read.check(&Verifier::any_signer()).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::InvalidSignature);
}

#[test]
fn a_stream_has_one_signer() {
    let signed = vectors().signed;
    let mut receipt = Receipt::new(REQUEST, TIME);
    receipt.add_text(&*signed[1].wire).unwrap();
    receipt.add_text(&*signed[4].wire).unwrap();
    let error = receipt.add_text(&*signed[0].wire).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::SignerChanged);
    assert_eq!(receipt.len(), 2);
    let read = Receipt::from_json(&receipt.to_json()).unwrap();
    assert_eq!(read.check(&Verifier::any_signer()), verify(&signed[4].wire));
}

#[test]
fn confidential_text_stays_out_of_the_receipt() {
    let plain = vectors().plaintexts;
    let mut receipt = Receipt::new(REQUEST, TIME);
    for chunk in &plain[1..] {
        receipt.add_hash(&chunk.signature, &chunk.response_hash).unwrap();
    }
    let json = receipt.to_json();
    assert!(!json.contains("zurück") && !json.contains("chatcmpl"));
    let read = Receipt::from_json(&json).unwrap();
    assert_eq!(read, receipt);
    assert_eq!(read.texts().count(), 0);

    let verifier = Verifier::any_signer();
    assert!(read.check(&verifier).is_ok());
    let texts: Vec<_> = plain[1..].iter().map(|chunk| &chunk.plaintext).collect();
    assert!(read.check_plaintexts(&verifier, &texts).is_ok());
    let reversed: Vec<_> = texts.iter().rev().collect();
    let short = &texts[1..];
    let long = [&texts[..], &texts[..1]].concat();
    for error in [
        read.check_plaintexts(&verifier, reversed).unwrap_err(),
        read.check_plaintexts(&verifier, short).unwrap_err(),
        read.check_plaintexts(&verifier, long).unwrap_err(),
    ] {
        assert_eq!(error.kind(), VerifyErrorKind::HashMismatch);
    }
}

#[test]
fn a_receipt_without_responses_proves_nothing() {
    let receipt = Receipt::new(REQUEST, TIME);
    let read = Receipt::from_json(&receipt.to_json()).unwrap();
    assert!(read.is_empty());
    let error = read.check(&Verifier::any_signer()).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::MissingSignature);
}

#[test]
fn debug_output_has_no_text() {
    let (receipt, _) = worked_example();
    let debug = format!("{receipt:?}");
    assert!(debug.contains("1764300000") && !debug.contains("chat.completion"), "{debug}");
}
