//! Checks who signed the exact text of each response.

use crate::{CallInfo, Client, ClientBuilder, Error, Inspect, InspectCall, Reply, ResponseStream};
use atoma_transport::BoxError;
use atoma_types::StreamModel;
use atoma_verify::{Receipt, StreamVerifier, Verified, Verifier, VerifyError};
use http::Extensions;
use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

/// The paths whose responses the nodes sign.
const SIGNED: [&str; 4] =
    ["/chat/completions", "/completions", "/embeddings", "/images/generations"];

/// The verification of a client's responses: a [`Verifier`], and whether to keep receipts.
///
/// ```
/// use atoma::{Client, Verification, verify::Verifier};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let node: atoma::verify::SuiAddress =
///     "0x29dfbf688abce7ab43bb8e70cae158ae961196e721440f515482f8ba1684390f".parse()?;
/// let client = Client::builder()
///     .api_key("sk-secret")
///     .verify(Verification::new(Verifier::pinned([node])?).keep_receipts(true))
///     .build()?;
/// # Ok(())
/// # }
/// # run().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Verification {
    verifier: Verifier,
    keep_receipts: bool,
}

impl Verification {
    /// Checks responses with this verifier.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, keep_receipts: false }
    }

    /// Sets whether the exact text of each response is kept as a [`Receipt`]. Default false.
    #[must_use]
    pub fn keep_receipts(mut self, keep: bool) -> Self {
        self.keep_receipts = keep;
        self
    }
}

impl From<Verifier> for Verification {
    fn from(verifier: Verifier) -> Self {
        Self::new(verifier)
    }
}

impl ClientBuilder {
    /// Checks the signature of every response of chat, completions, embeddings and images; one that
    /// is missing, wrong or by another signer is an error for which [`Error::is_untrusted`] is true.
    ///
    /// A chunk of a stream is checked before it is returned, unless the verifier has another
    /// [mode](atoma_verify::Mode). The documentation of [`atoma_verify`] says what a passed check
    /// proves. Default: nothing is checked.
    #[must_use]
    pub fn verify(self, verification: impl Into<Verification>) -> Self {
        self.inspect(verification.into())
    }
}

impl Client {
    /// Returns a client that checks every response, as [`ClientBuilder::verify`] describes. It shares
    /// connections and settings with this one.
    ///
    /// ```
    /// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
    /// use atoma::verify::Verifier;
    ///
    /// let verified = client.verified(Verifier::trust_on_first_use());
    /// let reply = verified.chat().create(request).await?;
    /// println!("{}", reply.verified().expect("the client checks every response"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn verified(&self, verification: impl Into<Verification>) -> Self {
        self.inspected(verification.into())
    }
}

impl<T> Reply<T> {
    /// Returns who signed the response; `None` if the client does not verify.
    pub fn verified(&self) -> Option<&Verified> {
        self.metadata().extensions().get()
    }

    /// Returns the receipt: the exact text with its signature, to be checked again offline. `None`
    /// unless the client [keeps receipts](Verification::keep_receipts).
    pub fn receipt(&self) -> Option<&Receipt> {
        self.metadata().extensions().get()
    }
}

impl<M: StreamModel> ResponseStream<M> {
    /// Returns who signed the stream; `None` before its end, and if the client does not verify.
    pub fn verified(&self) -> Option<&Verified> {
        self.metadata().extensions().get()
    }

    /// Returns how many chunks of the stream had the same text and signature as the chunk directly
    /// before them; `None` before its end, and if the client does not verify.
    ///
    /// A repeat alone is not an error: two equal tokens in a row give identical chunks, if they have
    /// the same id and time.
    pub fn repeated_chunks(&self) -> Option<u64> {
        self.metadata().extensions().get().map(|RepeatedChunks(repeats)| *repeats)
    }

    /// Returns the receipt of the stream; `None` before its end, and unless the client
    /// [keeps receipts](Verification::keep_receipts).
    pub fn receipt(&self) -> Option<&Receipt> {
        self.metadata().extensions().get()
    }
}

impl Error {
    /// Returns why the signature of the response was not accepted, if that is the error.
    ///
    /// The [partial](Self::partial) response of such an error is
    /// [unverified](Self::is_partial_verified).
    pub fn trust_failure(&self) -> Option<&VerifyError> {
        self.rejection()?.downcast_ref()
    }

    /// Returns true if there is a [partial](Self::partial) response and it was verified as a whole.
    ///
    /// It is false after a failed verification, for every stream that ended early, and if the client
    /// does not verify. With the default [mode](atoma_verify::Mode), each chunk in a partial response
    /// was checked alone: that says nothing about chunks that were dropped or moved.
    ///
    /// ```
    /// fn save(error: &atoma::Error) {
    ///     if let Some(partial) = error.partial() {
    ///         let mark = if error.is_partial_verified() { "" } else { " (unverified)" };
    ///         println!("{}{mark}", partial.text());
    ///     }
    /// }
    /// ```
    pub fn is_partial_verified(&self) -> bool {
        self.extensions_of_partial().is_some_and(|found| found.get::<Verified>().is_some())
    }
}

impl Inspect for Verification {
    fn begin(&self, call: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        if !SIGNED.contains(&call.path) {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let receipt = self.keep_receipts.then(|| Receipt::new(call.body, now));
        Some(Box::new(VerifyCall { stream: self.verifier.stream(), receipt, decrypted: None }))
    }
}

/// The result of [`ResponseStream::repeated_chunks`].
#[derive(Clone)]
struct RepeatedChunks(u64);

/// The verification of one call. A body that is not streamed is a stream of one chunk.
struct VerifyCall {
    stream: StreamVerifier,
    receipt: Option<Receipt>,
    /// The signature and the hash of the next text, if that was decrypted.
    decrypted: Option<(Option<String>, String)>,
}

impl VerifyCall {
    fn check(&mut self, text: &str) -> Result<(), VerifyError> {
        if let Some((signature, hash)) = self.decrypted.take() {
            // The plaintext itself carries no signature: an absent one is reported as such.
            let Some(signature) = signature else { return self.stream.check("{}").map(|_| ()) };
            self.stream.check_plaintext(text, &signature, &hash)?;
            // A receipt holds no text of a confidential call.
            let receipt = self.receipt.as_mut();
            return receipt.map_or(Ok(()), |receipt| receipt.add_hash(&signature, &hash));
        }
        self.stream.check(text)?;
        self.receipt.as_mut().map_or(Ok(()), |receipt| receipt.add_text(text))
    }
}

impl InspectCall for VerifyCall {
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        self.check(std::str::from_utf8(body)?)?;
        Ok(Cow::Borrowed(body))
    }

    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        self.check(data)?;
        Ok(Cow::Borrowed(data))
    }

    fn decrypted(&mut self, signature: Option<&str>, response_hash: &str) {
        self.decrypted = Some((signature.map(str::to_owned), response_hash.to_owned()));
    }

    fn finish(&mut self, extensions: &mut Extensions) -> Result<(), BoxError> {
        extensions.insert(self.stream.finish()?);
        extensions.insert(RepeatedChunks(self.stream.repeats()));
        if let Some(receipt) = self.receipt.take() {
            extensions.insert(receipt);
        }
        Ok(())
    }
}
