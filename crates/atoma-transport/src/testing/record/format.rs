//! The lines of a recording, as types that serde reads and writes.
//!
//! The form is made for reading and editing by hand: bytes appear as JSON or text where they can, and no line depends on another
//! but by its order.
use crate::{Delivery, ErrorKind, Phase, TransportError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, error::Error, fmt::Write as _};

/// One line of a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The start of an exchange.
    Request {
        method: String,
        uri: String,
        headers: Headers,
        #[serde(flatten)]
        body: Content,
    },
    /// The head of the response.
    Response { at_ms: u64, status: u16, headers: Headers },
    /// A piece of the body, as it was received.
    Chunk {
        at_ms: u64,
        #[serde(flatten)]
        data: Content,
    },
    /// The exchange failed: before its response, or in the body.
    Error { at_ms: u64, kind: String, delivery: String, transient: bool, message: String },
    /// The body was read to its end.
    End { at_ms: u64 },
    /// The caller dropped the exchange.
    Dropped { at_ms: u64 },
}

/// Headers by name; several values of one name are separate strings.
pub(super) type Headers = BTreeMap<String, Values>;

/// One value, the usual case, is a string; several are a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    One(String),
    Many(Vec<String>),
}

impl Values {
    /// Adds a value: one becomes a list.
    pub(super) fn push(&mut self, value: String) {
        match self {
            Self::One(first) => *self = Self::Many(vec![std::mem::take(first), value]),
            Self::Many(values) => values.push(value),
        }
    }

    /// Returns the values, one or several.
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Bytes in the most readable form. An empty body has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    /// A value, for bodies of requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Bytes that are not UTF-8: a chunk may end inside a character.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Content {
    /// A request body: JSON where it is, so that two of them can be compared.
    pub(super) fn body(bytes: &[u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => {
                Self { json: Some(json), ..Self::default() }
            }
            _ if bytes.is_empty() => Self::default(),
            _ => Self::bytes(bytes),
        }
    }

    /// A chunk of a response, byte for byte.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: Some(text.to_owned()), ..Self::default() },
            Err(_) => {
                let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                Self { hex: Some(hex), ..Self::default() }
            }
        }
    }

    /// Returns the bytes of a chunk of a response.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self { text: Some(text), json: None, hex: None } => Ok(text.clone().into_bytes()),
            Self { hex: Some(hex), json: None, text: None } => from_hex(hex),
            Self { json: Some(json), text: None, hex: None } => Ok(json.to_string().into_bytes()),
            _ => Err("a chunk has one of `text`, `hex` and `json`".to_owned()),
        }
    }
}

/// Reads bytes from hexadecimal digits.
fn from_hex(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<_>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| "`hex` must be pairs of hexadecimal digits".to_owned())?;
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or_default();
    Ok(digits.chunks_exact(2).map(byte).collect())
}

/// The kinds of errors by their names in a recording.
const KINDS: [(&str, ErrorKind); 16] = [
    ("connect", ErrorKind::Connect),
    ("proxy", ErrorKind::Proxy),
    ("tls", ErrorKind::Tls),
    ("certificate", ErrorKind::Certificate),
    ("timeout_connect", ErrorKind::Timeout(Phase::Connect)),
    ("timeout_head", ErrorKind::Timeout(Phase::Head)),
    ("timeout_idle", ErrorKind::Timeout(Phase::Idle)),
    ("timeout_total", ErrorKind::Timeout(Phase::Total)),
    ("connection_lost", ErrorKind::ConnectionLost),
    ("protocol", ErrorKind::Protocol),
    ("body_interrupted", ErrorKind::BodyInterrupted),
    ("too_large", ErrorKind::TooLarge),
    ("encoding", ErrorKind::Encoding),
    ("resource_exhausted", ErrorKind::ResourceExhausted),
    ("request", ErrorKind::Request),
    ("other", ErrorKind::Other),
];

impl Line {
    /// The line for an error. Its message is the text of its causes, on one line.
    pub(super) fn error(at_ms: u64, error: &TransportError) -> Self {
        let kind = KINDS.iter().find(|(_, kind)| *kind == error.kind());
        let mut message = error.detail().unwrap_or_default().to_owned();
        let mut cause = error.source();
        while let Some(one) = cause {
            let separator = if message.is_empty() { "" } else { ": " };
            let _ = write!(message, "{separator}{one}");
            cause = one.source();
        }
        Self::Error {
            at_ms,
            kind: kind.map_or("other", |(name, _)| name).to_owned(),
            delivery: match error.delivery() {
                Delivery::NotSent => "not_sent",
                Delivery::Unknown => "unknown",
            }
            .to_owned(),
            transient: error.is_transient(),
            message,
        }
    }
}

/// Returns the error that was recorded.
pub(super) fn to_error(
    kind: &str,
    delivery: &str,
    transient: bool,
    message: &str,
) -> Result<TransportError, String> {
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, kind) = known.ok_or_else(|| format!("`{kind}` is not a kind of error"))?;
    let delivery = match delivery {
        "not_sent" => Delivery::NotSent,
        "unknown" => Delivery::Unknown,
        other => return Err(format!("`{other}` is neither `not_sent` nor `unknown`")),
    };
    let mut error = TransportError::new(*kind, delivery);
    if !transient {
        error = error.permanent();
    }
    Ok(if message.is_empty() { error } else { error.with_source(message) })
}
