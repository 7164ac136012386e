use crate::{ApiKey, api_key::Credentials};
use atoma_transport::{
    BoxError, Delivery, ErrorKind, Request, Response, ResponseFuture, Transport, TransportError,
};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use std::{borrow::Cow, sync::Arc};

/// Puts the client's headers and its key on each attempt; what the call has of its own wins.
///
/// It stands inside the retries: a provider is asked for the key anew, and what they keep of a
/// request, to send it again, is small.
#[derive(Debug)]
pub(crate) struct Headers<T> {
    inner: Arc<T>,
    /// With the key, if it is the same for all calls.
    defaults: HeaderMap,
    credentials: Credentials,
}

/// The key of a provider, the host and the length follow on the way down, and shall find room.
const FURTHER_HEADERS: usize = 3;

impl<T: Transport> Headers<T> {
    /// An `Authorization` among `defaults` goes before the key of `credentials`.
    pub(crate) fn new(inner: T, mut defaults: HeaderMap, credentials: Credentials) -> Self {
        if let (Some(key), false) = (credentials.key(), defaults.contains_key(AUTHORIZATION)) {
            set(&mut defaults, AUTHORIZATION, key.bearer().clone());
        }
        Self { inner: Arc::new(inner), defaults, credentials }
    }

    /// The defaults and what goes before them, with room for what follows: growing would cost as
    /// much as all of them.
    fn all(&self, own: &HeaderMap) -> HeaderMap {
        let count = self.defaults.len() + own.len() + FURTHER_HEADERS;
        let mut headers = HeaderMap::with_capacity(count);
        for (name, value) in self.defaults.iter().chain(own) {
            set(&mut headers, name.clone(), value.clone());
        }
        headers
    }
}

impl<T: Transport> Transport for Headers<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        let own_key = request.headers().get(AUTHORIZATION).map(ApiKey::inside);
        *request.headers_mut() = self.all(request.headers());
        match (own_key, &self.credentials) {
            (Some(Some(key)), _) => cleansing(key, self.inner.send(request)),
            // The responses to the client's own key are cleansed by the retries.
            (Some(None), _) | (None, Credentials::Key(_) | Credentials::None) => {
                self.inner.send(request)
            }
            (None, Credentials::Provider(provider)) => {
                let (key, inner) = (provider.api_key(), Arc::clone(&self.inner));
                Box::pin(async move {
                    let key = key.await.map_err(no_key)?;
                    set(request.headers_mut(), AUTHORIZATION, key.bearer().clone());
                    cleansing(key, inner.send(request)).await
                })
            }
        }
    }
}

/// Sets a header in one place for all, since what sets one is large.
#[inline(never)]
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

/// Takes a key that is not the client's own out of a response's headers, and leaves it with the
/// response, so that errors can be cleansed of it.
fn cleansing(key: ApiKey, mut sent: ResponseFuture) -> ResponseFuture {
    Box::pin(async move {
        let mut outcome = sent.as_mut().await;
        if let Ok(response) = &mut outcome {
            cleanse(&key, response);
            response.extensions_mut().insert(key);
        }
        outcome
    })
}

/// Takes the key out of the headers, should the server have echoed it: the record of the attempts
/// quotes one.
pub(crate) fn cleanse(key: &ApiKey, response: &mut Response) {
    for value in response.headers_mut().values_mut() {
        if let Cow::Owned(cleansed) = key.redact(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&cleansed)
                .unwrap_or_else(|_| HeaderValue::from_static("[key]"));
        }
    }
}

fn no_key(source: impl Into<BoxError>) -> TransportError {
    TransportError::new(ErrorKind::Request, Delivery::NotSent)
        .with_detail("the provider of the API key failed")
        .with_source(source)
}
