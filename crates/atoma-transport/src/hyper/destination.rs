//! The destination of a request, and its form on the wire.
//!
//! A [`Target`] is the key of the connection pools, so it is read once per request and compared often. It keeps the authority as
//! the URL spells it, and positions in it.

use crate::{Delivery, ErrorKind, TransportError};
use http::{
    HeaderValue, Method, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use std::hash::{Hash, Hasher};

/// The server a URL names.
#[derive(Clone, Debug, Eq)]
pub(super) struct Target {
    /// Whether the scheme is `https`.
    pub(super) https: bool,
    /// Host and port, as the URL spells them.
    authority: Authority,
    /// The length of the host in the authority.
    host: usize,
    /// The port, the scheme's own if the URL has none.
    port: u16,
    /// The value of `Host`: without the port where it is the scheme's own (RFC 9110, section 7.2).
    host_header: HeaderValue,
}

impl Target {
    /// Reads the server from an absolute `http` or `https` URL.
    pub(super) fn of(uri: &Uri) -> Result<Self, TransportError> {
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) => return Err(refused("its URL is neither http nor https")),
            None => return Err(refused("its URL is not absolute")),
        };
        let authority = uri.authority().ok_or_else(|| refused("its URL names no server"))?;
        let text = authority.as_str();
        // One pass finds the end of an IPv6 address, the port, and credentials.
        let (mut bracket, mut colon) = (None, None);
        for (place, byte) in text.bytes().enumerate() {
            match byte {
                b'@' => {
                    return Err(refused("its URL holds credentials: they belong into a header"));
                }
                b']' => bracket = bracket.or(Some(place + 1)),
                b':' => colon = colon.or(Some(place)),
                _ => {}
            }
        }
        let host = bracket.or(colon).unwrap_or(text.len());
        let port = match text[host..].strip_prefix(':') {
            Some(port) => parse_port(port).unwrap_or(0),
            None if host == text.len() => usual_port(https),
            None => 0,
        };
        if without_brackets(&text[..host]).is_empty() || port == 0 {
            return Err(refused("its URL names no server"));
        }
        let host_header = if port == usual_port(https) { &text[..host] } else { text };
        let host_header =
            HeaderValue::from_str(host_header).unwrap_or_else(|_| HeaderValue::from_static(""));
        Ok(Self { https, authority: authority.clone(), host, port, host_header })
    }

    /// Whether `uri` names this server, in the same spelling.
    pub(super) fn is_of(&self, uri: &Uri) -> bool {
        let scheme = if self.https { &Scheme::HTTPS } else { &Scheme::HTTP };
        let is_authority = |other: &Authority| self.authority.as_str() == other.as_str();
        uri.authority().is_some_and(is_authority) && uri.scheme() == Some(scheme)
    }

    /// The host, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        without_brackets(self.host_with_brackets())
    }

    /// The host as in the URL.
    fn host_with_brackets(&self) -> &str {
        &self.authority.as_str()[..self.host]
    }

    /// The port to connect to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host and its port, as CONNECT wants it.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host_with_brackets(), self.port)
    }
}

/// Compares scheme and authority, which determine the rest. Equal spelling is the usual case and is
/// checked first; only then is case ignored.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let is_spelled_alike = self.authority.as_str() == other.authority.as_str();
        self.https == other.https && (is_spelled_alike || self.authority == other.authority)
    }
}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.https.hash(state);
        self.authority.hash(state);
    }
}

/// A port of digits only. `u16::from_str` would read `+80` as well.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

