//! The laws of the fuzz targets on their seeds, and laws about texts that proptest makes.

mod common;

use atoma_verify::{Verifier, VerifyErrorKind, split, verify};
use common::{laws, vectors};
use proptest::prelude::*;
use std::{fs, path::Path};

#[test]
fn seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    let laws: [(&str, fn(&[u8])); 2] = [("split", laws::split), ("signature", laws::signature)];
    for (name, law) in laws {
        let mut replayed = 0;
        for seed in fs::read_dir(seeds.join(name)).unwrap() {
            law(&fs::read(seed.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed >= 5, "{name}");
    }
}

/// Any bit of a signed text, whatever it belongs to.
#[test]
fn any_flipped_bit_is_rejected() {
    // Not the row with white space around its cuts, where some bits mean nothing.
    for signed in vectors().signed.iter().take(5) {
        let compiled = signed.scheme().is_compiled();
        let pinned = Verifier::pinned([signed.public_key()]).unwrap();
        let text = signed.wire.as_bytes();
        // Each bit of the first text, of the others one in each byte: elliptic curves are slow here.
        let thorough = signed.name == "the worked example";
        for at in 0..text.len() {
            for bit in if thorough { 0..8 } else { at as u32 % 8..at as u32 % 8 + 1 } {
                let mut flipped = text.to_vec();
                flipped[at] ^= 1 << bit;
                let error = pinned.check(&flipped).unwrap_err();
                let known = error.kind() != VerifyErrorKind::SchemeNotCompiled || !compiled;
                assert!(known, "{}: byte {at} bit {bit}", signed.name);
            }
        }
    }
}

/// White space: none, or some of every kind.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

/// Members of an object as a node prints them.
fn members() -> impl Strategy<Value = Vec<String>> {
    let name = prop::sample::select(vec![
        "id",
        "choices",
        "",
        "Signature",
        r#"\"signature\""#,
        r"\u0073ignature2",
        "é🙂",
        "}",
        ",",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1e-7",
        "1.0",
        "null",
        "true",
        "\"\"",
        r#""\\""#,
        r#""\"signature\":\"x\"""#,
        r#""}],{""#,
        r#"[{"signature":"x","response_hash":null},[[]]]"#,
        r#"{"signature":{"response_hash":1},"a\"":"]"}"#,
        "\"世界\"",
        r#"[1, 2 , {"a" : 3}]"#,
    ]);
    prop::collection::vec(
        (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}")),
        0..6,
    )
}

prop_compose! {
    /// An object's compact text, and the same object with the two members anywhere in it, and with
    /// white space wherever it touches them.
    fn inserted(signature: String, hash: String)(
        members in members(),
        places in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        swap in any::<bool>(),
        spaces in prop::collection::vec(space(), 14),
    ) -> (String, String) {
        let compact = format!("{{{}}}", members.join(","));
        let mut spaces = spaces.into_iter();
        let mut space = move || spaces.next().unwrap_or_default();
        let mut ours = [("signature", &signature), ("response_hash", &hash)];
        if swap {
            ours.swap(0, 1);
        }
        let mut parts: Vec<(bool, String)> = members.iter().map(|kept| (false, kept.clone())).collect();
        for ((name, value), place) in ours.into_iter().zip([places.0, places.1]) {
            let member = format!("\"{name}\"{}:{}\"{value}\"", space(), space());
            parts.insert(place.index(parts.len() + 1), (true, member));
        }
        let mut text = format!("{}{{", space());
        for (index, (cut, part)) in parts.iter().enumerate() {
            let after_cut = index > 0 && parts[index - 1].0;
            if index > 0 {
                // The comma goes with the cut next to it, and so does the white space around it.
                let edges = *cut || after_cut;
                let [before, after] = [(); 2].map(|()| if edges { space() } else { String::new() });
                text.push_str(&format!("{before},{after}"));
            } else if *cut {
                text.push_str(&space());
            }
            text.push_str(part);
        }
        if parts.last().is_some_and(|(cut, _)| *cut) {
            text.push_str(&space());
        }
        text.push_str(&format!("}}{}", space()));
        (compact, text)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_anywhere_leave_the_same_preimage(
        (compact, text) in inserted("s/+=".into(), "h/+=".into()),
    ) {
        let cut = split(&text).unwrap();
        prop_assert_eq!(cut.preimage().collect::<String>(), compact);
        prop_assert_eq!((cut.signature(), cut.response_hash()), ("s/+=", "h/+="));
        laws::split(text.as_bytes());
    }

    #[test]
    fn white_space_that_touches_no_cut_is_signed(members in members(), space in "[ \t\r\n]{1,3}") {
        prop_assume!(!members.is_empty());
        for inside in [
            format!("{space}{}", members.join(",")),
            members.join(&format!("{space},")),
            members.join(&format!(",{space}")),
            members.join(",").replacen("\":", &format!("\"{space}:"), 1),
        ] {
            let text = format!(r#"{{{inside},"signature":"s","response_hash":"h"}}"#);
            let preimage: String = split(&text).unwrap().preimage().collect();
            prop_assert_eq!(preimage, format!("{{{inside}}}"));
        }
    }

    #[test]
    fn any_text_is_cut_or_rejected(text in text()) {
        laws::split(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_cut_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        laws::split(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_texts_are_rejected(
        choice in 0..6_u8,
        changes in prop::collection::vec((any::<[u8; 2]>(), 1..=u8::MAX), 0..3),
    ) {
        let changes = changes.into_iter().flat_map(|(at, xor)| [at[0], at[1], xor]);
        laws::signature(&std::iter::once(choice).chain(changes).collect::<Vec<_>>());
    }

    #[test]
    fn arbitrary_signatures_are_rejected(
        signature in prop_oneof!["\\PC{0,40}", "[A-Za-z0-9+/]{132}", "[AQg][A-Za-z0-9+/]{129}(==|A=)"],
        hash in prop_oneof!["\\PC{0,40}", "[A-Za-z0-9+/]{43}="],
    ) {
        laws::signature(&[b"\xfftext|", signature.as_bytes(), b"|", hash.as_bytes()].concat());
        let text = format!(r#"{{"signature":{signature:?},"response_hash":{hash:?}}}"#);
        prop_assert!(verify(text).is_err());
    }

    /// A verdict does not depend on where the members are.
    #[cfg(feature = "signing")]
    #[test]
    fn members_anywhere_give_the_same_verdict(
        (compact, text) in inserted("#s#".into(), "#h#".into()),
        seed in any::<[u8; 32]>(),
    ) {
        let key = atoma_verify::SigningKey::ed25519(seed);
        let signed = key.sign_plaintext(compact.as_bytes());
        let text = text.replace("#s#", &signed.signature).replace("#h#", &signed.response_hash);
        let verdict = verify(&text);
        prop_assert_eq!(verdict.as_ref().unwrap().signer(), key.address());
        prop_assert_eq!(verdict, verify(key.sign_json(&compact).unwrap()));
    }
}

/// The parts of signed texts, in any order.
fn text() -> impl Strategy<Value = String> {
    let parts = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ",",
        ":",
        ":",
        "\"",
        "\\",
        "\\\"",
        " ",
        "\n",
        "1",
        "null",
        "x",
        "é",
        "\"a\"",
        "\"a\":1",
        "\"signature\"",
        "\"signature\":\"s\"",
        "\"signature\":null",
        "\"response_hash\"",
        "\"response_hash\":\"h\"",
        "\"\\u0073ignature\":\"s\"",
        "\"response\\u005fhash\":\"h\"",
        "\"\\u0061\":1",
        "\u{feff}",
        "\0",
    ];
    prop::collection::vec(prop::sample::select(parts), 0..14).prop_flat_map(|parts| {
        let text = parts.concat();
        // As they are, and as an object's members.
        prop_oneof![Just(text), Just(format!("{{{}}}", parts.join(",")))]
    })
}
