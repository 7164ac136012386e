//! Lines of text about each call, for a terminal or a log file.

use crate::{
    ApiKey, CallEnd, CallInfo, CallResult, Error, Observer, StreamEvent,
    redact::{excerpt, url_without_secrets},
    request_members::RequestMembers,
};
use atoma_transport::{AttemptEnded, AttemptStarted, CallId, ResponseHead, RetryEvent};
use http::{HeaderMap, header::SET_COOKIE};
use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    io::{self, Write as _},
};

/// The environment variable of the level.
const LEVEL_VARIABLE: &str = "ATOMASDK_LOG";
/// The environment variable of the other SDKs, which enables everything.
const DEBUG_VARIABLE: &str = "ATOMASDK_DEBUG";

/// An observer that writes lines of text about each call, to standard error by default.
///
/// A client has one if `ATOMASDK_LOG` or [`ClientBuilder::log`](crate::ClientBuilder::log) says so.
/// Add another with [`ClientBuilder::observer`](crate::ClientBuilder::observer) to write elsewhere.
///
/// ```text
/// atoma #1 POST https://api.atoma.network/v1/chat/completions, model m, stream
/// atoma #1 attempt 1 failed: 503 Service Unavailable; next attempt in 412.3ms
/// atoma #1 200 OK after 921.4ms, 2 attempts
/// atoma #1 complete after 2.1s: first token 1.2s, 42 chunks, longest gap 80.1ms, 19 + 40 tokens, 43.3 tokens/s
/// ```
///
/// A line has neither headers of the request nor values of the query, and the client's API key is
/// redacted. The prompt and the completion are written only with [`LogLevel::Debug`], and never those
/// of a confidential call.
pub struct Log {
    level: LogLevel,
    output: Box<dyn Fn(&str) + Send + Sync>,
    key: Option<ApiKey>,
}

/// The amount that a [`Log`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// The start and the end of each call, its response's status, and its retries.
    Info,
    /// In addition each attempt with the headers of its response, and the first 200 characters of the
    /// request's body and of each event.
    Debug,
}

impl Log {
    /// Creates a log that writes to standard error. An error while writing is ignored.
    pub fn new(level: LogLevel) -> Self {
        let output = |line: &str| {
            let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
        };
        Self { level, output: Box::new(output), key: None }
    }

    /// Writes each line, without its end, with `output` in place of standard error.
    ///
    /// ```
    /// use atoma::{Client, Log, LogLevel};
    ///
    /// let builder = Client::builder().observer(Log::new(LogLevel::Info).output(|line| println!("{line}")));
    /// ```
    #[must_use]
    pub fn output(mut self, output: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.output = Box::new(output);
        self
    }

    /// Redacts this key from all lines.
    pub(crate) fn redact(mut self, key: Option<&ApiKey>) -> Self {
        self.key = key.cloned();
        self
    }

    fn is_debug(&self) -> bool {
        self.level == LogLevel::Debug
    }

    fn write(&self, call: CallId, text: fmt::Arguments<'_>) {
        if self.level == LogLevel::Off {
            return;
        }
        let line = format!("atoma #{call} {text}");
        match &self.key {
            Some(key) => (self.output)(&key.redact_text(&line)),
            None => (self.output)(&line),
        }
    }
}

impl LogLevel {
    /// Reads the level from the environment variables that `lookup` returns.
    ///
    /// `ATOMASDK_LOG` is `off`, `info` or `debug`. Where it is not set, any value of `ATOMASDK_DEBUG`
    /// but `0` and `false` is `debug`: the other SDKs take any value.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let value = |name| {
            let value = lookup(name)?.to_string_lossy().trim().to_ascii_lowercase();
            (!value.is_empty()).then_some(value)
        };
        if let Some(level) = value(LEVEL_VARIABLE) {
            return match &*level {
                "off" => Ok(Self::Off),
                "info" => Ok(Self::Info),
                "debug" => Ok(Self::Debug),
                _ => Err(Error::config(format!("{LEVEL_VARIABLE} must be off, info or debug"))),
            };
        }
        let is_debug = value(DEBUG_VARIABLE).is_some_and(|value| value != "0" && value != "false");
        Ok(if is_debug { Self::Debug } else { Self::Off })
    }
}

impl Observer for Log {
    fn call_started(&self, call: CallId, info: &CallInfo<'_>) {
        let url = url_without_secrets(info.uri);
        let members = RequestMembers::read(info.plaintext, &["model"]);
        let model =
            members.text("model").map(|model| format!(", model {}", excerpt(model.as_bytes())));
        let stream = if info.is_stream { ", stream" } else { "" };
        let confidential = if info.is_confidential { ", confidential" } else { "" };
        let model = model.unwrap_or_default();
        self.write(call, format_args!("{} {url}{model}{stream}{confidential}", info.method));
        if self.is_debug() && !info.body.is_empty() {
            self.write(call, format_args!("request body: {}", excerpt(info.body)));
        }
    }

