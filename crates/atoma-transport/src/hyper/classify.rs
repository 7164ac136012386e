//! Turns errors of hyper, rustls and the system into a kind, a phrase, and whether a retry may
//! help.
//!
//! ```text
//! connect      lookup, TCP            Connect, ResourceExhausted, Other
//! handshake    TLS with host or proxy Tls, Certificate
//! tunnel       CONNECT                Proxy
//! head         until the head         Timeout, TooLarge, Protocol, ConnectionLost, Tls
//! body         after the head         Timeout, TooLarge, BodyInterrupted
//! ```
//!
//! Two rules hold for all of them. A retry is suggested unless the cause is sure to remain, such as an invalid certificate. And
//! the texts of others, of servers and of certificates, stay in the source chain: details are our own words, with names of a
//! bounded length.
//!
//! Errors are recognized by type. Where a crate offers none, by text, with a test that fails when the text changes.

use super::{
    config_error::ConfigError,
    socket::NoIoDriver,
    tracked_io::{HeadTooLarge, UnaskedResponse},
};
use crate::{BoxError, Delivery, ErrorKind, Phase, TransportError};
use http::StatusCode;
use rustls::{AlertDescription, CertificateError as Bad, InvalidMessage};
use std::{borrow::Cow, error::Error, io, iter};

/// The error of a connection that cannot be opened to `place`, a `host:port`.
pub(super) fn connect(kind: ErrorKind, place: &str, error: impl Into<BoxError>) -> TransportError {
    let error = error.into();
    // Out of file descriptors first: it looks like any other failure of `connect`.
    let failed = match exhausted(&*error) {
        Some(failed) => failed,
        None if find::<NoIoDriver>(&*error).is_some() => no_driver(NoIoDriver.to_string()),
        None => TransportError::new(kind, Delivery::NotSent).with_detail(place.to_owned()),
    };
    failed.with_source(error)
}

/// The error of a runtime that lacks a driver.
pub(super) fn no_driver(detail: impl Into<Cow<'static, str>>) -> TransportError {
    TransportError::new(ErrorKind::Other, Delivery::NotSent).with_detail(detail).permanent()
}

/// A proxy setting that the request needs cannot be used.
pub(super) fn proxy_setting(error: ConfigError) -> TransportError {
    TransportError::new(ErrorKind::Proxy, Delivery::NotSent)
        .with_detail(error.to_string())
        .with_source(error)
        .permanent()
}

/// A request without TLS to another machine.
pub(super) fn plain_http(host: &str) -> TransportError {
    TransportError::new(ErrorKind::Request, Delivery::NotSent)
        .with_detail(format!(
            "plain http:// to {host}, which has no loopback address, would show the request to the \
             network: use https://, or allow it with `allow_http(true)` or `plain_http`"
        ))
        .permanent()
}

/// A name that has no address, or temporarily none.
pub(super) fn dns(kind: ErrorKind, host: &str, error: io::Error) -> TransportError {
    // A lookup opens sockets as well.
    if let Some(failed) = exhausted(&error) {
        return failed.with_source(error);
    }
    let failed = TransportError::new(kind, Delivery::NotSent);
    let failed = if is_unknown_name(&error) {
        failed.with_detail(format!("no address is known for {host}")).permanent()
    } else {
        failed.with_detail(format!("the name lookup of {host} failed"))
    };
    failed.with_source(error)
}

/// Returns whether the lookup reports that the name does not exist, rather than that the lookup
/// failed.
pub(super) fn is_unknown_name(error: &io::Error) -> bool {
    // `getaddrinfo` errors have no stable kind: the texts of glibc, musl, macOS and Windows.
    const TEXTS: [&str; 6] = [
        "not known",
        "does not resolve",
        "No address associated",
        "No such host",
        "non-recoverable",
        "Non-recoverable",
    ];
    let message = error.to_string();
    error.kind() == io::ErrorKind::NotFound || TEXTS.iter().any(|text| message.contains(text))
}

