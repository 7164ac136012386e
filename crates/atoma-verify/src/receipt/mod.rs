//! Evidence of a call, saved as JSON and checked again offline.

mod saved;

use self::saved::{Saved, SavedResponse};
use crate::{
    claim::Claim,
    error::{Reason, VerifyError},
    hash::blake2b256,
    public_key::PublicKey,
    signature::{decode_hash, same_hash},
    stream::Mode,
    sui_address::SuiAddress,
    verified::Verified,
    verifier::Verifier,
};
use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;

/// Evidence of one call: the hash of the request, the signed responses (one, or the chunks of a stream in
/// order), the signer's key, and the time.
///
/// Check it against signers that you know from elsewhere: [`Verifier::pinned`]. A receipt that is checked
/// against the key it holds itself ([`Verifier::any_signer`]) cannot detect a re-signed forgery.
///
/// The node signs only each response. The request's hash, the time, and the order and number of
/// chunks are this client's claims. A digest over the whole receipt detects accidents and careless
/// edits; anyone who knows this format can compute it again.
///
/// ```
/// use atoma_verify::{Receipt, Verifier};
/// # let signed = concat!(
/// #     r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[],"usage":null,"#,
/// #     r#""signature":"AOYvCx4ogKcTFMDNnQCDJwN46YpOZ5eLAoie9N8meA0IUtglp0AuNUEx19CLCR2bH+MsWjNECMuj"#,
/// #     r#"wNA0rJSH/QWKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXA==","#,
/// #     r#""response_hash":"WQbZ+pWX19GAQYyo7zP/BuFQo8J1kCx3RC7L26Uw5PI="}"#,
/// # );
/// # let node = atoma_verify::verify(signed)?.signer();
///
/// let mut receipt = Receipt::new(br#"{"model":"m","messages":[]}"#, 1_764_300_000);
/// receipt.add_text(signed)?;
/// let saved = receipt.to_json();
///
/// // Later, elsewhere, offline.
/// let receipt = Receipt::from_json(&saved)?;
/// assert!(receipt.check(&Verifier::pinned([node]).unwrap())?.is_pinned());
/// assert!(receipt.is_for_request(br#"{"model":"m","messages":[]}"#));
/// # Ok::<(), atoma_verify::VerifyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    request_hash: [u8; 32],
    time: u64,
    responses: Vec<Response>,
}

#[derive(Clone, PartialEq, Eq)]
struct Response {
    claim: Claim,
    /// `None` for confidential responses.
    text: Option<String>,
}

impl Receipt {
    /// Returns a receipt without responses, for a request with exactly this body. `time` is in seconds
    /// since 1970 (Unix time).
    #[must_use]
    pub fn new(request_body: &[u8], time: u64) -> Self {
        Self { request_hash: blake2b256([request_body]), time, responses: Vec::new() }
    }

    /// Adds the exact text of the response, or of the stream's next chunk. The signature is not checked
    /// here.
    ///
    /// # Errors
    ///
    /// If the text is malformed, is not signed or does not match its hash, or if its signer is not the one
    /// of the responses before. The receipt is unchanged then.
    pub fn add_text(&mut self, text: impl Into<String>) -> Result<(), VerifyError> {
        let text = text.into();
        let claim = Claim::of_text(text.as_bytes())?;
        self.add(Response { claim, text: Some(text) })
    }

    /// Adds a response by its hash only: the value of its members `signature` and `response_hash`. For
    /// confidential responses, whose text must not be in a receipt.
    ///
    /// # Errors
    ///
    /// If a value is malformed, or the signer is not the one of the responses before. The receipt is
    /// unchanged then.
    pub fn add_hash(&mut self, signature: &str, response_hash: &str) -> Result<(), VerifyError> {
        let claim = Claim::of_hash(signature, response_hash)?;
        self.add(Response { claim, text: None })
    }

    /// Checks all signatures, and that the verifier accepts the one signer of them all. Returns the result
    /// for the last response.
    ///
    /// # Errors
    ///
    /// As for [`Verifier::check`];
    /// [`MissingSignature`](crate::VerifyErrorKind::MissingSignature) if there are no responses.
    pub fn check(&self, verifier: &Verifier) -> Result<Verified, VerifyError> {
        let mut stream = verifier.clone().mode(Mode::EveryChunk).stream();
        for response in &self.responses {
            stream.check_claim(Ok(response.claim))?;
        }
        stream.finish()
    }

    /// Does the same as [`check`](Self::check), and compares the hash of each response that was added by
    /// its hash with the hash of a plaintext: the plaintexts of a confidential call, in order.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check); [`HashMismatch`](crate::VerifyErrorKind::HashMismatch) if a plaintext
    /// is another one, or if there are more or fewer of them.
    pub fn check_plaintexts<T: AsRef<[u8]>>(
        &self,
        verifier: &Verifier,
        plaintexts: impl IntoIterator<Item = T>,
    ) -> Result<Verified, VerifyError> {
        let mut plaintexts = plaintexts.into_iter();
        for response in self.responses.iter().filter(|response| response.text.is_none()) {
            let plaintext = plaintexts.next().ok_or(Reason::HashMismatch)?;
            same_hash(&blake2b256([plaintext.as_ref()]), &response.claim.hash)?;
        }
        match plaintexts.next() {
            Some(_) => Err(Reason::HashMismatch.into()),
            None => self.check(verifier),
        }
    }

