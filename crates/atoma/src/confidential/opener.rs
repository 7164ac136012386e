use super::{LockedNode, LockedSource};
use crate::{Error, Result, response::redacted};
use atoma_confidential::{Opened, Session};
use atoma_transport::TransportError;
use atoma_types::ApiError;
use std::sync::Arc;

/// Opens the texts of one response with the session of the attempt that it responds to.
pub(crate) struct Opener {
    source: Arc<LockedSource>,
    /// Taken at the first text: the last attempt is known then.
    session: Option<Session>,
}

impl Opener {
    pub(crate) fn new(source: Arc<LockedSource>) -> Self {
        Self { source, session: None }
    }

    /// Opens a body or the data of an event. Whatever is not encrypted for this call is an error.
    pub(crate) fn open(&mut self, text: &[u8], is_event: bool) -> Result<Opened> {
        if self.session.is_none() {
            self.session = self.source.take_session();
        }
        let session = self.session.as_ref().expect("a response follows a sealed request");
        // Bytes that are not UTF-8 become characters that base64 and the tag exclude.
        let text = String::from_utf8_lossy(text);
        session.open(text.trim_ascii()).map_err(|error| {
            // An error object cannot be encrypted by a proxy that has no key.
            let key = self.source.last_key();
            let api = error.is_error_object();
            let api = api.then(|| ApiError::from_body(&redacted(text.as_bytes(), key.as_ref())));
            match api.flatten() {
                Some(api) if is_event => Error::in_stream(api),
                Some(api) => Error::in_body(api),
                None => Error::rejected(Box::new(error)),
            }
        })
    }

    /// Returns the node that the last attempt was encrypted for.
    pub(crate) fn node(&self) -> Option<LockedNode> {
        self.source.node()
    }

    /// Makes the error of a call without a response.
    pub(crate) fn failed_request(&self, error: TransportError) -> Error {
        self.source.failed_request(error)
    }
}