/// A TLS handshake with `host` that failed. `roots` names the variables that the roots come from.
pub(super) fn handshake(host: &str, error: io::Error, roots: Option<String>) -> TransportError {
    match find::<rustls::Error>(&error) {
        // Its text repeats everything in the certificate, line breaks included, and anyone can
        // write a certificate.
        Some(cause @ rustls::Error::InvalidCertificate(Bad::NotValidForNameContext { .. })) => {
            tls(host, cause).with_source(rustls::Error::from(Bad::NotValidForName))
        }
        Some(cause) => {
            // The usual reason is a root that is missing in a file of the user.
            let is_unknown = *cause == rustls::Error::InvalidCertificate(Bad::UnknownIssuer);
            let mut failed = tls(host, cause);
            if let Some(roots) = roots.filter(|_| is_unknown) {
                let detail = failed.detail().unwrap_or_default();
                let detail = format!("{detail}: its root is not among those of {roots}");
                failed = failed.with_detail(detail);
            }
            failed.with_source(error)
        }
        None => TransportError::new(ErrorKind::Tls, Delivery::NotSent)
            .with_detail(format!("{host} closed the connection"))
            .with_source(error),
    }
}

/// A TLS handshake with `host` that failed with `error`.
pub(super) fn tls(host: &str, error: &rustls::Error) -> TransportError {
    use rustls::Error as Tls;
    let detail = match error {
        Tls::InvalidCertificate(error) => {
            return TransportError::new(ErrorKind::Certificate, Delivery::NotSent)
                .with_detail(certificate(host, error));
        }
        Tls::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("{host} does not speak TLS on this port")
        }
        Tls::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{host} wants a client certificate")
        }
        Tls::AlertReceived(alert) => format!("{host} refused ({alert:?})"),
        Tls::NoApplicationProtocol => format!("{host} does not speak HTTP/1.1"),
        _ => format!("{host} does not follow the protocol, or not in a way known here"),
    };
    TransportError::new(ErrorKind::Tls, Delivery::NotSent).with_detail(detail).permanent()
}

/// The reason in words: the flaw of the certificate, and the host it was checked for.
fn certificate(host: &str, error: &Bad) -> String {
    const CLOCK: &str = "or this machine's clock is wrong";
    match error {
        Bad::Expired | Bad::ExpiredContext { .. } => {
            format!("that of {host} has expired, {CLOCK}")
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            format!("that of {host} is not valid yet, {CLOCK}")
        }
        Bad::NotValidForName => format!("it is not for {host}"),
        Bad::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().take(3).map(|name| shown(name)).collect();
            format!("it is for {}, not for {host}", names.join(", "))
        }
        Bad::UnknownIssuer => format!("that of {host} is from an unknown issuer"),
        Bad::Revoked => format!("that of {host} was revoked"),
        Bad::BadSignature => format!("that of {host} has a wrong signature"),
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            format!("that of {host} is not for servers")
        }
        _ => format!("that of {host} could not be checked"),
    }
}

/// The error of an exchange without a response head. `unread` are the bytes that were unread when
/// the connection ended.
pub(super) fn head(error: hyper::Error, unread: &[u8], written: bool) -> TransportError {
    let sent = if written { Delivery::Unknown } else { Delivery::NotSent };
    // The order matters: an earlier case explains the later ones. A server that speaks TLS, for example, also breaks the
    // grammar of HTTP.
    let failed = if is_head_too_large(&error) {
        TransportError::new(ErrorKind::TooLarge, sent).with_detail("headers")
    } else if let Some(unasked) = find::<UnaskedResponse>(&error) {
        let failed = TransportError::new(ErrorKind::ConnectionLost, Delivery::NotSent);
        failed.with_detail(unasked.to_string())
    } else if is_given_up(&error) {
        TransportError::timeout(Phase::Head, sent)
    } else if let Some(cause) = find::<rustls::Error>(&error) {
        broken_tls(cause, sent)
    } else if is_tls_record(unread) {
        // The server cannot have understood the request.
        TransportError::new(ErrorKind::Tls, Delivery::NotSent)
            .with_detail("the server speaks TLS on this port: use https")
            .permanent()
    } else if error.is_parse() || (error.is_canceled() && !unread.is_empty()) {
        TransportError::new(ErrorKind::Protocol, sent)
    } else {
        TransportError::new(ErrorKind::ConnectionLost, sent)
    };
    failed.with_source(error)
}

/// A name of a certificate as an error shows it: short, and nothing but a name. `presented` is in
/// webpki's form, such as `DnsName("api.test")`.
fn shown(presented: &str) -> String {
    let name = presented.split_once('(').map_or(presented, |(_, name)| name);
    let name = name.trim_end_matches(')').trim_matches('"');
    let is_usual = |c: char| c.is_ascii_graphic();
    name.chars().take(64).map(|c| if is_usual(c) { c } else { '?' }).collect()
}

