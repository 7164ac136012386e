//! Accepts or rejects response heads.

use super::keep_alive::KeepAlive;
use crate::{Delivery, ErrorKind, TransportError};
use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header, response::Parts};

/// The properties of an accepted head.
pub(super) struct Checked {
    /// The body is compressed although it was not requested. Only the status can be used.
    pub(super) is_encoded: bool,
    /// The connection may serve another exchange after it.
    ///
    /// Not after HTTP/1.0, whose keep-alive proxies get wrong, and not if two lengths contradict
    /// each other (RFC 9112, section 6.1). hyper itself handles `Connection: close`.
    pub(super) is_reusable: bool,
    pub(super) keep_alive: KeepAlive,
}

/// Rejects a head that does not determine where its body ends, or whose body is compressed.
pub(super) fn check(head: &Parts) -> Result<Checked, TransportError> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(ErrorKind::Protocol, "an upgrade that was not asked for (101)"));
    }
    // One pass: looking up each of the three costs more than reading a usual head.
    let (mut codings, mut is_encoded, mut has_length) = (0, false, false);
    let mut keep_alive = KeepAlive::default();
    for (name, line) in &head.headers {
        if name == header::TRANSFER_ENCODING {
            for coding in members(line) {
                // hyper takes `gzip, chunked` for chunked and hands the body on as gzip (RFC 9112, 6.1).
                if !coding.eq_ignore_ascii_case(b"chunked") {
                    let detail = "a transfer coding other than chunked";
                    return Err(refused(ErrorKind::Protocol, detail));
                }
                codings += 1;
            }
        } else if name == header::CONTENT_ENCODING {
            is_encoded |= members(line).any(is_registered_coding);
        } else if name == header::CONTENT_LENGTH {
            has_length = true;
        } else if name == "keep-alive" {
            keep_alive.read(line);
        }
    }
    if codings > 1 {
        return Err(refused(ErrorKind::Protocol, "chunked more than once"));
    }
    if head.status.is_success() && is_encoded {
        return Err(refused(ErrorKind::Encoding, "content-encoding is not identity"));
    }
    let has_two_lengths = codings > 0 && has_length;
    let is_reusable = head.version == Version::HTTP_11 && !has_two_lengths;
    Ok(Checked { is_encoded, is_reusable, keep_alive })
}

/// Copies the values out of the connection's read buffer, all into one piece of memory.
///
/// A caller who keeps the headers of a stream would keep the whole buffer, and the connection would
/// need a second one. Nor is the map kept that hyper used for the request before, if it has room for
/// two more headers: each takes 100 bytes.
pub(super) fn detach(headers: &mut HeaderMap) {
    let mut copied = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values_mut() {
        copied.extend_from_slice(value.as_bytes());
        if let Ok(detached) = HeaderValue::from_maybe_shared(copied.split().freeze()) {
            *value = detached;
        }
    }
    if headers.capacity() >= headers.len() + 2 {
        *headers = headers.clone();
    }
}

fn refused(kind: ErrorKind, detail: &'static str) -> TransportError {
    TransportError::new(kind, Delivery::Unknown).with_detail(detail)
}

/// The members of a list header's line, trimmed.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// The content codings that are registered with IANA and change bytes.
///
/// Other tokens (`none`, `utf-8`, `chunked`, `aws-chunked`, …) are written by servers that do not
/// encode anything.
const CODINGS: [&[u8]; 12] = [
    b"gzip",
    b"x-gzip",
    b"deflate",
    b"compress",
    b"x-compress",
    b"br",
    b"zstd",
    b"dcb",
    b"dcz",
    b"exi",
    b"pack200-gzip",
    b"aes128gcm",
];

