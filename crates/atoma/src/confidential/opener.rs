use super::{LockedNode, LockedSource};
use crate::{
    Error, Result,
    inspect::{Decrypt, Inspection},
    observe::Observation,
    response::{LastKey as _, PendingResponse, SentKey, redacted},
};
use atoma_confidential::{Opened, Session};
use atoma_transport::{CallId, CallOptions, RetryConfig, Timeouts, TransportError};
use atoma_types::ApiError;
use std::sync::Arc;

/// Opens the texts of one response with the session of the attempt that it responds to.
struct Opener {
    source: Arc<LockedSource>,
    /// Set at the first text, when the last attempt is known.
    session: Option<Session>,
}

/// Passes a call to the transport, which asks the source for the request of each attempt.
pub(crate) fn send(
    source: Arc<LockedSource>,
    timeouts: Timeouts,
    mut inspection: Inspection,
    observation: Observation,
) -> PendingResponse {
    let extensions = source.request.extensions();
    let options = CallOptions::default()
        .retries(extensions.get::<RetryConfig>().cloned())
        .timeouts(extensions.get::<Timeouts>().copied())
        .call_id(extensions.get::<CallId>().copied());
    inspection.decrypt(Box::new(Opener { source: Arc::clone(&source), session: None }));
    PendingResponse {
        core: Arc::clone(&source.core),
        response: source.core.transport.send_from(Arc::<LockedSource>::clone(&source), options),
        timeouts,
        key: SentKey::Locked(source),
        inspection,
        observation,
    }
}

impl Decrypt for Opener {
    fn open(
        &mut self,
        text: &str,
        is_event: bool,
        see: &mut dyn FnMut(&Opened<'_>),
    ) -> Result<String> {
        if self.session.is_none() {
            self.session = self.source.take_session();
        }
        let session = self.session.as_ref().expect("a response follows a sealed request");
        let opened = session.open(text.trim_ascii()).map_err(|error| {
            // An error object cannot be encrypted by a proxy that has no key.
            let key = self.source.last_key();
            let api = error.is_error_object();
            let api = api.then(|| ApiError::from_body(&redacted(text.as_bytes(), key.as_ref())));
            match api.flatten() {
                Some(api) if is_event => Error::in_stream(api),
                Some(api) => Error::in_body(api),
                None => Error::rejected(Box::new(error)),
            }
        })?;
        see(&opened);
        Ok(opened.into_plaintext())
    }

    fn node(&self) -> Option<LockedNode> {
        self.source.node()
    }

    fn failed_request(&self, error: TransportError) -> Error {
        self.source.failed_request(error)
    }
}
