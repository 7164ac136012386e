//! Inspection of the exact text of a response, before it is parsed.

use crate::{ApiKey, Error, Result};
use atoma_transport::BoxError;
use http::Extensions;
use std::{borrow::Cow, fmt};

/// Sees the exact bytes of every response before they are parsed, and can replace or reject them.
///
/// This is the place for checking signatures and for decryption. Add an inspector with
/// [`ClientBuilder::inspect`](crate::ClientBuilder::inspect); several are applied in the order in
/// which they were added, each to the text that the previous one returned. Error responses (a
/// status other than 2xx) are not inspected.
///
/// ```
/// use atoma::{CallInfo, Client, Inspect, InspectCall, transport::BoxError};
/// use std::borrow::Cow;
///
/// /// Rejects everything that is not signed.
/// struct Signed;
///
/// impl Inspect for Signed {
///     fn begin(&self, _: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
///         Some(Box::new(Signed))
///     }
/// }
///
/// impl InspectCall for Signed {
///     fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
///         let text = std::str::from_utf8(body)?;
///         if text.contains("\"signature\"") { Ok(body.into()) } else { Err("no signature".into()) }
///     }
///
///     fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
///         if data.contains("\"signature\"") { Ok(data.into()) } else { Err("no signature".into()) }
///     }
/// }
///
/// let builder = Client::builder().inspect(Signed);
/// ```
pub trait Inspect: Send + Sync + 'static {
    /// Starts the inspection of one call; `None` leaves the call alone.
    ///
    /// The returned value sees everything that belongs to the call, in order, so it can hold what
    /// lasts for one response: the key of a stream, a session, a counter.
    fn begin(&self, call: &CallInfo<'_>) -> Option<Box<dyn InspectCall>>;
}

/// The inspection of one call; see [`Inspect`].
pub trait InspectCall: Send + 'static {
    /// Inspects a whole JSON body and returns the bytes to parse: `body` itself, or others.
    ///
    /// The default returns `body`.
    ///
    /// # Errors
    ///
    /// An error fails the call; it becomes the source of an error for which
    /// [`Error::is_rejected`] is true.
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        Ok(Cow::Borrowed(body))
    }

    /// Inspects the data of one event and returns the text to parse: `data` itself, or another.
    ///
    /// Called for each event that has data, except `[DONE]` and comments sent as data. The default
    /// returns `data`.
    ///
    /// # Errors
    ///
    /// As [`body`](Self::body). The error of a stream keeps the partial response.
    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        Ok(Cow::Borrowed(data))
    }

    /// Announces that the next text was decrypted, and passes the members that came next to its
    /// ciphertext. The signature is that of the whole text that follows.
    ///
    /// Called for confidential calls only, directly before [`body`](Self::body) or
    /// [`event`](Self::event). The default does nothing.
    fn decrypted(&mut self, signature: Option<&str>, response_hash: &str) {
        let _ = (signature, response_hash);
    }

    /// Ends the inspection of a response that is complete.
    ///
    /// `extensions` are those of the reply's or stream's [`Metadata`](crate::Metadata): the place
    /// to report a result. The default does nothing.
    ///
    /// # Errors
    ///
    /// As [`body`](Self::body).
    fn finish(&mut self, extensions: &mut Extensions) -> Result<(), BoxError> {
        let _ = extensions;
        Ok(())
    }
}

/// The call that is about to be sent, for [`Inspect`] and [`Observer`](crate::Observer).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct CallInfo<'a> {
    /// The method of the request.
    pub method: &'a http::Method,
    /// The path of the endpoint below the base URL, such as `/chat/completions`.
    pub path: &'static str,
    /// The URL of the request, with the query.
    pub uri: &'a http::Uri,
    /// The body of the request. It holds the prompt. Empty for an [`Observer`](crate::Observer) of a
    /// confidential call.
    pub body: &'a [u8],
    /// Whether a stream was asked for.
    pub is_stream: bool,
    /// Whether the call is confidential: each attempt is then encrypted anew.
    pub is_confidential: bool,
    /// The body, including a prompt that an observer must not see.
    pub(crate) plaintext: &'a [u8],
    /// The API key, to be redacted from texts; `None` also where a provider will be asked for it.
    pub(crate) key: Option<&'a ApiKey>,
}

/// Leaves the body out: it holds the prompt.
impl fmt::Debug for CallInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallInfo")
            .field("method", self.method)
            .field("path", &self.path)
            .field("is_stream", &self.is_stream)
            .finish_non_exhaustive()
    }
}

