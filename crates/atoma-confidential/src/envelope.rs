//! The encrypted request, and how it is written.
//!
//! Written by hand: the text is a few members around one long base64 string, which is encoded straight into it.
use crate::{
    NodeKey,
    crypto::{NONCE, SALT},
    encoding, json,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

/// An encrypted request: the body of `POST /v1/confidential/…`.
///
/// Only the plaintext is protected. The other members are readable by the proxy, and the node notices changes to
/// `nonce`, `salt`, `client_key`, `node_key` and `plaintext_hash` alone. The hash lets anyone who guesses the whole
/// plaintext confirm the guess.
///
/// An envelope cannot be cloned, because each may be sent once: the lock is spent and the nonce used by then.
#[non_exhaustive]
pub struct Envelope {
    /// The encrypted body, followed by the tag of 16 bytes.
    pub ciphertext: Vec<u8>,
    /// The stack that the lock has reserved.
    pub stack_small_id: u64,
    /// The nonce of AES-256-GCM.
    pub nonce: [u8; NONCE],
    /// The salt of HKDF-SHA256.
    pub salt: [u8; SALT],
    /// The X25519 public key made for this request alone.
    pub client_key: [u8; 32],
    /// The key of the node that the request is encrypted for.
    pub node_key: NodeKey,
    /// BLAKE2b-256 of the plaintext.
    pub plaintext_hash: [u8; 32],
    /// Whether the proxy streams the response.
    pub stream: Option<bool>,
    /// The compute units that the proxy bills at most.
    pub num_compute_units: Option<u64>,
    /// The model that the proxy bills.
    pub model: String,
}

impl Envelope {
    /// Writes the body of the HTTP request, as compact JSON.
    #[must_use]
    pub fn into_json(self) -> String {
        // Reserved in full: the ciphertext may be megabytes long.
        let base64_length = self.ciphertext.len().div_ceil(3) * 4;
        let mut out = String::with_capacity(base64_length + self.model.len() + 512);
        out.push('{');
        write_base64(&mut out, "ciphertext", &self.ciphertext);
        write_value(&mut out, "stack_small_id", &self.stack_small_id.to_string());
        write_base64(&mut out, "nonce", &self.nonce);
        write_base64(&mut out, "salt", &self.salt);
        write_base64(&mut out, "client_dh_public_key", &self.client_key);
        write_base64(&mut out, "node_dh_public_key", self.node_key.as_bytes());
        write_base64(&mut out, "plaintext_body_hash", &self.plaintext_hash);
        if let Some(stream) = self.stream {
            write_value(&mut out, "stream", if stream { "true" } else { "false" });
        }
        if let Some(units) = self.num_compute_units {
            write_value(&mut out, "num_compute_units", &units.to_string());
        }
        write_name(&mut out, "model_name");
        json::write_string(&mut out, &self.model);
        out.push('}');
        out
    }

    /// Writes the body of the HTTP request, as the bytes of [`into_json`](Self::into_json).
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.into_json().into_bytes()
    }
}

/// Prints sizes and routing, neither ciphertext nor keys.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("model", &self.model)
            .field("stack_small_id", &self.stack_small_id)
            .field("stream", &self.stream)
            .field("num_compute_units", &self.num_compute_units)
            .field("ciphertext_length", &self.ciphertext.len())
            .finish_non_exhaustive()
    }
}

/// Writes a member whose value is bytes in base64.
pub(crate) fn write_base64(out: &mut String, name: &str, bytes: &[u8]) {
    write_name(out, name);
    out.push('"');
    encoding::encode_onto(out, bytes);
    out.push('"');
}

/// Writes a member whose value is JSON already.
pub(crate) fn write_value(out: &mut String, name: &str, value: &str) {
    write_name(out, name);
    out.push_str(value);
}

/// Writes the name of the next member, with a comma before it unless it is the first. Names are our own and need no escapes.
fn write_name(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}
