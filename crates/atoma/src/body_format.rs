//! Detects the format of a body by its first bytes: servers and gateways mislabel their responses.

use atoma_sse::{Decoder, Limits};

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFormat {
    /// An event stream.
    Events,
    /// A JSON object or array.
    Json,
    /// A page, or plain text.
    Other,
    /// More bytes are needed.
    Unknown,
}

/// The names that a line of an event stream may begin with, `error` beyond the standard.
const FIELDS: [&[u8]; 6] = [b"data", b"event", b"id", b"retry", b"error", b":"];

impl BodyFormat {
    /// Detects the format by the first bytes of a body.
    ///
    /// `labeled` says that the content type is `text/event-stream`: then anything is an event
    /// stream that is not clearly JSON or markup.
    pub(crate) fn detect(beginning: &[u8], labeled: bool) -> Self {
        let text = trimmed(beginning);
        match text.first() {
            None => Self::Unknown,
            Some(b'{' | b'[') => Self::Json,
            Some(b'<') => Self::Other,
            Some(_) if labeled => Self::Events,
            Some(_) if FIELDS.iter().any(|field| begins_line(text, field)) => Self::Events,
            Some(_) if FIELDS.iter().any(|field| field.starts_with(text)) => Self::Unknown,
            Some(_) => Self::Other,
        }
    }
}

/// A decoder for the event streams of model servers: some write `error: {…}` as a field, lose `data:`,
/// or write it otherwise.
pub(crate) fn event_decoder(event_limit: usize) -> Decoder {
    let limits = Limits::new().line(event_limit).event(event_limit);
    Decoder::with_limits(limits)
        .accept_error_field(true)
        .accept_bare_json(true)
        .accept_flawed_names(true)
}

/// Returns `body` without a byte-order mark and leading white space.
pub(crate) fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start()
}

/// Returns whether the content type is `text/event-stream`, with or without parameters.
pub(crate) fn is_event_stream(headers: &http::HeaderMap) -> bool {
    const ESSENCE: &[u8] = b"text/event-stream";
    let Some(label) = headers.get(http::header::CONTENT_TYPE) else { return false };
    label.as_bytes().trim_ascii_start().split_at_checked(ESSENCE.len()).is_some_and(
        |(essence, rest)| {
            let is_whole = matches!(rest.trim_ascii_start().first(), None | Some(b';'));
            is_whole && essence.eq_ignore_ascii_case(ESSENCE)
        },
    )
}

fn begins_line(text: &[u8], field: &[u8]) -> bool {
    text.strip_prefix(field)
        .is_some_and(|rest| field == b":" || matches!(rest.first(), Some(b':' | b'\n' | b'\r')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_may_have_parameters() {
        let is_labeled = |label: &str| {
            let label = http::HeaderValue::from_str(label).unwrap();
            is_event_stream(&[(http::header::CONTENT_TYPE, label)].into_iter().collect())
        };
        for label in
            ["text/event-stream", "Text/Event-Stream ; charset=utf-8", " text/event-stream;"]
        {
            assert!(is_labeled(label), "{label}");
        }
        for label in ["", "text/event-streams", "application/json", "x;text/event-stream"] {
            assert!(!is_labeled(label), "{label}");
        }
        assert!(!is_event_stream(&http::HeaderMap::new()));
    }

    #[test]
    fn formats_are_detected() {
        use BodyFormat::{Events, Json, Other, Unknown};
        let cases: [(&str, &[u8], bool, BodyFormat); 15] = [
            ("nothing yet", b"", true, Unknown),
            ("blank lines", b"\r\n\n ", false, Unknown),
            ("a completion", b"\n{\"id\"", false, Json),
            ("a completion labeled as a stream", b"{\"id\"", true, Json),
            ("a list of errors", b"[{", false, Json),
            ("a page", b"<!DOCTYPE html>", true, Other),
            ("a page with another label", b"  <html>", false, Other),
            ("data", b"data: {", false, Events),
            ("a comment", b": keep-alive", false, Events),
            ("a byte-order mark, then an event", b"\xef\xbb\xbfevent: x", false, Events),
            ("half a field name", b"dat", false, Unknown),
            ("half a field name, labeled", b"dat", true, Events),
            ("text that begins like a field", b"database is down", false, Other),
            ("plain text", b"upstream error", false, Other),
            ("an unknown field, labeled", b"foo: bar", true, Events),
        ];
        for (name, bytes, labeled, expected) in cases {
            assert_eq!(BodyFormat::detect(bytes, labeled), expected, "{name}");
        }
    }
}
