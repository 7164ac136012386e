use crate::{Error, redact::redact};
use atoma_transport::BoxError;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

/// A bearer token. It is shown nowhere, and its memory is overwritten when it is dropped.
///
/// ```
/// let key = atoma::ApiKey::new("sk-secret")?;
/// assert_eq!(format!("{key:?}"), "ApiKey");
/// # Ok::<(), atoma::Error>(())
/// ```
#[derive(Clone)]
pub struct ApiKey {
    /// The value of the header, marked as sensitive. Requests share its memory.
    bearer: HeaderValue,
}

const SCHEME: &str = "Bearer ";
/// The length of the shortest key that counts as a secret, in bytes.
const SHORTEST_SECRET: usize = 8;

impl ApiKey {
    /// Checks that `key` can be sent in a header: not empty, visible ASCII only, neither in quotes
    /// nor with `Bearer ` in front. Nothing is removed from it, not even a line end.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] with a text that says what to change and never repeats the key.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        let key = SecretString::from(key.into());
        match fault(key.expose_secret()) {
            Some(fault) => Err(Error::config(fault)),
            None => Ok(Self::of_token(key.expose_secret())),
        }
    }

    /// Wraps visible ASCII.
    fn of_token(token: &str) -> Self {
        // Allocated once: a buffer that it grew out of would not be overwritten.
        let mut bearer = String::with_capacity(SCHEME.len() + token.len());
        bearer.push_str(SCHEME);
        bearer.push_str(token);
        let bearer = Wiped(SecretString::from(bearer));
        let mut bearer = HeaderValue::from_maybe_shared(Bytes::from_owner(bearer))
            .expect("visible ASCII is valid in a header");
        bearer.set_sensitive(true);
        Self { bearer }
    }

    fn exposed(&self) -> &[u8] {
        &self.bearer.as_bytes()[SCHEME.len()..]
    }

    /// Returns the value of the `Authorization` header.
    pub(crate) fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// Reads the token from an `Authorization` header of the caller.
    pub(crate) fn inside(value: &HeaderValue) -> Option<Self> {
        let token = value.to_str().ok()?.split_whitespace().next_back()?;
        is_visible_ascii(token).then(|| Self::of_token(token))
    }

    /// Returns `text` without this key, in case a server repeated it.
    ///
    /// A key too short to be a secret ("any", for a local server) is kept: removing it would damage
    /// words, and the JSON around them.
    pub(crate) fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let key = self.exposed();
        if key.len() < SHORTEST_SECRET { text.into() } else { redact(text, key) }
    }

    /// Returns a text without this key.
    pub(crate) fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.redact(text.as_bytes()) {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(redacted) => String::from_utf8_lossy(&redacted).into_owned().into(),
        }
    }
}

/// Returns the fault of a key, without repeating the key.
pub(crate) fn fault(key: &str) -> Option<&'static str> {
    let trimmed = key.trim();
    if trimmed.is_empty() {
        return Some("the API key is empty");
    }
    if trimmed.starts_with(QUOTES) || trimmed.ends_with(QUOTES) {
        return Some("the API key is in quotes; remove the quotes");
    }
    let first_word =
        trimmed.split(|char: char| char.is_whitespace() || [':', '='].contains(&char)).next();
    if first_word.is_some_and(|word| word.len() < trimmed.len() && is_scheme(word)) {
        return Some("the API key starts with \"Bearer \"; pass only the key, the rest is added");
    }
    if !key.is_ascii() {
        return Some("the API key has a character that is not ASCII; copy it again as plain text");
    }
    if trimmed.len() < key.len() {
        return Some(
            "the API key starts or ends with a space or line end; trim it, for example after \
             reading it from a file",
        );
    }
    let fault = "the API key has a space or control character inside";
    (!is_visible_ascii(key)).then_some(fault)
}

/// The quotes of keyboards and of word processors.
const QUOTES: [char; 16] =
    ['"', '\'', '`', '´', '“', '”', '„', '‟', '‘', '’', '‚', '‛', '«', '»', '‹', '›'];

