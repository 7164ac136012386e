use crate::{Error, redact::redact};
use atoma_transport::BoxError;
use bytes::Bytes;
use http::HeaderValue;
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
        // Not grown as it is written: what it grew out of would not be wiped.
        let mut bearer = String::with_capacity(SCHEME.len() + exposed.len());
        bearer.push_str(SCHEME);
        bearer.push_str(exposed);
        let bearer = Wiped(SecretString::from(bearer));
        let mut bearer = HeaderValue::from_maybe_shared(Bytes::from_owner(bearer))
            .expect("visible ASCII can stand in a header");
        bearer.set_sensitive(true);
        Ok(Self { bearer })
    }

    fn exposed(&self) -> &[u8] {
        &self.bearer.as_bytes()[SCHEME.len()..]
    }

    /// The value of the `Authorization` header.
    pub(crate) fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// The token of an `Authorization` header that the caller wrote.
    pub(crate) fn inside(value: &HeaderValue) -> Option<Self> {
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
    /// Those of an `Authorization` header that the caller wrote for all calls.
    pub(crate) fn inside(value: &HeaderValue) -> Self {
        ApiKey::inside(value).map_or(Self::None, Self::Key)
    }

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