/// Decrypts the texts of one confidential call, before the inspectors see them.
#[cfg(feature = "confidential")]
pub(crate) trait Decrypt: Send {
    /// Opens a body or the data of an event, and returns its text after `see` has seen its members.
    /// Text that is not encrypted for this call is an error.
    fn open(
        &mut self,
        text: &str,
        is_event: bool,
        see: &mut dyn FnMut(&atoma_confidential::Opened<'_>),
    ) -> Result<String>;

    /// Returns the node that the last attempt was encrypted for.
    fn node(&self) -> Option<crate::LockedNode>;

    /// Makes the error of a call without a response.
    fn failed_request(&self, error: atoma_transport::TransportError) -> Error;
}

/// All inspectors of one call. Empty and without an allocation for most clients.
#[derive(Default)]
pub(crate) struct Inspection {
    /// Decrypts each text before the inspectors see it.
    #[cfg(feature = "confidential")]
    opener: Option<Box<dyn Decrypt>>,
    calls: Vec<Box<dyn InspectCall>>,
}

impl Inspection {
    pub(crate) fn begin(inspectors: &[std::sync::Arc<dyn Inspect>], call: &CallInfo<'_>) -> Self {
        let calls = inspectors.iter().filter_map(|inspector| inspector.begin(call)).collect();
        // The feature `confidential` adds a field.
        #[allow(clippy::needless_update)]
        let inspection = Self { calls, ..Self::default() };
        inspection
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty() && !self.is_confidential()
    }

    /// Whether no text of the response may get into an error.
    #[cfg(feature = "confidential")]
    pub(crate) fn is_confidential(&self) -> bool {
        self.opener.is_some()
    }

    #[cfg(not(feature = "confidential"))]
    #[allow(clippy::unused_self, reason = "it does with the feature")]
    pub(crate) fn is_confidential(&self) -> bool {
        false
    }

    #[cfg(feature = "confidential")]
    pub(crate) fn decrypt(&mut self, opener: Box<dyn Decrypt>) {
        self.opener = Some(opener);
    }

    /// Makes the error of a request that was not sent, or got no response.
    pub(crate) fn failed_request(&mut self, error: atoma_transport::TransportError) -> Error {
        #[cfg(feature = "confidential")]
        if let Some(opener) = &self.opener {
            return opener.failed_request(error);
        }
        error.into()
    }

    pub(crate) fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let opened = if self.is_confidential() {
            // Bytes that are not UTF-8 become characters that base64 and the tag exclude.
            self.open(&String::from_utf8_lossy(body), false)?
        } else {
            None
        };
        let body = match opened {
            Some(text) => Cow::Owned(text.into_bytes()),
            None => Cow::Borrowed(body),
        };
        self.calls.iter_mut().try_fold(body, |body, call| {
            match body {
                Cow::Borrowed(body) => call.body(body),
                Cow::Owned(body) => call.body(&body).map(|body| Cow::Owned(body.into_owned())),
            }
            .map_err(Error::rejected)
        })
    }

    pub(crate) fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>> {
        let data = match self.open(data, true)? {
            Some(text) => Cow::Owned(text),
            None => Cow::Borrowed(data),
        };
        self.calls.iter_mut().try_fold(data, |data, call| {
            match data {
                Cow::Borrowed(data) => call.event(data),
                Cow::Owned(data) => call.event(&data).map(|data| Cow::Owned(data.into_owned())),
            }
            .map_err(Error::rejected)
        })
    }

    /// Decrypts a text of a confidential call; `None` for other calls.
    #[cfg(feature = "confidential")]
    fn open(&mut self, text: &str, is_event: bool) -> Result<Option<String>> {
        let Some(opener) = &mut self.opener else { return Ok(None) };
        let calls = &mut self.calls;
        opener
            .open(text, is_event, &mut |opened| {
                if calls.is_empty() {
                    return;
                }
                let hash = opened.response_hash_base64();
                for call in calls.iter_mut() {
                    call.decrypted(opened.signature(), &hash);
                }
            })
            .map(Some)
    }

    #[cfg(not(feature = "confidential"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "not with the feature")]
    fn open(&mut self, _: &str, _: bool) -> Result<Option<String>> {
        Ok(None)
    }

    pub(crate) fn finish(&mut self, extensions: &mut Extensions) -> Result<()> {
        #[cfg(feature = "confidential")]
        if let Some(node) = self.opener.as_ref().and_then(|opener| opener.node()) {
            extensions.insert(node);
        }
        self.calls.iter_mut().try_for_each(|call| call.finish(extensions)).map_err(Error::rejected)
    }
}
