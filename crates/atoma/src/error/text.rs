//! The texts of errors: one line, the causes, the fields.

use super::{Error, Kind, Limit};
use crate::redact::excerpt;
use atoma_transport::{Attempts, FailureCause};
use atoma_types::ApiError;
use http::StatusCode;
use std::fmt;

/// The reason, and then the number of attempts if there were several.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Config(why) | Kind::Misuse(why) => f.write_str(why),
            Kind::InvalidRequest(error) => error.fmt(f),
            Kind::Transport(error) => error.fmt(f),
            Kind::ErrorStatus(api) => {
                if let Some(status) = self.status() {
                    write_status(f, status)?;
                }
                api.as_ref().map_or(Ok(()), |api| write_api_error(f, api, self.status()))
            }
            Kind::ErrorInside { api, in_stream } => {
                let place = if *in_stream { "stream" } else { "response" };
                write!(f, "the server reported an error in the {place}")?;
                write_api_error(f, api, None)
            }
            Kind::Unexpected { what, .. } => f.write_str(what),
            Kind::Truncated { .. } => f.write_str("stream ended before the response was complete"),
            Kind::Stalled { first: true, limit } => {
                write!(f, "no event received within {limit:?} of the response headers")
            }
            Kind::Stalled { first: false, limit } => write!(f, "no event received for {limit:?}"),
            Kind::TooLarge(Limit::Response, limit) => {
                write!(f, "response too large: more than {limit} bytes (max_response_size)")
            }
            Kind::TooLarge(Limit::Event, limit) => {
                write!(f, "event too large: more than {limit} bytes (max_event_size)")
            }
            #[cfg(feature = "confidential")]
            Kind::NoLock { api, .. } => {
                f.write_str(match self.status() {
                    Some(StatusCode::SERVICE_UNAVAILABLE) => {
                        "no confidential node serves the model: "
                    }
                    _ => "no node was locked for the confidential request: ",
                })?;
                if let Some(status) = self.status() {
                    write_status(f, status)?;
                }
                api.as_ref().map_or(Ok(()), |api| write_api_error(f, api, self.status()))
            }
            #[cfg(feature = "confidential")]
            Kind::NodeRefused { .. } => f.write_str("confidential request not sent"),
            Kind::Rejected(_) if self.is_untrusted() => f.write_str("response not trusted"),
            Kind::Rejected(_) => f.write_str("response rejected by an inspector"),
            #[cfg(feature = "schemars")]
            Kind::NotParsed(why) => why.fmt(f),
            Kind::ToolRounds(rounds) => {
                write!(f, "the model still calls tools after {rounds} rounds (max_rounds)")
            }
        }?;
        self.write_attempts(f)
    }
}

impl Error {
    /// Writes the number of attempts, and why earlier ones failed if the reason differs.
    fn write_attempts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempts { count, elapsed, failed, budget_exhausted, .. } = self.attempts();
        if *count > 1 {
            write!(f, " (after {count} attempts in {elapsed:.1?}")?;
            let mut known = vec![self.cause()];
            for attempt in failed {
                if !known.contains(&Some(attempt.cause)) {
                    f.write_str(if known.len() == 1 { "; others: " } else { ", " })?;
                    write!(f, "{}", attempt.cause)?;
                    known.push(Some(attempt.cause));
                }
            }
            f.write_str(")")?;
        }
        if *budget_exhausted {
            f.write_str(" (the retry budget of this server is exhausted)")?;
        }
        Ok(())
    }

    /// The cause that the text begins with, as the record of an attempt names it.
    fn cause(&self) -> Option<FailureCause> {
        match &self.0.kind {
            Kind::Transport(error) => Some(FailureCause::Transport(error.kind())),
            Kind::ErrorStatus(_) => self.status().map(FailureCause::Status),
            _ => None,
        }
    }
}

/// Writes `503 Service Unavailable`, or `status 520`.
fn write_status(f: &mut fmt::Formatter<'_>, status: StatusCode) -> fmt::Result {
    match status.canonical_reason() {
        Some(reason) => write!(f, "{} {reason}", status.as_str())?,
        None => write!(f, "status {}", status.as_str())?,
    }
    if status.is_redirection() {
        f.write_str(" (redirects are not followed: the API key must not go elsewhere)")?;
    }
    Ok(())
}

/// Writes the code and message, without a code that only repeats the status.
fn write_api_error(
    f: &mut fmt::Formatter<'_>,
    api: &ApiError,
    status: Option<StatusCode>,
) -> fmt::Result {
    let text = api.to_string();
    let repeated = status.map(|status| format!("{}, ", status.as_str())).unwrap_or_default();
    let text = match text.strip_prefix(&repeated) {
        Some(rest) => rest,
        None => &text,
    };
    if text.is_empty() { Ok(()) } else { write!(f, ": {}", excerpt(text.as_bytes())) }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return atoma_transport::write_with_causes(f, self);
        }
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind());
        debug.field("message", &format_args!("{self}"));
        if let Some(status) = self.status() {
            debug.field("status", &status);
        }
        if let Some(request_id) = self.request_id() {
            debug.field("request_id", &request_id);
        }
        if self.attempts().count > 0 {
            debug.field("attempts", self.attempts());
        }
        if self.0.partial.is_some() {
            debug.field("has_partial", &true);
            #[cfg(feature = "verify")]
            debug.field("is_partial_verified", &self.is_partial_verified());
        }
        if let Some(source) = std::error::Error::source(self) {
            debug.field("source", &source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            // Its own line is that of this error, and is not repeated.
            Kind::Transport(error) => error.source(),
            #[cfg(feature = "confidential")]
            Kind::NodeRefused { source, .. } => Some(&**source),
            Kind::Rejected(source) => Some(&**source),
            Kind::Unexpected { source, .. } => source.as_deref().map(|source| source as _),
            _ => None,
        }
    }
}