/// Parameters and quotes, which a coding cannot have, do not change it.
fn is_registered_coding(coding: &[u8]) -> bool {
    let coding = coding.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let coding = coding.strip_prefix(b"\"").unwrap_or(coding);
    let coding = coding.strip_suffix(b"\"").unwrap_or(coding).to_ascii_lowercase();
    CODINGS.contains(&&*coding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn head(status: u16, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut response = Response::builder().status(status).version(version);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_head_is_believed_or_not() {
        use ErrorKind::{Encoding, Protocol};
        let table: &[(&str, u16, &[(&str, &str)], Option<ErrorKind>)] = &[
            ("plain", 200, &[], None),
            ("with a length", 200, &[("content-length", "5")], None),
            ("chunked", 200, &[("transfer-encoding", "chunked")], None),
            ("chunked in capitals", 200, &[("transfer-encoding", " Chunked ")], None),
            ("gzip, chunked", 200, &[("transfer-encoding", "gzip, chunked")], Some(Protocol)),
            ("gzip", 200, &[("transfer-encoding", "gzip")], Some(Protocol)),
            ("empty coding", 200, &[("transfer-encoding", "")], Some(Protocol)),
            ("chunked, chunked", 200, &[("transfer-encoding", "chunked, chunked")], Some(Protocol)),
            (
                "chunked on two lines",
                200,
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                Some(Protocol),
            ),
            ("content gzip", 200, &[("content-encoding", "gzip")], Some(Encoding)),
            ("content br", 200, &[("content-encoding", "identity, br")], Some(Encoding)),
            ("content gzip in a refusal", 503, &[("content-encoding", "gzip")], None),
            ("content identity", 200, &[("content-encoding", "Identity")], None),
            ("content empty", 200, &[("content-encoding", "")], None),
            ("content none", 200, &[("content-encoding", "none")], None),
            ("content utf-8", 200, &[("content-encoding", "UTF-8")], None),
            ("content chunked", 200, &[("content-encoding", "chunked")], None),
            ("content aws-chunked", 200, &[("content-encoding", "aws-chunked")], None),
            ("content of two names", 200, &[("content-encoding", "identity, none")], None),
            ("content unknown", 200, &[("content-encoding", "x-nothing")], None),
            ("aws-chunked, gzip", 200, &[("content-encoding", "aws-chunked,gzip")], Some(Encoding)),
            (
                "content gzip with a parameter",
                200,
                &[("content-encoding", "gzip;q=1")],
                Some(Encoding),
            ),
            ("content gzip in quotes", 200, &[("content-encoding", "\"gzip\"")], Some(Encoding)),
            (
                "content none, then gzip",
                200,
                &[("content-encoding", "none,, GZip ,")],
                Some(Encoding),
            ),
            ("content of commas", 200, &[("content-encoding", " , ,")], None),
            ("content null", 200, &[("content-encoding", "null")], None),
            ("content a charset", 200, &[("content-encoding", "charset=utf-8")], None),
            ("content beginning like gzip", 200, &[("content-encoding", "gzipped")], None),
            ("content X-GZIP", 200, &[("content-encoding", "X-GZIP")], Some(Encoding)),
            ("content deflate", 200, &[("content-encoding", "deflate")], Some(Encoding)),
            ("content compress", 200, &[("content-encoding", "compress")], Some(Encoding)),
            ("content x-compress", 200, &[("content-encoding", "x-compress")], Some(Encoding)),
            ("content zstd", 200, &[("content-encoding", "zstd")], Some(Encoding)),
            ("content dcb", 200, &[("content-encoding", "dcb")], Some(Encoding)),
            ("content dcz", 200, &[("content-encoding", "dcz")], Some(Encoding)),
            ("content exi", 200, &[("content-encoding", "exi")], Some(Encoding)),
            ("content pack200", 200, &[("content-encoding", "pack200-gzip")], Some(Encoding)),
            ("content aes128gcm", 200, &[("content-encoding", "aes128gcm")], Some(Encoding)),
            (
                "coded on a second line",
                200,
                &[("content-encoding", "none"), ("content-encoding", "br")],
                Some(Encoding),
            ),
            ("upgrade", 101, &[], Some(Protocol)),
            ("no content", 204, &[], None),
            ("see other", 303, &[("location", "/")], None),
            ("server error", 500, &[], None),
            ("highest", 599, &[], None),
            ("above the classes", 600, &[], None),
            ("999", 999, &[], None),
        ];
        for (name, status, headers, wanted) in table {
            let got = check(&head(*status, Version::HTTP_11, headers)).err().map(|e| e.kind());
            assert_eq!(got, *wanted, "{name}");
        }
    }

    #[test]
    fn a_connection_is_used_again_or_not() {
        let both = [("transfer-encoding", "chunked"), ("content-length", "5")];
        let ok = StatusCode::OK.as_u16();
        let is_reusable =
            |version, headers| check(&head(ok, version, headers)).unwrap().is_reusable;
        assert!(is_reusable(Version::HTTP_11, &[]));
        assert!(is_reusable(Version::HTTP_11, &both[..1]));
        assert!(is_reusable(Version::HTTP_11, &both[1..]));
        assert!(!is_reusable(Version::HTTP_11, &both));
        assert!(!is_reusable(Version::HTTP_10, &[]));
    }

    #[test]
    fn the_keep_alive_header_is_read() {
        let headers = [("Keep-Alive", "timeout=5"), ("keep-alive", "max=3")];
        let keep_alive = check(&head(200, Version::HTTP_11, &headers)).unwrap().keep_alive;
        assert_eq!(keep_alive.timeout, Some(std::time::Duration::from_secs(5)));
        assert_eq!(keep_alive.max, Some(3));
    }

    #[test]
    fn an_encoded_error_body_is_reported_as_such() {
        let is_encoded = |coding| {
            let headers = [("content-encoding", coding)];
            check(&head(500, Version::HTTP_11, &headers)).unwrap().is_encoded
        };
        assert!(is_encoded("gzip") && !is_encoded("identity"));
    }

    #[test]
    fn detached_values_are_copies_outside_the_read_buffer() {
        let buffer = bytes::Bytes::from_static(b"onetwo");
        let mut headers = HeaderMap::new();
        for (name, part) in [("a", 0..3), ("b", 3..6), ("c", 3..3)] {
            let value = HeaderValue::from_maybe_shared(buffer.slice(part)).unwrap();
            headers.insert(name, value);
        }
        detach(&mut headers);
        assert_eq!([&headers["a"], &headers["b"], &headers["c"]], ["one", "two", ""]);
        for name in ["a", "b"] {
            assert!(!buffer.as_ptr_range().contains(&headers[name].as_bytes().as_ptr()), "{name}");
        }
    }
}
