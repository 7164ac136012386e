//! The bare cryptography of the same crates, without a check that is not cryptography.

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInPlace};
use atoma_confidential::NodeKey;
use atoma_verify::{Scheme, SigningKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use blake2::{Blake2b, Digest, digest::consts::U32};
use std::hint::black_box;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

pub(crate) const NONCE: [u8; 12] = [9; 12];

pub(crate) fn hash(text: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(text).into()
}

/// The 64 bytes between flag and key.
pub(crate) fn signature_of(key: &SigningKey, text: &[u8]) -> [u8; 64] {
    let raw = STANDARD.decode(key.sign_hash(&hash(text))).expect("base64");
    raw[1..65].try_into().expect("64 bytes")
}

pub(crate) type Check = Box<dyn Fn(&[u8; 32], &[u8; 64]) -> bool>;

/// Checks a signature, with the key parsed beforehand.
pub(crate) fn check_of(key: &SigningKey) -> Check {
    let key = key.public_key();
    match key.scheme() {
        Scheme::Ed25519 => {
            let bytes = key.as_bytes().try_into().expect("32 bytes");
            let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).expect("a key");
            Box::new(move |hash, signature| {
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verify_strict(hash, &signature).is_ok()
            })
        }
        Scheme::Secp256k1 => {
            use k256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
            let key = VerifyingKey::from_sec1_bytes(key.as_bytes()).expect("a key");
            Box::new(move |hash, signature| {
                Signature::from_slice(signature).is_ok_and(|sig| key.verify(hash, &sig).is_ok())
            })
        }
        Scheme::Secp256r1 => {
            use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
            let key = VerifyingKey::from_sec1_bytes(key.as_bytes()).expect("a key");
            Box::new(move |hash, signature| {
                Signature::from_slice(signature).is_ok_and(|sig| key.verify(hash, &sig).is_ok())
            })
        }
        scheme => panic!("no bare check of {scheme}"),
    }
}

/// AES-256-GCM with a separate key: the one of a session cannot be taken out.
pub(crate) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(crate) fn new() -> Self {
        Self(Aes256Gcm::new(&[7; 32].into()))
    }

    pub(crate) fn seal(&self, text: &[u8]) -> String {
        let mut buffer = text.to_vec();
        let tag = self.0.encrypt_in_place_detached(&NONCE.into(), b"", &mut buffer);
        buffer.extend_from_slice(&tag.expect("a short text"));
        STANDARD.encode(buffer)
    }

    pub(crate) fn open(&self, ciphertext: &str) -> [u8; 32] {
        let mut buffer = STANDARD.decode(ciphertext).expect("base64");
        let tag: [u8; 16] = buffer.split_off(buffer.len() - 16).try_into().expect("16 bytes");
        self.0
            .decrypt_in_place_detached(&NONCE.into(), b"", &mut buffer, &tag.into())
            .expect("the right key");
        hash(black_box(&buffer))
    }
}

pub(crate) fn seal(node: &NodeKey, body: &[u8]) -> String {
    let secret = black_box([0x11; 32]);
    let shared = x25519(secret, *node.as_bytes());
    black_box(x25519(secret, X25519_BASEPOINT_BYTES));
    let mut buffer = body.to_vec();
    let cipher = Aes256Gcm::new(&shared.into());
    let tag = cipher.encrypt_in_place_detached(&NONCE.into(), b"", &mut buffer);
    buffer.extend_from_slice(&tag.expect("a short text"));
    black_box(hash(body));
    STANDARD.encode(&buffer)
}
