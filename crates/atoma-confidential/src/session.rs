//! The client's side of a response: the checks before anything of it is returned.
//!
//! ```text
//! members ─► nonce, hash, base64 ─► not the request's nonce ─► tag, decryption ─► hash ─► UTF-8, an object ─► Opened
//! ```
//!
//! Each step has a separate error kind; after the decryption, a rejected text is cleared.
use crate::{
    OpenError, OpenErrorKind,
    crypto::{self, Cipher, NONCE, TAG},
    encoding, json,
    member::{Fault, Member},
};
use alloc::{borrow::Cow, string::String};
use core::{fmt, mem};
use zeroize::Zeroize;

/// The key of one request: opens its response, or each event of its stream.
///
/// It cannot be cloned, prints nothing and clears the key when dropped.
pub struct Session {
    /// The key that the request was encrypted with.
    cipher: Cipher,
    /// Rejected in a response: it would be the request itself.
    request_nonce: [u8; NONCE],
}

impl Session {
    pub(crate) fn new(cipher: Cipher, request_nonce: [u8; NONCE]) -> Self {
        Self { cipher, request_nonce }
    }

    /// Opens a whole response, or the `data` of one event of a stream.
    ///
    /// Members may come in any order, unknown ones are ignored. The tag and the hash are checked. The signature is
    /// not: pass it, the hash and the plaintext to a verifier. Within a stream nodes repeat one nonce, so that is
    /// accepted; whether an event was dropped, repeated or moved cannot be seen.
    ///
    /// # Errors
    /// If the response was not encrypted for this request, or altered; see [`OpenErrorKind`]. There is no fallback
    /// to plain text.
    ///
    /// ```
    /// # use atoma_confidential::{CallInfo, NodeKey, OpenErrorKind, seal};
    /// # let (_, session) = seal(br#"{"model":"m"}"#, &NodeKey::from_bytes([1; 32]), &CallInfo::new("m", 77),
    /// #     &mut |bytes: &mut [u8]| bytes.fill(7))?;
    /// let error = session.open(r#"{"object":"chat.completion","choices":[]}"#).unwrap_err();
    /// assert_eq!(error.kind(), OpenErrorKind::NotEncrypted);
    /// # Ok::<(), atoma_confidential::SealError>(())
    /// ```
    pub fn open<'a>(&self, response: &'a str) -> Result<Opened<'a>, OpenError> {
        let members = Members::read(response)?;
        let nonce = members.nonce.fixed().map_err(of("nonce"))?;
        let response_hash = members.response_hash.fixed().map_err(of("response_hash"))?;
        let signature = match members.signature.value().map_err(of("signature"))? {
            Some(value) => {
                Some(json::string(value).ok_or_else(|| of("signature")(Fault::Malformed))?)
            }
            None => None,
        };
        let mut buffer = members.ciphertext.bytes().map_err(of("ciphertext"))?;
        if buffer.len() < TAG {
            return Err(OpenError::new(OpenErrorKind::CiphertextTooShort));
        }
        // Both directions share a key, and nothing else distinguishes them: without this check,
        // anyone on the way could send it back as the response.
        if nonce == self.request_nonce {
            return Err(OpenError::new(OpenErrorKind::RequestNonce));
        }
        // Nothing is decrypted before the tag is checked.
        if !self.cipher.decrypt(&nonce, &mut buffer) {
            return Err(OpenError::new(OpenErrorKind::TagMismatch));
        }
        if !crypto::equal_in_constant_time(&crypto::hash(&buffer), &response_hash) {
            buffer.zeroize();
            return Err(OpenError::new(OpenErrorKind::HashMismatch));
        }
        let not_json = OpenError::new(OpenErrorKind::PlaintextNotJson);
        let plaintext = String::from_utf8(buffer).map_err(|error| {
            error.into_bytes().zeroize();
            not_json
        })?;
        let opened =
            Opened { plaintext, response_hash, signature, nonce, outer_usage: members.usage };
        if is_object(&opened.plaintext) { Ok(opened) } else { Err(not_json) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// The decrypted response. Its text is cleared when this is dropped, unless you take it out.
///
/// The members that are not encrypted are borrowed from the response.
pub struct Opened<'a> {
    plaintext: String,
    response_hash: [u8; 32],
    signature: Option<Cow<'a, str>>,
    nonce: [u8; NONCE],
    outer_usage: Option<&'a str>,
}

