//! Requests whose API key comes from a provider, for each attempt.

use crate::{ApiKey, ApiKeyProvider, headers::set};
use atoma_transport::{
    Attempt, BoxError, Delivery, ErrorKind, FailedAttempt, Request, RequestFuture, RequestSource,
    TransportError,
};
use http::{Uri, header::AUTHORIZATION};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes each attempt's request with a key from the provider, and remembers it: the call redacts
/// it from the response.
pub(crate) struct KeySource {
    request: Request,
    provider: Arc<dyn ApiKeyProvider>,
    last: Mutex<Option<ApiKey>>,
}

impl KeySource {
    pub(crate) fn new(request: Request, provider: Arc<dyn ApiKeyProvider>) -> Self {
        Self { request, provider, last: Mutex::default() }
    }

    /// Returns the key of the last attempt.
    pub(crate) fn last_key(&self) -> Option<ApiKey> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RequestSource for KeySource {
    fn request(&self, _: Attempt, _: Option<&FailedAttempt>) -> RequestFuture<'_> {
        let key = self.provider.api_key();
        RequestFuture::new(async {
            let key = key.await.map_err(no_key)?;
            let mut request = self.request.clone();
            set(request.headers_mut(), AUTHORIZATION, key.bearer().clone());
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
            Ok(request)
        })
    }

    fn uri(&self) -> Option<&Uri> {
        Some(self.request.uri())
    }
}

pub(crate) fn no_key(source: impl Into<BoxError>) -> TransportError {
    TransportError::new(ErrorKind::Request, Delivery::NotSent)
        .with_detail("the API key provider failed")
        .with_source(source)
}
