use crate::{ApiKey, api_key::Credentials};
use atoma_transport::{
    BoxError, ErrorKind, Request, RequestSent, Response, ResponseFuture, Transport, TransportError,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use std::{borrow::Cow, mem, sync::Arc};

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
        if let Some(key) = credentials.key() {
            defaults.entry(AUTHORIZATION).or_insert_with(|| key.bearer().clone());
        }
        Self { inner: Arc::new(inner), defaults, credentials }
    }

    /// The defaults, with room for what follows: growing costs as much as all of them.
    fn roomy(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.defaults.len() + FURTHER_HEADERS);
        for (name, value) in &self.defaults {
            headers.insert(name, value.clone());
        }
        headers
    }
}

impl<T: Transport> Transport for Headers<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        let own = mem::replace(request.headers_mut(), self.roomy());
        let own_key = own.get(AUTHORIZATION).map(ApiKey::inside);
        if !own.is_empty() {
            request.headers_mut().extend(own);
        }
        match (own_key, &self.credentials) {
            (Some(Some(key)), _) => cleansing(key, self.inner.send(request), true),
            (Some(None), _) | (None, Credentials::None) => self.inner.send(request),
            (None, Credentials::Key(key)) => {
                cleansing(key.clone(), self.inner.send(request), false)
            }
            (None, Credentials::Provider(provider)) => {
                let (key, inner) = (provider.api_key(), Arc::clone(&self.inner));
                Box::pin(async move {
                    let key = key.await.map_err(no_key)?;
                    request.headers_mut().insert(AUTHORIZATION, key.bearer().clone());
                    cleansing(key, inner.send(request), true).await
                })
            }
        }
    }
}

/// Takes the key out of a response's headers. One that is not the client's own is left with the
/// response, so that errors can be cleansed of it.
fn cleansing(key: ApiKey, mut sent: ResponseFuture, is_left: bool) -> ResponseFuture {
    Box::pin(async move {
        let mut outcome = sent.as_mut().await;
        if let Ok(response) = &mut outcome {
            cleanse(&key, response);
            if is_left {
                response.extensions_mut().insert(key);
            }
        }
        outcome
    })
}

/// Takes the key out of the headers, should the server have echoed it: the record of the attempts
/// quotes one.
fn cleanse(key: &ApiKey, response: &mut Response) {
    for value in response.headers_mut().values_mut() {
        if let Cow::Owned(cleansed) = key.redact(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&cleansed)
                .unwrap_or_else(|_| HeaderValue::from_static("[key]"));
        }
    }
}

fn no_key(source: impl Into<BoxError>) -> TransportError {
    TransportError::new(ErrorKind::Request, RequestSent::No)
        .with_detail("the provider of the API key failed")
        .with_source(source)
}