impl<'a> Opened<'a> {
    /// Returns the JSON of the ordinary response or chunk, exactly as the node encrypted it.
    #[must_use]
    pub fn plaintext(&self) -> &str {
        &self.plaintext
    }

    /// Takes the JSON out, without clearing it on drop.
    #[must_use]
    pub fn into_plaintext(mut self) -> String {
        mem::take(&mut self.plaintext)
    }

    /// Returns BLAKE2b-256 of the plaintext, computed and compared with the response's.
    #[must_use]
    pub fn response_hash(&self) -> &[u8; 32] {
        &self.response_hash
    }

    /// Returns [`response_hash`](Self::response_hash) in base64, exactly as it was received.
    #[must_use]
    pub fn response_hash_base64(&self) -> String {
        encoding::encode(&self.response_hash)
    }

    /// Returns the `signature` of the response as it was received, **unchecked**; `None` if absent or `null`.
    #[must_use]
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// Returns the nonce of the response. Two events of a stream with the same one show an observer the XOR of
    /// their texts.
    #[must_use]
    pub fn nonce(&self) -> &[u8; NONCE] {
        &self.nonce
    }

    /// Returns the JSON of the `usage` outside of the encryption; `None` if absent or `null`.
    ///
    /// The proxy bills by it, and neither hash nor signature covers it. Read the `usage` of the plaintext instead.
    #[must_use]
    pub fn outer_usage(&self) -> Option<&'a str> {
        self.outer_usage
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        // The text alone, in one piece: the spare capacity never held any of it, only the tag.
        self.plaintext.as_mut_str().zeroize();
    }
}

/// Prints the length of the text, never the text.
impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("plaintext_length", &self.plaintext.len())
            .field("has_signature", &self.signature.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Members<'a> {
    nonce: Member<'a>,
    ciphertext: Member<'a>,
    response_hash: Member<'a>,
    signature: Member<'a>,
    usage: Option<&'a str>,
}

impl<'a> Members<'a> {
    /// Finds the members; rejects a response that is not encrypted.
    fn read(response: &'a str) -> Result<Self, OpenError> {
        let mut members = Self::default();
        let mut is_error = false;
        json::each_member(response, |name, value| match name {
            "nonce" => members.nonce.put(value),
            "ciphertext" => members.ciphertext.put(value),
            "response_hash" => members.response_hash.put(value),
            "signature" => members.signature.put(value),
            "usage" => members.usage = Some(value).filter(|&value| value != "null"),
            // Some servers send an empty `error` with every response.
            "error" => is_error |= !matches!(value, "null" | "false" | "\"\"" | "{}"),
            "object" => is_error |= value == "\"error\"",
            _ => {}
        })
        .map_err(|_| OpenError::new(OpenErrorKind::NotJson))?;
        // Plain responses have a signature and a hash too; only these two make an encrypted one.
        let is_encrypted =
            members.ciphertext.value() != Ok(None) || members.nonce.value() != Ok(None);
        match (is_encrypted, is_error) {
            (true, _) => Ok(members),
            (false, true) => Err(OpenError::new(OpenErrorKind::ErrorObject)),
            (false, false) => Err(OpenError::new(OpenErrorKind::NotEncrypted)),
        }
    }
}

/// Whether the text begins and ends as a JSON object. Reading it whole is left to the parser, which does it anyway: with
/// tag and hash right, nobody but the node can have written this text.
fn is_object(text: &str) -> bool {
    let text = text.trim_ascii();
    text.starts_with('{') && text.ends_with('}')
}

/// Returns the error for a fault of a member.
fn of(member: &'static str) -> impl FnOnce(Fault) -> OpenError {
    move |fault| {
        let kind = match fault {
            Fault::Missing => OpenErrorKind::MissingMember,
            Fault::Duplicate => OpenErrorKind::DuplicateMember,
            Fault::Malformed => OpenErrorKind::InvalidBase64,
            Fault::Size if member == "nonce" => OpenErrorKind::NonceSize,
            Fault::Size => OpenErrorKind::HashSize,
        };
        OpenError::of_member(kind, member)
    }
}