    /// Returns whether the receipt is for a request with exactly this body.
    #[must_use]
    pub fn is_for_request(&self, request_body: &[u8]) -> bool {
        same_hash(&blake2b256([request_body]), &self.request_hash).is_ok()
    }

    /// Returns the BLAKE2b-256 hash of the request's body.
    #[must_use]
    pub fn request_hash(&self) -> &[u8; 32] {
        &self.request_hash
    }

    /// Returns the time that the receipt was made with, in seconds since 1970.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Returns the key that the responses name, which proves nothing before [`check`](Self::check).
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        self.responses.first().map(|response| response.claim.signature.key)
    }

    /// Returns how many responses (chunks) there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.responses.len()
    }

    /// Returns whether there are no responses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    /// Returns the exact texts, in order, without the responses that were added by their hash.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.responses.iter().filter_map(|response| response.text.as_deref())
    }

    /// Returns the receipt as JSON, in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let responses = self.responses.iter().map(|response| SavedResponse {
            text: response.text.as_deref().map(Cow::Borrowed),
            signature: response.claim.signature.encode(),
            response_hash: STANDARD.encode(response.claim.hash),
        });
        let saved = Saved {
            receipt: VERSION,
            request_hash: STANDARD.encode(self.request_hash),
            time: self.time,
            signer: self.public_key().map(|key| SuiAddress::from(key).to_string()),
            public_key: self.public_key().map(|key| key.to_string()),
            responses: responses.collect(),
            digest: STANDARD.encode(self.digest()),
        };
        serde_json::to_string(&saved).expect("strings and numbers can always be written")
    }

    /// Reads a receipt. Its signatures are not checked here.
    ///
    /// # Errors
    ///
    /// [`BadReceipt`](crate::VerifyErrorKind::BadReceipt) if this is not a receipt in the form that
    /// [`to_json`](Self::to_json) writes, or if it does not match its digest; the errors of
    /// [`add_text`](Self::add_text) and [`add_hash`](Self::add_hash).
    pub fn from_json(json: &str) -> Result<Self, VerifyError> {
        const CONTRADICTION: Reason = Reason::Receipt("its members contradict each other");
        let saved: Saved<'_> =
            serde_json::from_str(json).map_err(|_| Reason::Receipt("not the JSON of a receipt"))?;
        if saved.receipt != VERSION {
            return Err(Reason::Receipt("unknown version").into());
        }
        let request_hash = decode_hash(&saved.request_hash)?;
        let mut receipt = Self { request_hash, time: saved.time, responses: Vec::new() };
        for response in saved.responses {
            let claim = Claim::of_hash(&response.signature, &response.response_hash)?;
            match response.text {
                Some(text) => {
                    receipt.add_text(text)?;
                    if receipt.responses.last().is_none_or(|added| added.claim != claim) {
                        return Err(CONTRADICTION.into());
                    }
                }
                None => receipt.add(Response { claim, text: None })?,
            }
        }
        let key = receipt.public_key();
        if saved.public_key != key.map(|key| key.to_string())
            || saved.signer != key.map(|key| SuiAddress::from(key).to_string())
        {
            return Err(CONTRADICTION.into());
        }
        if decode_hash(&saved.digest)? != receipt.digest() {
            return Err(Reason::Receipt("altered: the digest does not match").into());
        }
        Ok(receipt)
    }

    fn add(&mut self, response: Response) -> Result<(), VerifyError> {
        let to = response.claim.signature.key;
        if let Some(from) = self.public_key().filter(|from| *from != to) {
            return Err(Reason::SignerChanged { from: from.into(), to: to.into() }.into());
        }
        self.responses.push(response);
        Ok(())
    }

    /// A digest over everything, with a length in front of each part whose length varies.
    fn digest(&self) -> [u8; 32] {
        let mut whole = Vec::new();
        whole.extend_from_slice(b"atoma receipt 1");
        whole.extend_from_slice(&self.request_hash);
        whole.extend_from_slice(&self.time.to_le_bytes());
        for response in &self.responses {
            whole.extend_from_slice(&response.claim.hash);
            whole.extend_from_slice(&response.claim.signature.bytes);
            whole.push(response.claim.signature.key.scheme().flag());
            whole.extend_from_slice(response.claim.signature.key.as_bytes());
            whole.push(u8::from(response.text.is_some()));
            let text = response.text.as_deref().unwrap_or_default();
            whole.extend_from_slice(&(text.len() as u64).to_le_bytes());
            whole.extend_from_slice(text.as_bytes());
        }
        blake2b256([&whole[..]])
    }
}

impl fmt::Debug for Receipt {
    /// Leaves out the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("time", &self.time)
            .field("public_key", &self.public_key())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

const VERSION: u32 = 1;
