//! The side of the node, for mocks and tests: opens requests and seals responses.
//!
//! It checks more than Atoma's nodes do (weak and non-canonical client keys are rejected) and never
//! sends anything.
//!
//! ```
//! use atoma_confidential::node::NodeSecret;
//! use atoma_confidential::{CallInfo, seal};
//!
//! # let mut count = 0;
//! # let mut randomness = move |bytes: &mut [u8]| bytes.fill_with(|| { count += 1; count });
//! let node = NodeSecret::from_bytes([0x22; 32]);
//! let (envelope, session) = seal(br#"{"model":"m"}"#, &node.key(), &CallInfo::new("m", 77), &mut randomness)?;
//!
//! let (request, on_node) = node.open_request(&envelope.into_json())?;
//! assert_eq!(request.plaintext(), br#"{"model":"m"}"#);
//! let response = on_node.seal_response(br#"{"choices":[]}"#, [9; 12]).to_json(None, None);
//!
//! assert_eq!(session.open(&response)?.plaintext(), r#"{"choices":[]}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    Envelope, NodeKey, Randomness, RandomnessError,
    crypto::{self, Cipher, NONCE, Secret, TAG, WeakKey},
    envelope::{write_base64, write_value},
    json,
    member::{Fault, Member},
};
use alloc::{string::String, vec::Vec};
use core::{error::Error, fmt};
use zeroize::Zeroizing;

/// The X25519 secret of a node. It prints nothing and is cleared when dropped.
pub struct NodeSecret(Secret);

impl NodeSecret {
    /// Creates a secret from its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Creates a random secret.
    ///
    /// # Errors
    /// If the source of random bytes has failed.
    pub fn generate(randomness: &mut dyn Randomness) -> Result<Self, RandomnessError> {
        let mut bytes = Zeroizing::new([0; 32]);
        randomness.fill(bytes.as_mut_slice())?;
        Ok(Self::from_bytes(*bytes))
    }

    /// Returns the public key, which the lock returns.
    #[must_use]
    pub fn key(&self) -> NodeKey {
        NodeKey::from_bytes(crypto::public_key(&self.0))
    }

    /// Opens the body of a confidential request.
    ///
    /// # Errors
    /// If the body is not an envelope, is encrypted for another key, or was altered; see [`RequestErrorKind`].
    pub fn open_request(
        &self,
        envelope: &str,
    ) -> Result<(OpenedRequest, NodeSession), RequestError> {
        let envelope = read_envelope(envelope)?;
        if envelope.node_key != self.key() {
            return Err(RequestError::new(RequestErrorKind::OtherNodeKey, "node_dh_public_key"));
        }
        let cipher = Cipher::agree(&self.0, &envelope.client_key, &envelope.salt).map_err(
            |_: WeakKey| RequestError::new(RequestErrorKind::WeakClientKey, "client_dh_public_key"),
        )?;
        let mut plaintext = Zeroizing::new(envelope.ciphertext.clone());
        if !cipher.decrypt(&envelope.nonce, &mut plaintext) {
            return Err(RequestError::new(RequestErrorKind::TagMismatch, "ciphertext"));
        }
        if !crypto::equal_in_constant_time(&crypto::hash(&plaintext), &envelope.plaintext_hash) {
            return Err(RequestError::new(RequestErrorKind::HashMismatch, "plaintext_body_hash"));
        }
        Ok((OpenedRequest { envelope, plaintext }, NodeSession { cipher }))
    }
}

impl fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSecret").finish_non_exhaustive()
    }
}

/// A decrypted request. Its text is cleared when this is dropped.
pub struct OpenedRequest {
    /// The envelope, with the members that the proxy reads.
    pub envelope: Envelope,
    plaintext: Zeroizing<Vec<u8>>,
}

impl OpenedRequest {
    /// Returns the body of the ordinary request, exactly as the client encrypted it.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }
}

impl fmt::Debug for OpenedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedRequest").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

/// The node's key of one request: seals its response, or each chunk of its stream.
pub struct NodeSession {
    cipher: Cipher,
}

impl NodeSession {
    /// Encrypts a response or a chunk.
    ///
    /// Atoma's nodes draw one nonce per response and repeat it for all chunks of a stream. Pass the same one to
    /// imitate that; otherwise a nonce must never be used twice.
    ///
    /// # Panics
    /// If `plaintext` is longer than AES-GCM allows (64 GiB).
    #[must_use]
    pub fn seal_response(&self, plaintext: &[u8], nonce: [u8; NONCE]) -> SealedResponse {
        let ciphertext =
            self.cipher.encrypt(&nonce, plaintext).expect("the plaintext is shorter than 64 GiB");
        SealedResponse { nonce, ciphertext, response_hash: crypto::hash(plaintext) }
    }
}

impl fmt::Debug for NodeSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSession").finish_non_exhaustive()
    }
}

/// An encrypted response or chunk, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the three values of the protocol, which tests alter")]
pub struct SealedResponse {
    /// The nonce of AES-256-GCM.
    pub nonce: [u8; NONCE],
    /// The encrypted text, followed by the tag of 16 bytes.
    pub ciphertext: Vec<u8>,
    /// BLAKE2b-256 of the plaintext: the 32 bytes to sign.
    pub response_hash: [u8; 32],
}

