//! Whose signatures count: pins, addresses, keys, and keys that must never count.

mod common;

use atoma_verify::{PublicKey, Scheme, SuiAddress, Verifier, VerifyErrorKind, verify};
use common::{bytes, vectors};
use std::collections::BTreeSet;

#[test]
fn a_pinned_verifier_accepts_pinned_signers_only() {
    let signed = vectors().signed;
    let (first, second) = (&signed[0], &signed[1]);
    assert_ne!(first.sui_address, second.sui_address);
    let address: SuiAddress = first.sui_address.parse().unwrap();

    for verifier in [
        Verifier::pinned([address]).unwrap(),
        Verifier::pinned([&address]).unwrap(),
        Verifier::pinned([first.public_key()]).unwrap(),
        Verifier::pinned([SuiAddress::new([7; 32]), address]).unwrap(),
    ] {
        assert!(verifier.is_pinned());
        assert!(verifier.check(&first.wire).unwrap().is_pinned());
        let error = verifier.check(&second.wire).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::UnknownSigner);
        assert_eq!(error.signer().unwrap().to_string(), second.sui_address);
        assert!(error.to_string().contains(&second.sui_address));
    }
    assert!(!Verifier::any_signer().is_pinned());
}

#[test]
fn nobody_cannot_be_pinned() {
    let nobody: [SuiAddress; 0] = [];
    assert!(Verifier::pinned(nobody).unwrap_err().to_string().contains("empty"));
}

#[cfg(feature = "std")]
#[test]
fn the_first_signer_is_trusted_by_all_clones() {
    let signed = vectors().signed;
    let (first, second) = (&signed[0], &signed[1]);
    let verifier = Verifier::trust_on_first_use();
    let clone = verifier.clone();

    // A text that does not pass is not a first use.
    let forged = second.wire.replace("AAHM7SFX", "AAHM7SFY");
    assert_eq!(verifier.check(forged).unwrap_err().kind(), VerifyErrorKind::InvalidSignature);
    assert_eq!(verifier.first_signer(), None);

    let verified = verifier.check(&first.wire).unwrap();
    assert!(!verified.is_pinned());
    assert!(!verified.to_string().contains("verified"));
    assert_eq!(clone.first_signer().unwrap().to_string(), first.sui_address);
    for verifier in [&verifier, &clone] {
        assert!(verifier.check(&first.wire).is_ok());
        let error = verifier.check(&second.wire).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::SignerChanged);
        assert_eq!(error.signer().unwrap().to_string(), second.sui_address);
        assert_eq!(verifier.stream().check(&second.wire).unwrap_err(), error);
    }
    assert!(Verifier::trust_on_first_use().check(&second.wire).is_ok());
}

#[cfg(feature = "std")]
#[test]
fn of_two_first_signers_one_is_trusted() {
    let signed = vectors().signed;
    let texts = [&signed[0].wire, &signed[1].wire];
    for _ in 0..50 {
        let verifier = Verifier::trust_on_first_use();
        let passed = std::thread::scope(|scope| {
            let check = |text| {
                let verifier = verifier.clone();
                scope.spawn(move || verifier.check(text).is_ok())
            };
            let threads = texts.map(check);
            threads.map(|thread| thread.join().unwrap())
        });
        assert_ne!(passed[0], passed[1]);
    }
}

#[test]
fn addresses_are_read_and_written_in_one_form() {
    let text = &vectors().signed[0].sui_address;
    let address: SuiAddress = text.parse().unwrap();
    assert_eq!(address.to_string(), *text);
    assert_eq!(format!("{address:?}"), *text);
    assert_eq!(SuiAddress::new(*address.as_bytes()), address);
    let upper = format!("0x{}", text[2..].to_uppercase());
    assert_eq!(upper.parse(), Ok(address));
    assert_eq!(BTreeSet::from([address, address]).len(), 1);

    let bad = [
        String::new(),
        "0x".into(),
        "0x2".into(),
        text[2..].into(),
        format!("0X{}", &text[2..]),
        format!("{text}0"),
        text[..65].into(),
        format!(" {text}"),
        format!("0x+{}", &text[3..]),
        format!("0xg{}", &text[3..]),
        format!("0xé{}", &text[4..]),
    ];
    for bad in bad {
        let error = bad.parse::<SuiAddress>().unwrap_err();
        assert!(error.to_string().starts_with("invalid signer: address"), "{bad}: {error}");
    }
}

#[test]
fn keys_are_read_and_written_as_sui_does() {
    for signed in vectors().signed {
        let key = signed.public_key();
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key), "{}", signed.name);
        assert_eq!(PublicKey::new(signed.scheme(), key.as_bytes()), Ok(key));
        assert!(format!("{key:?}").contains(&signed.scheme().to_string()));
    }
    assert_eq!(
        PublicKey::ed25519([0; 32]).to_string(),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );
    assert_eq!(PublicKey::secp256k1([2; 33]).scheme(), Scheme::Secp256k1);
    assert_eq!(PublicKey::secp256r1([2; 33]).scheme(), Scheme::Secp256r1);
    for (scheme, length) in
        [(Scheme::Ed25519, 33), (Scheme::Secp256k1, 32), (Scheme::Secp256r1, 65)]
    {
        assert!(PublicKey::new(scheme, &vec![2; length]).is_err());
        assert_eq!(Scheme::from_flag(scheme.flag()), Some(scheme));
    }
    for bad in ["", "AA==", "AAAA", "@@@@", "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
    assert!((3..=u8::MAX).all(|flag| Scheme::from_flag(flag).is_none()));
}

/// All encodings of the points whose order divides 8, canonical or not. ZIP-215, which the network's own
/// check follows, accepts them as keys: each of them signs every text, without a secret.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn keys_of_small_order_sign_nothing() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let signed = &vectors().signed[0];
    for key in SMALL_ORDER {
        let pinned =
            Verifier::pinned([PublicKey::new(Scheme::Ed25519, &bytes(key)).unwrap()]).unwrap();
        for r in SMALL_ORDER {
            let raw = [&[0][..], &bytes(r), &[0; 32], &bytes(key)].concat();
            let wire = signed.wire.replace(&signed.signature, &STANDARD.encode(raw));
            for error in [verify(&wire).unwrap_err(), pinned.check(&wire).unwrap_err()] {
                let kind = error.kind();
                let refused = [VerifyErrorKind::InvalidKey, VerifyErrorKind::InvalidSignature];
                assert!(refused.contains(&kind), "{key} {r}: {error:?}");
            }
        }
    }
}
