use crate::{Error, text::redact};
use atoma_transport::{
    BoxError, ErrorKind, Request, RequestSent, Response, ResponseFuture, Transport, TransportError,
};
use bytes::Bytes;
use http::{HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

/// A bearer token; it shows itself nowhere and is wiped from memory when dropped.
///
/// ```
/// let key = atoma::ApiKey::new("sk-secret")?;
/// assert_eq!(format!("{key:?}"), "ApiKey");
/// # Ok::<(), atoma::Error>(())
/// ```
#[derive(Clone)]
pub struct ApiKey {
    /// The header's value, marked as sensitive: requests share its memory.
    bearer: HeaderValue,
}

const SCHEME: &str = "Bearer ";
/// The fewest bytes that a real key has.
const SHORTEST_SECRET: usize = 8;

impl ApiKey {
    /// Checks that `key` can stand in a header: not empty, visible ASCII only.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if it cannot; the text never repeats the key.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        let key = SecretString::from(key.into());
        let exposed = key.expose_secret();
        if exposed.is_empty() {
            return Err(Error::config("the API key is empty"));
        }
        if !exposed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::config(
                "the API key holds a space, a line end or another character that no key has: \
                 was it read from a file with a trailing newline?",
            ));
        }
        let bearer = Wiped(SecretString::from([SCHEME, exposed].concat()));
        let mut bearer = HeaderValue::from_maybe_shared(Bytes::from_owner(bearer))
            .expect("visible ASCII can stand in a header");
        bearer.set_sensitive(true);
        Ok(Self { bearer })
    }

    fn exposed(&self) -> &[u8] {
        &self.bearer.as_bytes()[SCHEME.len()..]
    }

    /// The token of an `Authorization` header that the caller wrote.
    fn inside(value: &HeaderValue) -> Option<Self> {
        Self::new(value.to_str().ok()?.split_whitespace().next_back()?).ok()
    }

    /// `text` without this key in it, should a server have echoed it.
    ///
    /// A key too short to be a secret ("any", for a server of one's own) stays: taking it out would
    /// maim words, and the JSON around them.
    pub(crate) fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let key = self.exposed();
        if key.len() < SHORTEST_SECRET { text.into() } else { redact(text, key) }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// What a header's value is made of without a copy that would outlive it.
struct Wiped(SecretString);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// Names the key anew for each attempt of each call: from a vault, a file that rotates, a login.
///
/// Closures that return a future are providers; see
/// [`ClientBuilder::api_key_provider`](crate::ClientBuilder::api_key_provider).
pub trait ApiKeyProvider: Send + Sync + 'static {
    /// The key for the attempt about to be sent.
    fn api_key(&self) -> Pin<Box<dyn Future<Output = Result<ApiKey, BoxError>> + Send>>;
}

impl<F, R> ApiKeyProvider for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<ApiKey, BoxError>> + Send + 'static,
{
    fn api_key(&self) -> Pin<Box<dyn Future<Output = Result<ApiKey, BoxError>> + Send>> {
        Box::pin(self())
    }
}

/// Where the key comes from.
#[derive(Clone)]
pub(crate) enum Credentials {
    Key(ApiKey),
    Provider(Arc<dyn ApiKeyProvider>),
    None,
}

impl Credentials {
    /// The key, if it is the same for all calls.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Provider(_) | Self::None => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Provider(_) => "Provider",
            Self::None => "None",
        })
    }
}

/// Puts the bearer token on each attempt; stands inside the retries, so that each asks anew.
#[derive(Debug)]
pub(crate) struct Authorize<T> {
    inner: Arc<T>,
    credentials: Credentials,
}

impl<T: Transport> Authorize<T> {
    pub(crate) fn new(inner: T, credentials: Credentials) -> Self {
        Self { inner: Arc::new(inner), credentials }
    }
}

impl<T: Transport> Transport for Authorize<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        if let Some(value) = request.headers().get(AUTHORIZATION) {
            let (key, sent) = (ApiKey::inside(value), self.inner.send(request));
            return match key {
                Some(key) => cleansing(key, sent, true),
                None => sent,
            };
        }
        match &self.credentials {
            Credentials::None => self.inner.send(request),
            Credentials::Key(key) => {
                request.headers_mut().insert(AUTHORIZATION, key.bearer.clone());
                cleansing(key.clone(), self.inner.send(request), false)
            }
            Credentials::Provider(provider) => {
                let (key, inner) = (provider.api_key(), Arc::clone(&self.inner));
                Box::pin(async move {
                    let key = key.await.map_err(no_key)?;
                    request.headers_mut().insert(AUTHORIZATION, key.bearer.clone());
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
