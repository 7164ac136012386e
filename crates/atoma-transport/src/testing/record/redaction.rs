//! Removes secrets from a recording before it is written.
//!
//! Recordings are committed to repositories. Headers that carry secrets are replaced whole; their values are then searched for in
//! everything else of the exchange, because servers repeat keys in error messages and URLs.
use super::format::{Headers, Values};
use crate::Request;
use http::{HeaderMap, HeaderName, Uri};

/// The replacement of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// Headers that carry secrets, in requests and responses.
const SECRET_HEADERS: [&str; 9] = [
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
];
/// Query parameters that carry keys.
const SECRET_PARAMETERS: [&str; 6] =
    ["access_token", "api-key", "api_key", "apikey", "key", "token"];
/// Shorter values are words that may appear anywhere.
const SHORTEST_SECRET: usize = 8;

/// The settings: which headers are redacted in addition.
#[derive(Clone, Default)]
pub(super) struct Redaction {
    /// Headers that the test added.
    headers: Vec<HeaderName>,
}

/// The secrets of one request, which are searched for in everything that belongs to it.
pub(super) struct Secrets {
    /// The settings, for the headers of the response.
    redaction: Redaction,
    /// The secrets, the longest first.
    values: Vec<String>,
}

impl Redaction {
    /// Adds a header whose value is secret.
    pub(super) fn add(&mut self, header: HeaderName) {
        self.headers.push(header);
    }

    /// Returns whether the value of a header is replaced.
    fn covers(&self, name: &HeaderName, is_sensitive: bool) -> bool {
        is_sensitive || SECRET_HEADERS.contains(&name.as_str()) || self.headers.contains(name)
    }

    /// Finds the secrets of a request: in its headers, its URL and its query.
    pub(super) fn secrets_of(&self, request: &Request) -> Secrets {
        let mut values = Vec::new();
        for (name, value) in request.headers() {
            let is_secret = self.covers(name, value.is_sensitive());
            let Ok(value) = value.to_str() else { continue };
            if is_secret {
                // "Bearer KEY": the key may appear alone.
                values.push(value.rsplit(' ').next().unwrap_or(value).to_owned());
            }
        }
        values.extend(password(request.uri()).map(str::to_owned));
        for (name, value) in parameters(request.uri()) {
            if SECRET_PARAMETERS.contains(&name) {
                values.push(value.to_owned());
            }
        }
        values.retain(|value| value.len() >= SHORTEST_SECRET);
        // A secret may be part of a longer one.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Secrets { redaction: self.clone(), values }
    }
}

impl Secrets {
    /// Returns headers without secrets.
    pub(super) fn headers(&self, headers: &HeaderMap) -> Headers {
        let mut redacted = Headers::new();
        for (name, value) in headers {
            let value = if self.redaction.covers(name, value.is_sensitive()) {
                REDACTED.to_owned()
            } else {
                self.text(&String::from_utf8_lossy(value.as_bytes()))
            };
            redacted
                .entry(name.as_str().to_owned())
                .and_modify(|values| values.push(value.clone()))
                .or_insert(Values::One(value));
        }
        redacted
    }

    /// Returns the URI without a user and a password.
    pub(super) fn uri(&self, uri: &Uri) -> String {
        let text = uri.to_string();
        match user_info(uri) {
            Some(user_info) => self.text(&text.replacen(&format!("{user_info}@"), "", 1)),
            None => self.text(&text),
        }
    }

    /// Returns a text without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
    }

    /// Returns the bytes without secrets; those that are not UTF-8 are searched byte by byte.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.values.iter().fold(bytes.to_vec(), |bytes, secret| {
            let secret = secret.as_bytes();
            let mut redacted = Vec::with_capacity(bytes.len());
            let mut rest = &bytes[..];
            while let Some(at) = rest.windows(secret.len()).position(|part| part == secret) {
                redacted.extend_from_slice(&rest[..at]);
                redacted.extend_from_slice(REDACTED.as_bytes());
                rest = &rest[at + secret.len()..];
            }
            redacted.extend_from_slice(rest);
            redacted
        })
    }
}

/// The part of a URL before the `@`.
fn user_info(uri: &Uri) -> Option<&str> {
    uri.authority()?.as_str().rsplit_once('@').map(|(user_info, _)| user_info)
}

/// The password in a URL.
fn password(uri: &Uri) -> Option<&str> {
    user_info(uri)?.split_once(':').map(|(_, password)| password)
}

/// The parameters of a URL's query, as they are spelled.
fn parameters(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='))
}