/// The port of a URL without one.
fn usual_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Puts a request into the form it has on an HTTP/1.1 connection.
///
/// The path alone is written, or the whole URL if a forward proxy is to read it (RFC 9112, 3.2).
/// Its length is the body's: a length or coding the caller stated could contradict it.
pub(super) fn prepare<B>(
    request: &mut http::Request<B>,
    target: &Target,
    via_forward_proxy: bool,
) -> Result<(), TransportError> {
    if request.method() == Method::CONNECT {
        return Err(refused("CONNECT is the proxy's method"));
    }
    if !via_forward_proxy {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let is_framing = |name| name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
    if headers.keys().any(is_framing) {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
    }
    // The caller may name another host, for a server behind an address.
    headers.entry(header::HOST).or_insert_with(|| target.host_header.clone());
    Ok(())
}

/// A host without the brackets of an IPv6 address.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The error of a request that has no form on the wire.
fn refused(detail: &'static str) -> TransportError {
    TransportError::new(ErrorKind::Request, Delivery::NotSent).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use bytes::Bytes;
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    fn target(uri: &str) -> Result<Target, TransportError> {
        Target::of(&uri.parse().unwrap())
    }

    fn request(uri: &str) -> Request {
        http::Request::builder().uri(uri).body(Bytes::from_static(b"{}")).unwrap()
    }

    #[test]
    fn a_url_names_a_server() {
        for (uri, https, host, port, header) in [
            ("https://api.atoma.network/v1", true, "api.atoma.network", 443, "api.atoma.network"),
            ("http://localhost", false, "localhost", 80, "localhost"),
            ("http://localhost:80/", false, "localhost", 80, "localhost"),
            ("https://host:80/", true, "host", 80, "host:80"),
            ("http://[::1]:8080/v1?x=1", false, "::1", 8080, "[::1]:8080"),
            ("https://[::1]/", true, "::1", 443, "[::1]"),
        ] {
            let target = target(uri).unwrap();
            assert_eq!((target.https, target.host(), target.port()), (https, host, port), "{uri}");
            assert_eq!(target.host_header, header, "{uri}");
        }
    }

    #[test]
    fn a_url_without_a_server_is_an_error() {
        for uri in [
            "/v1/models",
            "localhost:80",
            "ftp://host/",
            "http://user:secret@host/",
            "https://secret@host/",
            "http://host:0/",
            "http://host:/",
            "http://host:+8080/",
            "http://[::1]:+80/",
            "http://[::1]80/",
            "*",
        ] {
            let error = target(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Request, "{uri}");
            assert_eq!(error.delivery(), Delivery::NotSent);
            assert!(!format!("{error} {error:?}").contains("secret"), "{uri}");
        }
    }

    #[test]
    fn the_path_alone_is_written() {
        for (uri, direct) in [
            ("http://host/v1/chat?stream=1", "/v1/chat?stream=1"),
            ("http://host", "/"),
            ("http://host?x", "/?x"),
        ] {
            let target = target(uri).unwrap();
            let (mut written, mut forwarded) = (request(uri), request(uri));
            prepare(&mut written, &target, false).unwrap();
            assert_eq!(written.uri(), direct, "{uri}");
            prepare(&mut forwarded, &target, true).unwrap();
            assert!(forwarded.uri().to_string().starts_with("http://host/"), "{uri}");
        }
    }

    #[test]
    fn the_head_is_the_callers_but_for_its_length() {
        let mut request = request("http://host/");
        request.headers_mut().insert("content-length", HeaderValue::from_static("99"));
        request.headers_mut().insert("transfer-encoding", HeaderValue::from_static("chunked"));
        request.headers_mut().insert("host", HeaderValue::from_static("other"));
        request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer k"));
        let target = target("http://host/").unwrap();
        prepare(&mut request, &target, false).unwrap();
        let written = request;
        assert_eq!(written.headers().len(), 2);
        assert_eq!(written.headers()["host"], "other");
        assert_eq!(written.headers()["authorization"], "Bearer k");
    }

    #[test]
    fn servers_are_equal_by_scheme_and_authority() {
        let hashed =
            |target: &Target| BuildHasherDefault::<DefaultHasher>::default().hash_one(target);
        for (one, other, is_same) in [
            ("http://host/a", "http://host/b", true),
            ("http://host/", "http://HOST/", true),
            ("http://host/", "https://host/", false),
            ("http://host/", "https://HOST/", false),
            ("http://host/", "http://other/", false),
            ("http://host:1/", "http://host:2/", false),
            ("http://host:80/", "https://host:443/", false),
        ] {
            let (one, other) = (target(one).unwrap(), target(other).unwrap());
            assert_eq!(one == other, is_same, "{one:?} {other:?}");
            assert_eq!(hashed(&one) == hashed(&other), is_same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_url_is_of_a_server_if_it_is_spelled_alike() {
        for (server, uri, expected) in [
            ("http://host/", "http://host/path?query", true),
            ("https://host:1/", "https://host:1/", true),
            ("http://host/", "https://host/", false),
            ("https://host/", "http://host/", false),
            ("http://host/", "http://other/", false),
            ("http://host/", "http://HOST/", false),
            ("http://host/", "/path", false),
        ] {
            let is_of = target(server).unwrap().is_of(&uri.parse().unwrap());
            assert_eq!(is_of, expected, "{server} {uri}");
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_by_host_and_port() {
        for (uri, expected) in [
            ("https://host/", "host:443"),
            ("http://host/", "host:80"),
            ("https://[::1]:8443/", "[::1]:8443"),
            ("https://[::1]/", "[::1]:443"),
        ] {
            assert_eq!(target(uri).unwrap().host_and_port(), expected);
        }
    }

    #[test]
    fn a_request_is_sent_as_http_1_1_and_never_as_connect() {
        let target = target("http://host:81/").unwrap();
        let mut sent = request("http://host:81/");
        *sent.version_mut() = Version::HTTP_2;
        prepare(&mut sent, &target, false).unwrap();
        assert_eq!(
            (sent.version(), &sent.headers()["host"]),
            (Version::HTTP_11, &"host:81".parse().unwrap())
        );
        for method in [Method::CONNECT, Method::GET] {
            let mut sent = request("http://host:81/");
            *sent.method_mut() = method.clone();
            assert_eq!(prepare(&mut sent, &target, false).is_err(), method == Method::CONNECT);
        }
    }

    #[test]
    fn either_framing_header_of_the_caller_is_removed() {
        let target = target("http://host/").unwrap();
        for name in ["content-length", "transfer-encoding"] {
            let mut sent = request("http://host/");
            sent.headers_mut().insert(name, HeaderValue::from_static("1"));
            prepare(&mut sent, &target, false).unwrap();
            assert!(!sent.headers().contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_port_is_a_number_of_digits_from_1() {
        for (text, port) in [
            ("1", Some(1)),
            ("65535", Some(65535)),
            ("0", None),
            ("65536", None),
            ("+80", None),
            ("-1", None),
            ("80 ", None),
            ("", None),
        ] {
            assert_eq!(parse_port(text), port, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_url_names_a_server_or_is_refused(uri in "(https?|ftp)?(://)?[a-z@:\\[\\].0-9]{0,12}/?[a-z?]*") {
            if let Ok(Ok(target)) = uri.parse().map(|uri| Target::of(&uri)) {
                proptest::prop_assert!(!target.host().is_empty() && target.port() != 0);
                proptest::prop_assert!(!target.host_header.is_empty());
                proptest::prop_assert!(!target.host_and_port().contains('@'));
            }
        }
    }
}
