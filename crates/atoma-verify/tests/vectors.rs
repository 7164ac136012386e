//! The shared vectors: texts as nodes sign them, and texts that must be refused, each for its reason.

mod common;

use atoma_verify::{SuiAddress, Verifier, VerifyErrorKind, split, verify};
use common::vectors;

#[test]
fn signed_texts_pass_and_name_their_signer() {
    for signed in vectors().signed {
        let name = &signed.name;
        let cut = split(&signed.wire).unwrap();
        assert_eq!(cut.preimage().collect::<String>(), signed.preimage, "{name}");
        assert_eq!(cut.signature(), signed.signature, "{name}");
        assert_eq!(cut.response_hash(), signed.response_hash, "{name}");

        let key = signed.public_key();
        assert_eq!(SuiAddress::from(key).to_string(), signed.sui_address, "{name}");
        let verifier = Verifier::pinned([key]).unwrap();
        if !signed.scheme().is_compiled() {
            let error = verifier.check(&signed.wire).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::SchemeNotCompiled, "{name}");
            continue;
        }
        let verified = verify(&signed.wire).unwrap();
        assert_eq!(verified.to_string(), format!("signed by {}", signed.sui_address), "{name}");
        assert!(!verified.is_pinned(), "{name}");

        let verified = verifier.check(&signed.wire).unwrap();
        assert_eq!(verified.scheme(), signed.scheme(), "{name}");
        assert_eq!(verified.public_key(), key, "{name}");
        assert_eq!(verified.signer().to_string(), signed.sui_address, "{name}");
        assert!(verified.is_pinned(), "{name}");
        assert!(verified.to_string().contains("verified"), "{name}");
    }
}

#[test]
fn the_worked_example_has_its_hash() {
    let signed = &vectors().signed[0];
    let hash = "5906d9fa9597d7d180418ca8ef33ff06e150a3c275902c77442ecbdba530e4f2";
    assert_eq!(verify(&signed.wire).unwrap().hash()[..], common::bytes(hash));
}

#[test]
fn rejected_texts_are_rejected_for_their_reason() {
    for refused in vectors().refused {
        let error = verify(&refused.wire).unwrap_err();
        assert!(refused.is_reason(error.kind()), "{}: {error:?}", refused.name);
        let text = error.to_string();
        assert!(text.len() < 100 && !text.contains('\n'), "{text}");
    }
}

#[test]
fn plaintexts_are_hashed_as_they_are() {
    for plain in vectors().plaintexts {
        let verifier = Verifier::any_signer();
        let check =
            |text: &str| verifier.check_plaintext(text, &plain.signature, &plain.response_hash);
        assert!(check(&plain.plaintext).is_ok(), "{}", plain.name);
        for altered in [format!("{} ", plain.plaintext), plain.plaintext.replace(':', ": ")] {
            let error = check(&altered).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::HashMismatch, "{}", plain.name);
        }
    }
    for plain in vectors().refused_plaintexts {
        let error = Verifier::any_signer()
            .check_plaintext(&plain.plaintext, &plain.signature, &plain.response_hash)
            .unwrap_err();
        assert!(plain.is_reason(error.kind()), "{}: {error:?}", plain.name);
    }
}
