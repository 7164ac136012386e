//! Recordings of real exchanges, for tests that run without the network (feature `record`).
//!
//! [`RecordingTransport`] writes the exchanges of another transport to a file; [`ReplayTransport`]
//! plays them again. A recording is a text file with one JSON object per line, which can be read,
//! edited and diffed:
//!
//! ```json
//! {"request":{"method":"POST","uri":"https://api.test/v1/chat/completions","headers":{"authorization":"[redacted]"},"json":{"model":"m"}}}
//! {"response":{"at_ms":120,"status":200,"headers":{"content-type":"text/event-stream"}}}
//! {"chunk":{"at_ms":180,"text":"data: {}\n\n"}}
//! {"end":{"at_ms":181}}
//! ```
//!
//! An exchange is written when it ends, so the lines of two exchanges never mix. `at_ms` counts from
//! the start of its request. Bytes that are not UTF-8 are written as `hex`.
//!
//! # Redaction
//!
//! The values of headers that carry secrets (`Authorization`, `Cookie`, `Set-Cookie`, `X-Api-Key`, …),
//! of those that are [marked as sensitive](http::HeaderValue::is_sensitive) and of those given to
//! [`RecordingTransport::redact_header`]; the query parameters that carry keys; a user and password in
//! the URI; and wherever else a secret of the request appears. A secret that the server repeats in parts, over
//! two chunks, is not found: look at a recording before you commit it.

mod format;
mod recording;
mod redaction;
mod replay;

pub use recording::RecordingTransport;
pub use replay::ReplayTransport;
