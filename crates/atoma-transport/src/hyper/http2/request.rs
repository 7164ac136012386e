//! The form of a request on an HTTP/2 connection.

use super::super::destination::{self, Target};
use crate::{Request, TransportError};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri, Version, header, uri};

/// Headers that HTTP/2 forbids or expresses differently (RFC 9113, section 8.2.2).
const OF_HTTP_1: [HeaderName; 6] = [
    header::CONNECTION,
    header::HOST,
    header::TE,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Puts a request into the form it has in HTTP/2: the whole URL, and no header about the connection.
///
/// A `Host` header from the caller becomes the authority, as it would be used in HTTP/1.1.
pub(super) fn outgoing(
    request: &Request,
    target: &Target,
) -> Result<http::Request<Bytes>, TransportError> {
    let mut plain = http::Request::new(request.body().clone());
    *plain.method_mut() = request.method().clone();
    *plain.uri_mut() = request.uri().clone();
    *plain.headers_mut() = request.headers().clone();

    destination::prepare(&mut plain, target, true)?;
    if let Some(uri) = with_authority(plain.uri(), plain.headers().get(header::HOST)) {
        *plain.uri_mut() = uri;
    }
    for name in OF_HTTP_1 {
        plain.headers_mut().remove(name);
    }
    let length = plain.body().len();
    if length > 0 {
        plain.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    *plain.version_mut() = Version::HTTP_2;
    Ok(plain)
}

/// `None` if `host` cannot be an authority.
fn with_authority(uri: &Uri, host: Option<&HeaderValue>) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(uri::Authority::try_from(host?.as_bytes()).ok()?);
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
    }
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request) -> http::Request<Bytes> {
        outgoing(request, &Target::of(request.uri()).unwrap()).unwrap()
    }

    #[test]
    fn headers_of_http_1_are_left_out() {
        let request = http::Request::post("http://host:80/v1?x=1")
            .header("connection", "close")
            .header("host", "other:8080")
            .header("te", "trailers")
            .header("upgrade", "h2c")
            .header("keep-alive", "1")
            .header("proxy-connection", "close")
            .header("transfer-encoding", "chunked")
            .header("content-length", "99")
            .header("authorization", "Bearer k")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let written = written(&request);
        assert_eq!(written.uri(), "http://other:8080/v1?x=1");
        assert_eq!(written.headers().len(), 2);
        assert_eq!(written.headers()["authorization"], "Bearer k");
        assert_eq!(written.headers()["content-length"], "2");
        assert_eq!(written.version(), Version::HTTP_2);
    }

    #[test]
    fn the_url_names_the_server() {
        for (uri, full) in [
            ("https://host", "https://host/"),
            ("https://host:443/", "https://host/"),
            ("http://host:81?x", "http://host:81/?x"),
            ("https://[::1]/a", "https://[::1]/a"),
        ] {
            let request = http::Request::get(uri).body(Bytes::new()).unwrap();
            let written = written(&request);
            assert_eq!(written.uri(), full, "{uri}");
            assert!(written.headers().is_empty(), "{uri}");
        }
    }

    #[test]
    fn a_host_that_is_none_does_not_count() {
        let request = http::Request::get("https://host/").header("host", "a b").body(Bytes::new());
        assert_eq!(written(&request.unwrap()).uri(), "https://host/");
    }
}
