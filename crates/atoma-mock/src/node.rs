//! The node behind the proxy: it signs each document of a response, and encrypts it for a confidential request.
//!
//! ```text
//! document ─► ordinary:     members signature, response_hash added to the text
//!          └► confidential: encrypted, the hash of the plaintext signed, usage left readable for the proxy
//! ```
//!
//! Tampering happens last, on the finished text, as an attacker between node and client would do it. The exceptions need the key:
//! another signer, and a damaged tag.
use crate::{behavior::Behavior, locks::Locks, tampering::Tampering};
use atoma_confidential::node::{NodeSecret, NodeSession, OpenedRequest, RequestError};
use atoma_verify::SigningKey;
use serde_json::Value;
use std::{collections::VecDeque, fmt, sync::Arc};

/// The node that confidential requests are encrypted for.
#[derive(Debug)]
pub(crate) struct ConfidentialNode {
    /// The key pair.
    secret: NodeSecret,
    /// Each byte of the secret, which everybody may know.
    seed: u8,
    /// The locks of clients that have not expired.
    pub(crate) locks: Locks,
}

/// The node's id in the responses of `POST /v1/nodes/lock`.
pub(crate) const NODE_SMALL_ID: u64 = 7;

impl Default for ConfidentialNode {
    fn default() -> Self {
        let seed = 0x22;
        Self { secret: NodeSecret::from_bytes([seed; 32]), seed, locks: Locks::default() }
    }
}

impl ConfidentialNode {
    /// The public key, as base64.
    pub(crate) fn public_key(&self) -> String {
        self.secret.key().to_string()
    }

    /// Replaces the key pair. Requests for the old key cannot be decrypted any more.
    pub(crate) fn rotate_key(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.secret = NodeSecret::from_bytes([self.seed; 32]);
    }

    /// Decrypts a request, and returns the session that encrypts its response.
    pub(crate) fn open(&self, body: &str) -> Result<(OpenedRequest, NodeSession), RequestError> {
        self.secret.open_request(body)
    }
}

/// The JSON documents of one response in the node: each is signed, and encrypted if the request
/// was. Every item is the `data` of an event, or the only body.
pub(crate) struct NodeOutput {
    /// The documents that are not sent yet.
    documents: Box<dyn Iterator<Item = String> + Send>,
    signing_key: Arc<SigningKey>,
    /// Whether the response is scripted to have no signature.
    unsigned: bool,
    /// The number of documents that are left intact, and the tampering with the others.
    tampering: Option<(usize, Tampering)>,
    /// `None` for an ordinary request.
    seal: Option<Seal>,
    /// Whether the documents are events.
    streamed: bool,
    /// The number of documents sent.
    sent: usize,
}

/// The encryption of one response.
pub(crate) struct Seal {
    pub(crate) session: NodeSession,
    /// As the real node, which uses one nonce for all chunks of a stream.
    pub(crate) nonce: [u8; 12],
}

impl NodeOutput {
    pub(crate) fn new(
        documents: Box<dyn Iterator<Item = String> + Send>,
        signing_key: Arc<SigningKey>,
        behavior: &Behavior,
        seal: Option<Seal>,
        streamed: bool,
    ) -> Self {
        Self {
            documents,
            signing_key,
            unsigned: behavior.unsigned,
            tampering: behavior.tampering,
            seal,
            streamed,
            sent: 0,
        }
    }

    /// A stream without events.
    pub(crate) fn empty(signing_key: Arc<SigningKey>) -> Self {
        let documents = Box::new(VecDeque::new().into_iter());
        Self::new(documents, signing_key, &Behavior::default(), None, true)
    }

    /// Signs a document with `key`.
    fn sign(&self, document: String, key: &SigningKey) -> String {
        if self.unsigned {
            return document;
        }
        // A document that is not an object, or has such members already, cannot be signed.
        key.sign_json(&document).unwrap_or(document)
    }

    /// Encrypts a document for the client of the request, and signs the hash of its plaintext.
    fn encrypt(
        &self,
        document: &str,
        seal: &Seal,
        key: &SigningKey,
        tampering: Option<Tampering>,
    ) -> String {
        let mut sealed = seal.session.seal_response(document.as_bytes(), seal.nonce);
        let signature = (!self.unsigned).then(|| key.sign_hash(&sealed.response_hash));
        // The proxy bills by it, so the node repeats it outside of the ciphertext.
        let usage = serde_json::from_str::<Value>(document)
            .ok()
            .and_then(|document| document.get("usage").filter(|usage| !usage.is_null()).cloned())
            .map(|usage| usage.to_string());
        if tampering == Some(Tampering::Tag) {
            if let Some(last) = sealed.ciphertext.last_mut() {
                *last ^= 1;
            }
        }
        let (signature, usage) = (signature.as_deref(), usage.as_deref());
        if self.streamed {
            sealed.to_chunk_json(signature, usage)
        } else {
            sealed.to_json(signature, usage)
        }
    }
}

impl Iterator for NodeOutput {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let document = self.documents.next()?;
        let tampering = self.tampering.filter(|(first, _)| self.sent >= *first);
        let tampering = tampering.map(|(_, tampering)| tampering);
        self.sent += 1;
        let other = Tampering::other_signer();
        let key = if tampering == Some(Tampering::Signer) { &other } else { &*self.signing_key };
        let finished = match &self.seal {
            Some(seal) if tampering != Some(Tampering::Plain) => {
                self.encrypt(&document, seal, key, tampering)
            }
            _ => self.sign(document, key),
        };
        Some(match tampering {
            Some(tampering) => tampering.apply(finished),
            None => finished,
        })
    }
}

impl fmt::Debug for NodeOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NodeOutput").field("sent", &self.sent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_verify::Verifier;

    fn output(behavior: &Behavior) -> Vec<String> {
        let documents = [r#"{"id":1}"#, r#"{"id":2}"#, "[DONE]"].map(str::to_owned);
        let key = Arc::new(SigningKey::test());
        NodeOutput::new(Box::new(documents.into_iter()), key, behavior, None, true).collect()
    }

    #[test]
    fn every_object_is_signed() {
        let verifier = Verifier::pinned([SigningKey::test().public_key()]).unwrap();
        let signed = output(&Behavior::default());
        assert!(verifier.check(&signed[0]).is_ok() && verifier.check(&signed[1]).is_ok());
        assert!(signed[0].starts_with(r#"{"id":1,"signature":"A"#), "{}", signed[0]);
        assert_eq!(signed[2], "[DONE]");
        let unsigned = Behavior { unsigned: true, ..Behavior::default() };
        assert_eq!(output(&unsigned)[0], r#"{"id":1}"#);
    }

    #[test]
    fn tampering_begins_after_the_given_number_of_events() {
        let verifier = Verifier::pinned([SigningKey::test().public_key()]).unwrap();
        let behavior = Behavior { tampering: Some((1, Tampering::Signer)), ..Behavior::default() };
        let signed = output(&behavior);
        assert!(verifier.check(&signed[0]).is_ok());
        assert!(verifier.check(&signed[1]).is_err());
        assert!(Verifier::any_signer().check(&signed[1]).is_ok());
    }
}
