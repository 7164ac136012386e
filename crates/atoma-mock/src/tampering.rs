use atoma_verify::SigningKey;

/// A fault in a node's signature or encryption, for [`Response::tamper`](crate::Response::tamper).
///
/// The last three concern confidential endpoints only and change nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tampering {
    /// `response_hash` is not the hash of the text.
    Hash,
    /// `signature` has the right form, but does not fit.
    Signature,
    /// The signature is valid, but made with another key: Ed25519 with the seed of 32 bytes `0x02`.
    Signer,
    /// The member `signature` is missing.
    NoSignature,
    /// The member `response_hash` is missing.
    NoHash,
    /// The ciphertext's tag has one wrong bit.
    Tag,
    /// The nonce has 8 bytes instead of 12.
    Nonce,
    /// The response is not encrypted.
    Plain,
}

impl Tampering {
    /// The key that signs in place of the node's.
    pub(crate) fn other_signer() -> SigningKey {
        SigningKey::ed25519([2; 32])
    }

    /// Changes a signed document. Faults that are made earlier leave it as it is.
    pub(crate) fn apply(self, document: String) -> String {
        match self {
            // The flag and the first bytes stay, so that scheme and length are still right.
            Self::Signature => flip(document, "signature", 8),
            Self::Hash => flip(document, "response_hash", 8),
            Self::NoSignature => remove(document, "signature"),
            Self::NoHash => remove(document, "response_hash"),
            Self::Nonce => replace(document, "nonce", "AAAAAAAAAAA="),
            Self::Signer | Self::Tag | Self::Plain => document,
        }
    }
}

/// The place of a member's string value: its start and end between the quotes.
///
/// The members in question are written by the mock itself, the last of their name, without escapes.
fn value_of(document: &str, name: &str) -> Option<(usize, usize)> {
    let key = format!(r#""{name}":""#);
    let start = document.rfind(&key)? + key.len();
    Some((start, start + document[start..].find('"')?))
}

fn flip(mut document: String, name: &str, offset: usize) -> String {
    if let Some((start, _)) = value_of(&document, name) {
        let place = start + offset;
        let other = if document[place..].starts_with('A') { "B" } else { "A" };
        document.replace_range(place..=place, other);
    }
    document
}

fn replace(mut document: String, name: &str, value: &str) -> String {
    if let Some((start, end)) = value_of(&document, name) {
        document.replace_range(start..end, value);
    }
    document
}

fn remove(mut document: String, name: &str) -> String {
    if let Some((start, end)) = value_of(&document, name) {
        // With the comma before it, or after it if it is the first member.
        let key = start - name.len() - r#"{"":""#.len();
        let first = document[key..].starts_with('{');
        let range = if first { key + 1..end + 2 } else { key..end + 1 };
        document.replace_range(range, "");
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_verify::{Verifier, VerifyErrorKind};

    #[test]
    fn each_fault_is_refused_for_its_reason() {
        let key = SigningKey::test();
        let pinned = Verifier::pinned([key.public_key()]).unwrap();
        let signed = key.sign_json(r#"{"id":"x","signature of":1}"#).unwrap();
        assert!(pinned.check(&signed).is_ok());
        for (tampering, wanted) in [
            (Tampering::Hash, VerifyErrorKind::HashMismatch),
            (Tampering::Signature, VerifyErrorKind::InvalidSignature),
            (Tampering::NoSignature, VerifyErrorKind::MissingSignature),
            (Tampering::NoHash, VerifyErrorKind::MissingSignature),
        ] {
            let error = pinned.check(tampering.apply(signed.clone())).unwrap_err();
            assert_eq!(error.kind(), wanted, "{tampering:?}: {error}");
        }
        assert_eq!(Tampering::Tag.apply(signed.clone()), signed);
    }
}