/// TLS that failed after the client's part of the handshake, and before a head.
fn broken_tls(error: &rustls::Error, sent: Delivery) -> TransportError {
    use rustls::Error as Tls;
    let failed = TransportError::new(ErrorKind::ConnectionLost, sent);
    match error {
        // In TLS 1.3 a server looks at the client's certificate when the client is done.
        Tls::AlertReceived(alert) if is_about_certificates(*alert) => tls("the server", error),
        Tls::AlertReceived(alert) => failed.with_detail(format!("it ended TLS ({alert:?})")),
        Tls::DecryptError => failed.with_detail("a TLS record was damaged on its way"),
        _ => failed.with_detail("the server does not follow the rules of TLS").permanent(),
    }
}

/// The alerts of a server that does not accept the client's identity.
pub(super) const ABOUT_CERTIFICATES: [AlertDescription; 8] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
];

/// Returns whether a server that sends this alert does not accept the client's identity.
fn is_about_certificates(alert: AlertDescription) -> bool {
    ABOUT_CERTIFICATES.contains(&alert)
}

/// The body ended in `error`.
pub(super) fn body(error: hyper::Error) -> TransportError {
    let failed = if chain(&error).any(is_framing_over_limit) {
        TransportError::new(ErrorKind::TooLarge, Delivery::Unknown)
            .with_detail("chunk extensions or trailers")
    } else if is_given_up(&error) {
        TransportError::timeout(Phase::Idle, Delivery::Unknown)
    } else {
        TransportError::new(ErrorKind::BodyInterrupted, Delivery::Unknown)
    };
    failed.with_source(error)
}

/// The proxy at `place` responded to CONNECT with `status`.
pub(super) fn tunnel(place: &str, status: StatusCode) -> TransportError {
    let failed = TransportError::new(ErrorKind::Proxy, Delivery::NotSent);
    match status.as_u16() {
        407 => failed.with_detail(format!("{place} wants other credentials (407)")).permanent(),
        502..=504 => failed.with_detail(format!("{place} could not reach the server ({status})")),
        _ => failed.with_detail(format!("{place} refused ({status})")).permanent(),
    }
}

/// Returns whether the operating system has given up the connection: its peer acknowledges nothing.
fn is_given_up(error: &(dyn Error + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// File descriptors or ports are used up.
fn exhausted(error: &(dyn Error + 'static)) -> Option<TransportError> {
    let error = chain(error).find_map(|error| {
        error.downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some())
    })?;
    let failed = TransportError::new(ErrorKind::ResourceExhausted, Delivery::NotSent);
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        Some(failed.with_detail("no local port is free"))
    } else if is_too_many_files(error) {
        Some(failed.with_detail("too many open files").permanent())
    } else {
        None
    }
}

/// Returns whether the process or the system has no file descriptor left.
pub(super) fn is_too_many_files(error: &io::Error) -> bool {
    // ENFILE and EMFILE, the same on every Unix; WSAEMFILE.
    let codes: &[i32] = if cfg!(windows) { &[10024] } else { &[23, 24] };
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Returns whether a head was rejected for its size, by this crate or by hyper.
pub(super) fn is_head_too_large(error: &hyper::Error) -> bool {
    // hyper 1.12 offers the predicate to servers only. Tests: `error_texts` of `hyper_transport`.
    find::<HeadTooLarge>(error).is_some() || error.to_string() == "message head is too large"
}

/// Returns whether the bytes around the chunks of a body exceed hyper's limits.
fn is_framing_over_limit(error: &(dyn Error + 'static)) -> bool {
    // The texts of hyper 1.12, which has no type for them. Tests: `error_texts` of `hyper_transport`.
    const TEXTS: [&str; 3] = [
        "chunk extensions over limit",
        "chunk trailers bytes over limit",
        "chunk trailers count overflow",
    ];
    error.is::<io::Error>() && TEXTS.contains(&error.to_string().as_str())
}

/// An alert or a handshake record (RFC 8446, section 5.1).
fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

/// The first `T` among an error and its causes.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes, those inside `io::Error` included: its `source` steps over them.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod tests;
