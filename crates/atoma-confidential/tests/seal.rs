//! Everything that is refused before a byte is sent.

mod common;

use atoma_confidential::{CallInfo, NodeKey, RandomnessError, SealErrorKind as Kind, seal};
use common::counter;

const NODE: &str = "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=";

fn node() -> NodeKey {
    NODE.parse().unwrap()
}

fn seal_kind(plaintext: impl AsRef<[u8]>, call: &CallInfo) -> Result<(), Kind> {
    seal(plaintext.as_ref(), &node(), call, &mut counter())
        .map(|_| ())
        .map_err(|error| error.kind())
}

#[test]
fn the_body_must_fit_the_call() {
    let plain = CallInfo::new("m", 1);
    let stream = CallInfo::new("m", 1).stream(true);
    for (body, for_plain, for_stream) in [
        (r#"{"model":"m"}"#, Ok(()), Err(Kind::StreamMismatch)),
        (r#" { "stream" : false, "model" : "m" } "#, Ok(()), Err(Kind::StreamMismatch)),
        (r#"{"model":"m","stream":null}"#, Ok(()), Err(Kind::StreamMismatch)),
        (r#"{"model":"m","stream":true}"#, Err(Kind::StreamMismatch), Ok(())),
        (r#"{"model":"\u006d","x":{"model":1,"stream":1}}"#, Ok(()), Err(Kind::StreamMismatch)),
        (r#"{"model":"n"}"#, Err(Kind::ModelMismatch), Err(Kind::ModelMismatch)),
        (r#"{"model":"M"}"#, Err(Kind::ModelMismatch), Err(Kind::ModelMismatch)),
    ] {
        assert_eq!(seal_kind(body, &plain), for_plain, "{body}");
        assert_eq!(seal_kind(body, &stream), for_stream, "{body}");
    }
    for body in [
        "",
        "null",
        "[]",
        "\"m\"",
        "{",
        r#"{"model":"m"}}"#,
        r#"{"model":"m",}"#,
        r#"{"messages":[]}"#,
        r#"{"model":null}"#,
        r#"{"model":1}"#,
        r#"{"model":"m","model":"m"}"#,
        r#"{"model":"m","\u006dodel":"m"}"#,
        r#"{"model":"\ud800"}"#,
        r#"{"model":"m","stream":"true"}"#,
        r#"{"model":"m","stream":1}"#,
        r#"{"model":"m","stream":true,"stream":false}"#,
    ] {
        assert_eq!(seal_kind(body, &plain), Err(Kind::InvalidPlaintext), "{body}");
    }
    assert_eq!(seal_kind(b"{\"model\":\"m\",\"x\":\"\xff\"}", &plain), Err(Kind::InvalidPlaintext));
}

#[test]
fn weak_node_keys_are_rejected() {
    let low_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // The prime and one more: other encodings of 0 and 1.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let not_canonical = [
        "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0900000000000000000000000000000000000000000000000000000000000080",
    ];
    for (keys, word) in [(&low_order[..], "low-order"), (&not_canonical, "canonical")] {
        for hex in keys {
            let mut key: [u8; 32] =
                std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
            for top_bit in [0, 0x80] {
                key[31] |= top_bit;
                let sealed = seal(
                    br#"{"model":"m"}"#,
                    &NodeKey::from_bytes(key),
                    &CallInfo::new("m", 1),
                    &mut counter(),
                );
                let error = sealed.unwrap_err();
                assert_eq!(error.kind(), Kind::WeakNodeKey, "{hex}");
                assert!(error.to_string().contains(word), "{hex}: {error}");
            }
        }
    }
}

#[test]
fn keys_below_the_prime_are_accepted() {
    let mut below = [0xff; 32];
    (below[0], below[31]) = (0xeb, 0x7f);
    let mut high_start = [0xff; 32];
    (high_start[1], high_start[31]) = (0xfe, 0x7f);
    let mut hole_at_the_end = [0xff; 32];
    (hole_at_the_end[30], hole_at_the_end[31]) = (0xfe, 0x7f);
    for key in [below, high_start, hole_at_the_end, [0x6e; 32]] {
        let sealed = seal(
            br#"{"model":"m"}"#,
            &NodeKey::from_bytes(key),
            &CallInfo::new("m", 1),
            &mut counter(),
        );
        assert!(sealed.is_ok(), "{key:x?}: {:?}", sealed.err());
    }
}

#[test]
fn node_keys_have_one_spelling() {
    assert_eq!(node().to_string(), NODE);
    assert_eq!(String::from(node()), NODE);
    assert_eq!(NodeKey::try_from(NODE), Ok(node()));
    assert_eq!(format!("{:?}", node()), format!("NodeKey({NODE:?})"));
    for (text, is_wrong_size) in [
        ("", true),
        ("AAAA", true),
        ("D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyAA", true),
        ("D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyAAAAAA", true),
        // Bits after the last byte, no padding, the other alphabet, white space.
        ("D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyB=", false),
        ("D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA", false),
        ("D6poTtKIZ7l_Smot7l34zpdOdrcBjj8iocTPJnhXDyA=", false),
        (" D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=", false),
        ("D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=\n", false),
    ] {
        let error = text.parse::<NodeKey>().unwrap_err();
        assert_eq!(error.is_wrong_size(), is_wrong_size, "{text:?}: {error}");
        let word = if is_wrong_size { "instead of 32" } else { "canonical, padded base64" };
        assert!(error.to_string().contains(word), "{text:?}: {error}");
    }
}

#[test]
fn nothing_is_sealed_without_random_bytes() {
    struct Fails;
    impl atoma_confidential::Randomness for Fails {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomnessError> {
            Err(RandomnessError)
        }
    }
    let call = CallInfo::new("m", 1);
    let error = seal(br#"{"model":"m"}"#, &node(), &call, &mut Fails).unwrap_err();
    assert_eq!(error.kind(), Kind::Randomness);
    assert_eq!(RandomnessError.to_string(), "no random bytes available");
    for zeros_from in 0..3 {
        let mut drawn = 0;
        let mut breaks = |bytes: &mut [u8]| {
            bytes.fill(if drawn >= zeros_from { 0 } else { 1 });
            drawn += 1;
        };
        let error = seal(br#"{"model":"m"}"#, &node(), &call, &mut breaks).unwrap_err();
        assert_eq!(error.kind(), Kind::Randomness, "{zeros_from}");
    }
}

#[cfg(feature = "getrandom")]
#[test]
fn two_requests_never_share_a_key_a_salt_or_a_nonce() {
    use std::collections::HashSet;

    let mut seen = HashSet::new();
    for _ in 0..64 {
        let sealed = seal(
            br#"{"model":"m"}"#,
            &node(),
            &CallInfo::new("m", 1),
            &mut atoma_confidential::SystemRandomness,
        );
        let (envelope, _) = sealed.unwrap();
        for part in
            [&envelope.client_key[..], &envelope.salt, &envelope.nonce, &envelope.ciphertext]
        {
            assert!(seen.insert(part.to_vec()));
        }
    }
}

#[test]
fn nothing_secret_is_printed() {
    let body = r#"{"model":"m","secret":"CANARY"}"#;
    let mut randomness = common::fixed([vec![0x11; 32], vec![0x33; 16], vec![0x44; 12]].concat());
    let (envelope, session) =
        seal(body.as_bytes(), &node(), &CallInfo::new("m", 1), &mut randomness).unwrap();
    let printed = format!("{envelope:?} {envelope:#?} {session:?} {session:#?}");
    for secret in ["CANARY", "17, 17", "0x11", "1111", "ciphertext:"] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    assert!(!envelope.into_json().contains("CANARY"));
    for body in [r#"{"model":"CANARY"}"#, r#"{"CANARY"#, r#"{"model":"m","stream":"CANARY"}"#] {
        let error =
            seal(body.as_bytes(), &node(), &CallInfo::new("m", 1), &mut counter()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    }
}

#[test]
fn optional_members_are_left_out() {
    let (envelope, _) =
        seal(br#"{"model":"m"}"#, &node(), &CallInfo::new("m", 1), &mut counter()).unwrap();
    let body: serde_json::Value = serde_json::from_str(&envelope.into_json()).unwrap();
    assert_eq!(body["stream"], false);
    assert_eq!(body.get("num_compute_units"), None);
    assert_eq!(body["stack_small_id"], 1);
}