impl SealedResponse {
    /// Writes a whole response. `signature` is base64, `usage` is JSON; both are left out where `None`.
    #[must_use]
    pub fn to_json(&self, signature: Option<&str>, usage: Option<&str>) -> String {
        let mut out = String::from("{");
        write_base64(&mut out, "nonce", &self.nonce);
        write_base64(&mut out, "ciphertext", &self.ciphertext);
        write_base64(&mut out, "response_hash", &self.response_hash);
        write_signature(&mut out, signature);
        if let Some(usage) = usage {
            write_value(&mut out, "usage", usage);
        }
        out.push('}');
        out
    }

    /// Writes the `data` of one event of a stream, in the order of Atoma's nodes.
    #[must_use]
    pub fn to_chunk_json(&self, signature: Option<&str>, usage: Option<&str>) -> String {
        let mut out = String::from("{");
        write_base64(&mut out, "ciphertext", &self.ciphertext);
        write_base64(&mut out, "nonce", &self.nonce);
        if let Some(usage) = usage {
            write_value(&mut out, "usage", usage);
        }
        write_signature(&mut out, signature);
        write_base64(&mut out, "response_hash", &self.response_hash);
        out.push('}');
        out
    }
}

fn write_signature(out: &mut String, signature: Option<&str>) {
    if let Some(signature) = signature {
        let mut value = String::new();
        json::write_string(&mut value, signature);
        write_value(out, "signature", &value);
    }
}

/// A request that the node does not open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestError {
    kind: RequestErrorKind,
    member: &'static str,
}

/// The kinds of [`RequestError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The body is not one JSON object.
    NotJson,
    /// A required member is missing or `null`.
    MissingMember,
    /// A member appears twice.
    DuplicateMember,
    /// A member has another type, or is not canonical base64.
    InvalidMember,
    /// The nonce, the salt, a key or the hash has another size, or the ciphertext is shorter than its tag.
    WrongSize,
    /// The request is encrypted for another key, such as one that has been rotated.
    OtherNodeKey,
    /// The client's key is a low-order point or not canonical.
    WeakClientKey,
    /// The tag does not fit.
    TagMismatch,
    /// The hash is not that of the plaintext.
    HashMismatch,
}

impl RequestError {
    const fn new(kind: RequestErrorKind, member: &'static str) -> Self {
        Self { kind, member }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> RequestErrorKind {
        self.kind
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.kind {
            RequestErrorKind::NotJson => {
                return f.write_str("confidential request is not a JSON object");
            }
            RequestErrorKind::MissingMember => "is missing",
            RequestErrorKind::DuplicateMember => "appears twice",
            RequestErrorKind::InvalidMember => "is malformed",
            RequestErrorKind::WrongSize => "has the wrong size",
            RequestErrorKind::OtherNodeKey => "is not the key of this node",
            RequestErrorKind::WeakClientKey => "is a weak key",
            RequestErrorKind::TagMismatch => "cannot be decrypted: the tag does not fit",
            RequestErrorKind::HashMismatch => "is not that of the plaintext",
        };
        write!(f, "confidential request: `{}` {problem}", self.member)
    }
}

crate::error::debug_as_line!(RequestError { "kind": kind, "member": member });

impl Error for RequestError {}

fn read_envelope(body: &str) -> Result<Envelope, RequestError> {
    const NAMES: [&str; 10] = [
        "ciphertext",
        "stack_small_id",
        "nonce",
        "salt",
        "client_dh_public_key",
        "node_dh_public_key",
        "plaintext_body_hash",
        "stream",
        "num_compute_units",
        "model_name",
    ];
    let mut members = [Member::default(); 10];
    json::each_member(body, |name, value| {
        if let Some(index) = NAMES.iter().position(|&known| known == name) {
            members[index].put(value);
        }
    })
    .map_err(|_| RequestError::new(RequestErrorKind::NotJson, ""))?;
    let fault = |index: usize| {
        move |fault| {
            let kind = match fault {
                Fault::Missing => RequestErrorKind::MissingMember,
                Fault::Duplicate => RequestErrorKind::DuplicateMember,
                Fault::Malformed => RequestErrorKind::InvalidMember,
                Fault::Size => RequestErrorKind::WrongSize,
            };
            RequestError::new(kind, NAMES[index])
        }
    };
    let number = |text: &str| text.parse().map_err(|_| Fault::Malformed);
    let boolean = |text: &str| text.parse().map_err(|_| Fault::Malformed);
    let optional = |index: usize| members[index].value();
    let envelope = Envelope {
        ciphertext: members[0].bytes().map_err(fault(0))?,
        stack_small_id: members[1].required().and_then(number).map_err(fault(1))?,
        nonce: members[2].fixed().map_err(fault(2))?,
        salt: members[3].fixed().map_err(fault(3))?,
        client_key: members[4].fixed().map_err(fault(4))?,
        node_key: NodeKey::from_bytes(members[5].fixed().map_err(fault(5))?),
        plaintext_hash: members[6].fixed().map_err(fault(6))?,
        stream: optional(7).and_then(|value| value.map(boolean).transpose()).map_err(fault(7))?,
        num_compute_units: optional(8)
            .and_then(|value| value.map(number).transpose())
            .map_err(fault(8))?,
        model: members[9].string().map_err(fault(9))?.into_owned(),
    };
    if envelope.ciphertext.len() < TAG {
        return Err(RequestError::new(RequestErrorKind::WrongSize, NAMES[0]));
    }
    Ok(envelope)
}
