//! The shared vectors, for all tests.
#![allow(dead_code, unreachable_pub)]

pub mod laws;

use atoma_verify::{PublicKey, Scheme, VerifyErrorKind};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Vectors {
    pub signed: Vec<Signed>,
    pub refused: Vec<Refused>,
    pub plaintexts: Vec<Plaintext>,
    pub refused_plaintexts: Vec<Plaintext>,
}

#[derive(Deserialize)]
pub struct Signed {
    pub name: String,
    scheme: String,
    pub preimage: String,
    pub response_hash: String,
    pub signature: String,
    public_key_hex: String,
    pub sui_address: String,
    pub wire: String,
}

#[derive(Deserialize)]
pub struct Refused {
    pub name: String,
    kind: String,
    pub wire: String,
}

#[derive(Deserialize)]
pub struct Plaintext {
    pub name: String,
    pub plaintext: String,
    pub signature: String,
    pub response_hash: String,
    #[serde(default)]
    kind: String,
}

pub fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../fixtures/signed.json")).unwrap()
}

impl Signed {
    pub fn scheme(&self) -> Scheme {
        [Scheme::Ed25519, Scheme::Secp256k1, Scheme::Secp256r1]
            .into_iter()
            .find(|scheme| scheme.to_string() == self.scheme)
            .unwrap()
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.scheme(), &bytes(&self.public_key_hex)).unwrap()
    }
}

impl Refused {
    /// The kinds that may be reported: without ECDSA, some faults are never reached.
    pub fn is_reason(&self, kind: VerifyErrorKind) -> bool {
        is_reason(&self.kind, kind)
    }
}

impl Plaintext {
    pub fn is_reason(&self, kind: VerifyErrorKind) -> bool {
        is_reason(&self.kind, kind)
    }
}

fn is_reason(wanted: &str, kind: VerifyErrorKind) -> bool {
    let skipped = !Scheme::Secp256k1.is_compiled()
        && kind == VerifyErrorKind::SchemeNotCompiled
        && matches!(wanted, "InvalidKey" | "InvalidSignature" | "HighS");
    skipped || format!("{kind:?}") == wanted
}

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
