//! Turns errors of `h2` into those of a transport.

use super::{
    super::classify::{ABOUT_CERTIFICATES, tls},
    failure::{Failure, Resend},
};
use crate::{Delivery, ErrorKind, TransportError};
use h2::Reason;
use std::borrow::Cow;

/// No head arrived.
pub(super) fn head(error: h2::Error) -> Failure {
    use Delivery::{NotSent, Unknown};
    let reason = error.reason();
    // Reported only to streams above the last one that a GOAWAY names (RFC 9113, section 6.8).
    let is_beyond_last = error.is_remote() && error.is_go_away();
    let is_refused = error.is_remote() && reason == Some(Reason::REFUSED_STREAM);
    let unprocessed = is_beyond_last || is_refused;
    let failed = if unprocessed {
        TransportError::new(ErrorKind::ConnectionLost, NotSent)
    } else if error.is_library() {
        TransportError::new(fault(reason, ErrorKind::Protocol), Unknown)
    } else if reason == Some(Reason::HTTP_1_1_REQUIRED) {
        TransportError::new(ErrorKind::ConnectionLost, Unknown).permanent()
    } else {
        let refused = error.get_io().and_then(|error| refused_certificate(&error.to_string()));
        refused.unwrap_or_else(|| TransportError::new(ErrorKind::ConnectionLost, Unknown))
    };
    let resend = if unprocessed { Resend::Once } else { Resend::Never };
    Failure { error: with_cause(failed, error), resend }
}

/// The body ended in `error`.
pub(super) fn body(error: h2::Error) -> TransportError {
    let kind = if error.is_library() {
        fault(error.reason(), ErrorKind::BodyInterrupted)
    } else {
        ErrorKind::BodyInterrupted
    };
    with_cause(TransportError::new(kind, Delivery::Unknown), error)
}

/// A head over its limit.
pub(super) fn head_too_large() -> TransportError {
    TransportError::new(ErrorKind::TooLarge, Delivery::Unknown).with_detail("headers")
}

/// Nothing was sent.
pub(super) fn unsent(error: h2::Error) -> Failure {
    let is_ours = error.reason().is_none() && !error.is_io();
    let failed =
        if is_ours { TransportError::new(ErrorKind::Request, Delivery::NotSent) } else { gone() };
    let resend = if is_ours { Resend::Never } else { Resend::Unsent };
    Failure { error: with_cause(failed, error), resend }
}

/// The connection ended before it took the request.
pub(super) fn gone() -> TransportError {
    TransportError::new(ErrorKind::ConnectionLost, Delivery::NotSent)
}

/// The connection's first bytes could not be written.
pub(super) fn opening(error: h2::Error) -> TransportError {
    with_cause(gone(), error)
}

/// The task of the connection ended before the exchange, because `why`.
pub(super) fn abandoned(why: &'static str, had_head: bool) -> TransportError {
    let kind = if had_head { ErrorKind::BodyInterrupted } else { ErrorKind::ConnectionLost };
    TransportError::new(kind, Delivery::Unknown).with_detail(why)
}

/// Returns whether the server exceeded a limit or broke a rule.
fn fault(reason: Option<Reason>, rule: ErrorKind) -> ErrorKind {
    if reason == Some(Reason::ENHANCE_YOUR_CALM) { ErrorKind::TooLarge } else { rule }
}

/// Adds the event and its cause. A GOAWAY's text is not kept: the server may write anything
/// into it.
fn with_cause(failed: TransportError, error: h2::Error) -> TransportError {
    let Some(reason) = error.reason() else {
        return match error.into_io() {
            Some(error) => failed.with_source(error),
            None => failed.with_source("the request cannot be written in HTTP/2"),
        };
    };
    let detail: Cow<'static, str> = match (error.is_remote(), error.is_go_away()) {
        (true, true) => format!("the server is going away ({reason:?})").into(),
        (true, false) if reason == Reason::NO_ERROR => {
            "the server ended it early (NO_ERROR)".into()
        }
        (true, false) => format!("the server reset the stream ({reason:?})").into(),
        (false, _) => format!("the server broke a rule of HTTP/2 ({reason:?})").into(),
    };
    failed.with_detail(detail).with_source(reason.description())
}

/// The error of a server that does not accept who its client is. `h2` keeps only the text of an I/O
/// error.
fn refused_certificate(text: &str) -> Option<TransportError> {
    let mut alerts = ABOUT_CERTIFICATES.into_iter().map(rustls::Error::AlertReceived);
    alerts.find(|alert| alert.to_string() == text).map(|alert| tls("the server", &alert))
}

#[cfg(test)]
mod tests;
