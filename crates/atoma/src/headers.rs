//! Puts the client's headers and API key on each attempt.

use crate::{
    ApiKey, Error,
    api_key::{KEY_HEADERS, fault},
};
use atoma_transport::{Request, Response, ResponseFuture, Transport};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use std::borrow::Cow;

/// The layer that adds the client's headers and its API key. Headers of the call take precedence.
///
/// It is below the retries, so that the copy of the request that they keep is small.
#[derive(Debug)]
pub(crate) struct Headers<T> {
    inner: T,
    /// With the key, if it is the same for all calls.
    defaults: HeaderMap,
}

/// Marks a request to another server, as an extension: it gets no header of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithoutClientHeaders;

/// Room for the host and the length, which are added later.
const FURTHER_HEADERS: usize = 2;

impl<T: Transport> Headers<T> {
    /// An `Authorization` among `defaults` takes precedence over `key`.
    pub(crate) fn new(inner: T, mut defaults: HeaderMap, key: Option<&ApiKey>) -> Self {
        if let (Some(key), false) = (key, defaults.contains_key(AUTHORIZATION)) {
            set(&mut defaults, AUTHORIZATION, key.bearer().clone());
        }
        Self { inner, defaults }
    }

    /// Returns the defaults, overridden by `own`. Allocated once with room for further headers:
    /// growing the map would cost as much as filling it.
    ///
    /// A request without a body gets no content type: some frameworks refuse an empty body that is
    /// labeled as JSON.
    fn all(&self, own: &HeaderMap, has_body: bool) -> HeaderMap {
        // Exactly: the seventh header doubles the map, which takes 100 bytes for each.
        let added = own.keys().filter(|name| !self.defaults.contains_key(*name)).count();
        let count = self.defaults.len() + added + FURTHER_HEADERS;
        let mut headers = HeaderMap::with_capacity(count);
        let defaults = self.defaults.iter().filter(|(name, _)| has_body || *name != CONTENT_TYPE);
        for (name, value) in defaults.chain(own) {
            set(&mut headers, name.clone(), value.clone());
        }
        headers
    }
}

impl<T: Transport> Transport for Headers<T> {
    fn send(&self, mut request: Request) -> ResponseFuture {
        if request.extensions().get::<WithoutClientHeaders>().is_some() {
            return self.inner.send(request);
        }
        let own_key = request.headers().get(AUTHORIZATION).map(ApiKey::inside);
        *request.headers_mut() = self.all(request.headers(), !request.body().is_empty());
        match own_key {
            Some(Some(key)) => redacting(key, self.inner.send(request)),
            // The retries redact the client's own key.
            Some(None) | None => self.inner.send(request),
        }
    }
}

/// Sets a header. Not inlined: inserting into a `HeaderMap` is about 1.5 kB of code at each place.
#[inline(never)]
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

/// Headers that frame the message or belong to the connection: the client and its transport set
/// them, or must not send them.
const MANAGED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parses a header of a call. Its value is marked as sensitive, because it may be a key.
///
/// The error repeats neither: the name may be a key, if the two were swapped.
pub(crate) fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let name = HeaderName::try_from(name).map_err(|_| {
        Error::config("invalid header name: it is empty or has a character that is not allowed")
    })?;
    if MANAGED.contains(&name.as_str()) {
        return Err(set_by_client(&name));
    }
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        Error::config(format!("invalid value of the header {name}: it has a control character"))
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Parses a header for all calls. `Accept` and `Content-Type` depend on the call, which would
/// override them.
pub(crate) fn parse_default_header(
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), Error> {
    if let Some(fault) = key_fault(name, value) {
        return Err(Error::config(format!(
            "{fault} (in the header {})",
            name.to_ascii_lowercase()
        )));
    }
    let (name, value) = parse_header(name, value)?;
    if name == ACCEPT || name == CONTENT_TYPE {
        return Err(set_by_client(&name));
    }
    Ok((name, value))
}

/// Returns the fault of a key in a header that holds one, as for one that is given to the builder.
fn key_fault(name: &str, value: &str) -> Option<&'static str> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is(AUTHORIZATION.as_str()) {
        // Other schemes than `Bearer` have other rules.
        return value.strip_prefix("Bearer ").and_then(fault);
    }
    KEY_HEADERS.into_iter().any(is).then(|| fault(value))?
}

fn set_by_client(name: &HeaderName) -> Error {
    Error::config(format!("the header {name} is set by the client itself; remove it"))
}