    fn attempt_started(&self, event: &AttemptStarted<'_>) {
        if self.is_debug() {
            self.write(event.call, format_args!("attempt {} started", event.attempt));
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        if !self.is_debug() {
            return;
        }
        let AttemptEnded { call, attempt, elapsed, .. } = event;
        match event.outcome {
            Ok(response) => {
                let (status, version) = (response.status(), response.version());
                let headers = shown_headers(response.headers());
                self.write(
                    *call,
                    format_args!("attempt {attempt} ended after {elapsed:.1?}: {version:?} {status}, {headers}"),
                );
            }
            Err(error) => {
                self.write(
                    *call,
                    format_args!("attempt {attempt} ended after {elapsed:.1?}: {error}"),
                );
            }
        }
    }

    fn retry(&self, event: &RetryEvent) {
        let RetryEvent { attempt, cause, wait, .. } = event;
        let id =
            event.request_id.as_ref().map(|id| format!(", request {}", excerpt(id.as_bytes())));
        let id = id.unwrap_or_default();
        self.write(
            event.call,
            format_args!("attempt {attempt} failed: {cause}{id}; next attempt in {wait:.1?}"),
        );
    }

    fn response_head(&self, event: &ResponseHead<'_>) {
        let (status, attempts) =
            (event.response.status(), counted(event.attempts.count.into(), "attempt"));
        let elapsed = event.elapsed;
        self.write(event.call, format_args!("{status} after {elapsed:.1?}, {attempts}"));
    }

    fn event(&self, event: &StreamEvent<'_>) {
        if !self.is_debug() {
            return;
        }
        if event.is_confidential {
            let length = event.data.len();
            self.write(event.call, format_args!("event: {length} bytes, encrypted"));
        } else {
            let data = excerpt(event.data.as_bytes());
            self.write(event.call, format_args!("event: {data}"));
        }
    }

    fn call_ended(&self, end: &CallEnd<'_>) {
        let elapsed = end.elapsed;
        let numbers = numbers(end);
        let numbers = if numbers.is_empty() { String::new() } else { format!(": {numbers}") };
        match end.outcome {
            CallResult::Complete => {
                self.write(end.call, format_args!("complete after {elapsed:.1?}{numbers}"));
            }
            CallResult::Failed(error) => {
                self.write(end.call, format_args!("failed after {elapsed:.1?}: {error}"));
            }
            CallResult::Dropped => {
                self.write(end.call, format_args!("dropped after {elapsed:.1?}{numbers}"));
            }
        }
    }
}

/// Returns the timing and the tokens of a call: `first token 1.2s, 42 chunks, …`.
fn numbers(end: &CallEnd<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(stats) = end.stats {
        if let Some(time) = stats.first_token() {
            parts.push(format!("first token {time:.1?}"));
        }
        parts.push(counted(stats.chunks(), "chunk"));
        parts.push(format!("longest gap {:.1?}", stats.longest_gap()));
    }
    if let Some(usage) = end.usage {
        parts.push(format!("{} + {} tokens", usage.prompt_tokens, usage.completion_tokens));
    }
    if let Some(rate) = end.stats.and_then(crate::StreamStats::tokens_per_second) {
        // As integers: the standard library's formatting of floats adds 22 kB to a program (measured).
        let tenths = (rate * 10.0).round() as u64;
        parts.push(format!("{}.{} tokens/s", tenths / 10, tenths % 10));
    }
    parts.join(", ")
}

/// Returns a number with its noun: `1 chunk`, `2 chunks`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns the headers of a response on one line, without cookies.
fn shown_headers(headers: &HeaderMap) -> String {
    let mut line = String::new();
    for (name, value) in headers {
        let is_secret = value.is_sensitive() || name == SET_COOKIE;
        let value = if is_secret { "[redacted]".to_owned() } else { excerpt(value.as_bytes()) };
        let separator = if line.is_empty() { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{name}: {value}");
    }
    line
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.level).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_comes_from_two_variables() {
        let level = |variables: &[(&str, &str)]| {
            LogLevel::from_env(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        for (variables, expected) in [
            (&[][..], LogLevel::Off),
            (&[(LEVEL_VARIABLE, "")], LogLevel::Off),
            (&[(LEVEL_VARIABLE, "off")], LogLevel::Off),
            (&[(LEVEL_VARIABLE, "info")], LogLevel::Info),
            (&[(LEVEL_VARIABLE, " Debug ")], LogLevel::Debug),
            (&[(DEBUG_VARIABLE, "1")], LogLevel::Debug),
            (&[(DEBUG_VARIABLE, "true")], LogLevel::Debug),
            (&[(DEBUG_VARIABLE, "atoma")], LogLevel::Debug),
            (&[(DEBUG_VARIABLE, "")], LogLevel::Off),
            (&[(DEBUG_VARIABLE, "0")], LogLevel::Off),
            (&[(DEBUG_VARIABLE, "False")], LogLevel::Off),
            (&[(LEVEL_VARIABLE, "off"), (DEBUG_VARIABLE, "1")], LogLevel::Off),
            (&[(LEVEL_VARIABLE, "info"), (DEBUG_VARIABLE, "1")], LogLevel::Info),
            (&[(LEVEL_VARIABLE, ""), (DEBUG_VARIABLE, "1")], LogLevel::Debug),
        ] {
            assert_eq!(level(variables).unwrap(), expected, "{variables:?}");
        }
        for value in ["1", "trace", "info,debug", "sk-canary"] {
            let error = level(&[(LEVEL_VARIABLE, value)]).unwrap_err();
            assert!(error.is_config());
            assert_eq!(error.to_string(), "ATOMASDK_LOG must be off, info or debug");
        }
    }
}