fn is_scheme(word: &str) -> bool {
    ["bearer", "authorization"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

fn is_visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// The owner of the bytes of a header value, so that no copy outlives it.
struct Wiped(SecretString);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// A source of API keys that is asked before each attempt: a vault, a file that rotates, a login.
///
/// Closures that return a future are providers; see
/// [`ClientBuilder::api_key_provider`](crate::ClientBuilder::api_key_provider).
pub trait ApiKeyProvider: Send + Sync + 'static {
    /// Returns the key for the attempt that is about to be sent.
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

/// The source of the API key.
#[derive(Clone)]
pub(crate) enum Credentials {
    Key(ApiKey),
    /// A key in a default header with another name, as Azure requires. It is not sent as a bearer
    /// token, but redacted like one.
    OtherHeader(ApiKey),
    Provider(Arc<dyn ApiKeyProvider>),
    None,
}

/// The headers with a key that is not in `Authorization`: Azure's, Anthropic's, Google's.
pub(crate) const KEY_HEADERS: [&str; 3] = ["api-key", "x-api-key", "x-goog-api-key"];

impl Credentials {
    /// Returns the keys in the default headers of the caller, or else these.
    ///
    /// An `Authorization` takes precedence over the key of the client; a key in another header
    /// counts where the client has none.
    pub(crate) fn or_in_headers(self, headers: &HeaderMap) -> Self {
        if let Some(value) = headers.get(AUTHORIZATION) {
            return ApiKey::inside(value).map_or(Self::None, Self::Key);
        }
        let other = || KEY_HEADERS.iter().find_map(|name| ApiKey::inside(headers.get(*name)?));
        match self {
            Self::None => other().map_or(Self::None, Self::OtherHeader),
            _ => self,
        }
    }

    /// Returns the key to send as a bearer token, if it is the same for all calls.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::OtherHeader(_) | Self::Provider(_) | Self::None => None,
        }
    }

    /// Returns the key to redact from responses, if it is the same for all calls.
    pub(crate) fn secret(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) | Self::OtherHeader(key) => Some(key),
            Self::Provider(_) | Self::None => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::OtherHeader(_) => "OtherHeader",
            Self::Provider(_) => "Provider",
            Self::None => "None",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn a_key_that_cannot_be_one_is_refused_with_the_right_hint() {
        let table = [
            ("", "empty"),
            (" \n", "empty"),
            ("\"canary-1\"", "quotes"),
            ("'canary-1'", "quotes"),
            (" 'canary-1' ", "quotes"),
            ("\"canary-1", "quotes"),
            ("canary-1'", "quotes"),
            ("“canary-1”", "quotes"),
            ("„canary-1“", "quotes"),
            ("‚canary-1‘", "quotes"),
            ("»canary-1«", "quotes"),
            ("‹canary-1›", "quotes"),
            ("`canary-1`", "quotes"),
            ("\u{feff}\"canary-1\"", "quotes"),
            ("\"canary-1\"\n", "quotes"),
            ("\"Bearer canary-1\"", "quotes"),
            ("Bearer canary-1", "Bearer"),
            ("bearer canary-1", "Bearer"),
            ("BEARER  canary-1\n", "Bearer"),
            ("Bearer\tcanary-1", "Bearer"),
            ("Bearer: canary-1", "Bearer"),
            ("Authorization: Bearer canary-1", "Bearer"),
            ("Authorization=Bearer canary-1", "Bearer"),
            ("Bearer\u{a0}canary-1", "Bearer"),
            ("\nBearer canary-1", "Bearer"),
            ("canary-é", "not ASCII"),
            ("canary–1", "not ASCII"),
            ("canary-1\u{200b}", "not ASCII"),
            ("canary-1\u{a0}", "not ASCII"),
            ("\u{feff}canary-1", "not ASCII"),
            ("canary-1\n", "line end"),
            ("canary-1\r\n", "line end"),
            (" canary-1", "line end"),
            ("canary 1", "inside"),
            ("canary\n1", "inside"),
            ("canary\u{7f}1", "inside"),
            ("canary\u{0}1", "inside"),
        ];
        for (key, hint) in table {
            let error = ApiKey::new(key).expect_err(key);
            assert!(error.is_config(), "{key:?}");
            let text = error.to_string();
            assert!(text.contains(hint), "{key:?}: {text}");
            assert!(!format!("{text}{error:?}").contains("canary"), "{key:?}: {text}");
        }
        for key in ["sk-1", "bearer", "bearer-1", "a'b", "eyJ.a_b-c~d+e/f==", "x:y"] {
            assert_eq!(ApiKey::new(key).unwrap().exposed(), key.as_bytes());
        }
    }

    #[test]
    fn the_token_of_a_header_is_known_whatever_its_form() {
        let table = [
            ("Bearer canary-1", Some("canary-1")),
            ("canary-1", Some("canary-1")),
            ("Key \"canary-1\"", Some("\"canary-1\"")),
            ("", None),
            ("  ", None),
        ];
        for (value, token) in table {
            let key = ApiKey::inside(&HeaderValue::from_static(value));
            let found = key.as_ref().map(ApiKey::exposed);
            assert_eq!(found, token.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn a_key_of_eight_characters_is_redacted_and_a_shorter_one_is_kept() {
        for (key, is_redacted) in [("abcdefg", false), ("abcdefgh", true), ("abcdefghi", true)] {
            let text = format!("the key {key} is wrong");
            let redacted = ApiKey::new(key).unwrap().redact_text(&text).into_owned();
            assert_eq!(redacted.contains(key), !is_redacted, "{redacted}");
        }
    }

    #[test]
    fn a_default_header_with_another_name_has_the_key_only_without_a_key_of_the_client() {
        let header = |name: &'static str, value| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let exposed = |credentials: &Credentials| {
            credentials.secret().map(|key| String::from_utf8(key.exposed().to_vec()).unwrap())
        };
        let own = || Credentials::Key(ApiKey::new("canary-1").unwrap());
        for name in KEY_HEADERS {
            let headers = header(name, "canary-2");
            let found = Credentials::None.or_in_headers(&headers);
            assert!(matches!(found, Credentials::OtherHeader(_)), "{name}");
            assert_eq!(exposed(&found).as_deref(), Some("canary-2"), "{name}");
            assert!(found.key().is_none(), "{name} is not a bearer token");
            let found = own().or_in_headers(&headers);
            assert!(matches!(found, Credentials::Key(_)), "{name}");
            assert_eq!(exposed(&found).as_deref(), Some("canary-1"), "{name}");
        }
        let headers = header("authorization", "Bearer canary-3");
        for before in [own(), Credentials::None] {
            let found = before.or_in_headers(&headers);
            assert_eq!(found.key().map(ApiKey::exposed), Some(&b"canary-3"[..]));
        }
        let unreadable = own().or_in_headers(&header("authorization", ""));
        assert!(matches!(unreadable, Credentials::None));
        let none = Credentials::None.or_in_headers(&HeaderMap::new());
        assert!(matches!(none, Credentials::None));
    }
}
