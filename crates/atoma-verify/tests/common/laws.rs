//! The laws of this crate, each a function of arbitrary bytes. The fuzz targets call them, and so does a
//! test on stable Rust.

use atoma_verify::{Verifier, VerifyErrorKind, split as cut, verify};
use serde::{
    Deserialize, de,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// Any text is cut or refused without a panic; a text that is JSON is cut exactly where its two members
/// are, or refused for exactly the reasons that the documentation names.
pub fn split(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert_eq!(verify(bytes).unwrap_err().kind(), VerifyErrorKind::Malformed);
        return;
    };
    let signed = cut(text);
    if let Ok(signed) = signed {
        let preimage: String = signed.preimage().collect();
        assert!(preimage.starts_with('{') && preimage.ends_with('}'));
        assert!(preimage.len() < text.len(), "two members are cut out");
        assert!(text.contains(signed.signature()) && text.contains(signed.response_hash()));
        assert_eq!(
            cut(&preimage).unwrap_err().kind(),
            VerifyErrorKind::MissingSignature,
            "an object without the two members is left"
        );
    }
    let Ok(object) = serde_json::from_str::<Object<'_>>(text) else { return };
    let ours: Vec<_> = object.members.iter().filter(|member| member.is_ours()).collect();
    let doubt = ours.iter().any(|member| member.is_in_doubt())
        || (1..ours.len())
            .any(|end| ours[..end].iter().any(|earlier| earlier.name == ours[end].name));
    let expected = match ours.len() {
        _ if doubt => Err(VerifyErrorKind::Malformed),
        2 => Ok(()),
        _ => Err(VerifyErrorKind::MissingSignature),
    };
    assert_eq!(signed.as_ref().map(|_| ()).map_err(atoma_verify::VerifyError::kind), expected);
    let Ok(signed) = signed else { return };
    for member in &ours {
        let value =
            if member.name == "signature" { signed.signature() } else { signed.response_hash() };
        assert_eq!(member.value, Value::Plain(value));
    }
    let preimage: String = signed.preimage().collect();
    let left: Object<'_> = serde_json::from_str(&preimage).unwrap();
    let kept: Vec<_> = object.members.iter().filter(|member| !member.is_ours()).collect();
    assert_eq!(left.members.iter().collect::<Vec<_>>(), kept);
}

/// A signed text whose bytes are changed in any way is refused; arbitrary signatures and hashes are
/// refused without a panic.
pub fn signature(bytes: &[u8]) {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    if choice == u8::MAX {
        let parts: Vec<_> =
            rest.splitn(3, |byte| *byte == b'|').map(String::from_utf8_lossy).collect();
        if let [plaintext, signature, hash] = &parts[..] {
            let known = super::vectors().plaintexts.iter().any(|known| {
                [&known.signature, &known.response_hash] == [&**signature, &**hash]
                    && known.plaintext == **plaintext
            });
            let verified = Verifier::any_signer().check_plaintext(&**plaintext, signature, hash);
            assert_eq!(verified.is_ok(), known);
        }
        return;
    }
    let signed = super::vectors().signed;
    let signed = &signed[usize::from(choice) % signed.len()];
    let mut text = signed.wire.clone().into_bytes();
    for change in rest.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % text.len();
        text[at] ^= change[2];
    }
    if text != signed.wire.as_bytes() {
        // White space may change where it touches a cut, if there is any.
        let blank = |text: &[u8]| -> Vec<u8> {
            text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
        };
        let same = blank(&text) == blank(signed.wire.as_bytes()) && signed.wire.contains(", ");
        assert!(same || verify(&text).is_err(), "{}", String::from_utf8_lossy(&text));
    } else {
        assert_eq!(verify(&text).is_ok(), signed.scheme().is_compiled());
    }
}

/// The top-level members of an object, read by another parser.
struct Object<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Debug, PartialEq)]
struct Member<'a> {
    name: Cow<'a, str>,
    value: Value<'a>,
}

impl Member<'_> {
    fn is_ours(&self) -> bool {
        matches!(&*self.name, "signature" | "response_hash")
    }

    fn is_in_doubt(&self) -> bool {
        matches!(self.name, Cow::Owned(_)) || !matches!(self.value, Value::Plain(_))
    }
}

#[derive(Debug, PartialEq)]
enum Value<'a> {
    /// A string without escapes.
    Plain(&'a str),
    Escaped(String),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push(Member { name, value });
                }
                Ok(members)
            }
        }
        Ok(Self { members: deserializer.deserialize_map(Members)? })
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Value::Plain(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Value::Escaped(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Value::Other)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