/// Redacts a key that is not the client's own from the headers of a response.
fn redacting(key: ApiKey, mut sent: ResponseFuture) -> ResponseFuture {
    Box::pin(async move {
        let mut outcome = sent.as_mut().await;
        if let Ok(response) = &mut outcome {
            redact(&key, response);
        }
        outcome
    })
}

/// Redacts the key from the headers, in case the server repeated it: the record of the attempts
/// quotes one of them.
pub(crate) fn redact(key: &ApiKey, response: &mut Response) {
    for value in response.headers_mut().values_mut() {
        if let Cow::Owned(redacted) = key.redact(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&redacted)
                .unwrap_or_else(|_| HeaderValue::from_static("[key]"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::testing::ScriptedTransport;

    #[test]
    fn a_key_in_a_default_header_is_checked_like_any_other() {
        for (name, value, hint) in [
            ("api-key", "\"canary\"", "quotes"),
            ("Api-Key", "“canary”", "quotes"),
            ("x-api-key", "Bearer canary", "Bearer"),
            ("X-Goog-Api-Key", "canary\n", "line end"),
            ("api-key", "canaré", "not ASCII"),
            ("api-key", " ", "empty"),
            ("authorization", "Bearer \"canary\"", "quotes"),
            ("Authorization", "Bearer Bearer canary", "Bearer"),
            ("authorization", "Bearer canary\n", "line end"),
            ("x-other", "canary\r\n", "control character"),
            ("accept", "*/*", "set by the client"),
            ("content-type", "text/plain", "set by the client"),
        ] {
            let error = parse_default_header(name, value).expect_err(value).to_string();
            assert!(error.contains(hint), "{name}: {value:?}: {error}");
            assert!(error.contains(&name.to_lowercase()) && !error.contains("canar"), "{error}");
        }
        for (name, value) in [
            ("api-key", "canary"),
            ("authorization", "Bearer canary"),
            ("authorization", "Basic Y2FuYXJ5"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, Signature=\"c\""),
            ("x-other", "\"in quotes\""),
        ] {
            assert!(parse_default_header(name, value).is_ok(), "{name}: {value}");
        }
    }

    #[test]
    fn headers_of_the_call_override_the_defaults_and_an_empty_body_has_no_content_type() {
        let map = |headers: &[(&'static str, &'static str)]| -> HeaderMap {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            headers.iter().map(header).collect()
        };
        let defaults = map(&[("content-type", "application/json"), ("x-a", "1"), ("x-b", "2")]);
        let layer = Headers::new(ScriptedTransport::new([]), defaults, None);
        let own = map(&[("x-b", "3"), ("x-c", "4")]);
        let rest = [("x-a", "1"), ("x-b", "3"), ("x-c", "4")];
        assert_eq!(layer.all(&own, false), map(&rest));
        let with_type = [&[("content-type", "application/json")], &rest[..]].concat();
        assert_eq!(layer.all(&own, true), map(&with_type));
    }

    #[test]
    fn the_headers_of_a_request_have_room_for_the_host_and_the_length_alone() {
        let map = |names: &[&'static str]| -> HeaderMap {
            let header = |name| (HeaderName::from_static(name), HeaderValue::from_static("1"));
            names.iter().copied().map(header).collect()
        };
        for (defaults, own) in [
            (&[][..], &["a", "b", "c", "d"][..]),
            (&["a"], &["b", "c", "d", "e"]),
            (&["a", "b", "c", "d"], &["a", "b", "c", "d"]),
        ] {
            let layer = Headers::new(ScriptedTransport::new([]), map(defaults), None);
            let headers = layer.all(&map(own), true);
            let expected = HeaderMap::<HeaderValue>::with_capacity(headers.len() + 2).capacity();
            assert_eq!(headers.capacity(), expected, "{defaults:?} and {own:?}");
        }
    }

    #[test]
    fn a_request_has_a_content_type_if_it_has_a_body() {
        for body in ["", "{}"] {
            let server = ScriptedTransport::new([]);
            let json = HeaderValue::from_static("application/json");
            let defaults = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
            let layer = Headers::new(server.clone(), defaults, None);
            drop(layer.send(Request::new(body.into())));
            let sent = server.requests();
            assert_eq!(sent[0].headers().contains_key(CONTENT_TYPE), !body.is_empty(), "{body}");
        }
    }

    #[test]
    fn a_key_is_redacted_from_every_header_of_a_response() {
        let key = ApiKey::new("canary-1").unwrap();
        let mut response = Response::default();
        for (name, value) in [("x-a", "the key canary-1 is wrong"), ("x-b", "no key")] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        redact(&key, &mut response);
        assert_eq!(response.headers()["x-a"], "the key [key] is wrong");
        assert_eq!(response.headers()["x-b"], "no key");
    }
}
