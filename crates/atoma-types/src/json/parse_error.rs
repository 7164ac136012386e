//! The error of reading JSON.

use serde::de::Error as _;
use serde_json::error::Category;
use std::{error::Error, fmt};

/// An error of reading JSON.
///
/// It has the position where reading stopped, never the text. The cause is its [`source`](Error::source).
pub struct ParseError {
    cause: Cause,
}

enum Cause {
    /// The text is not JSON, or has another form than expected.
    Json(serde_json::Error),
    /// The text is JSON, but a value in it cannot be represented.
    Value(Box<UnreadableValue>),
}

/// A value that is JSON by its grammar only.
#[derive(Debug)]
struct UnreadableValue {
    reason: &'static str,
    line: usize,
    column: usize,
}

/// How the cause begins if a member is missing.
const MISSING: &str = "missing member ";

impl ParseError {
    pub(crate) fn new(cause: serde_json::Error) -> Self {
        Self { cause: Cause::Json(cause) }
    }

    /// A value at a position of a text that cannot be represented.
    pub(crate) fn unreadable(reason: &'static str, json: &str, at: usize) -> Self {
        let before = &json.as_bytes()[..at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let value = UnreadableValue { reason, line, column: at - line_start + 1 };
        Self { cause: Cause::Value(Box::new(value)) }
    }

    /// JSON whose first value is not an object.
    pub(crate) fn no_object() -> Self {
        Self::new(serde_json::Error::custom("expected an object"))
    }

    /// An object that lacks the member without which it is something else.
    pub(crate) fn without(member: &str) -> Self {
        Self::new(serde_json::Error::custom(format_args!("{MISSING}{member}")))
    }

    fn cause(&self) -> &(dyn Error + 'static) {
        match &self.cause {
            Cause::Json(error) => error,
            Cause::Value(value) => &**value,
        }
    }

    /// Returns true if the JSON ended unexpectedly: it is incomplete, or empty.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(&self.cause, Cause::Json(error) if error.is_eof())
    }

    /// Returns whether repairing may help: incomplete JSON cannot be repaired.
    pub(crate) fn is_repairable(&self) -> bool {
        match &self.cause {
            Cause::Json(error) => error.is_syntax(),
            Cause::Value(_) => true,
        }
    }

    /// Returns the line where reading stopped, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match &self.cause {
            Cause::Json(error) => error.line(),
            Cause::Value(value) => value.line,
        }
    }

    /// Returns the column where reading stopped, from 1, counted in bytes.
    #[must_use]
    pub fn column(&self) -> usize {
        match &self.cause {
            Cause::Json(error) => error.column(),
            Cause::Value(value) => value.column,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = (self.line(), self.column());
        let Cause::Json(error) = &self.cause else {
            return write!(f, "invalid JSON at line {line} column {column}");
        };
        match error.classify() {
            Category::Eof => write!(f, "JSON ended unexpectedly at line {line} column {column}"),
            Category::Data => match error.to_string().strip_prefix(MISSING) {
                Some(member) => write!(f, "missing JSON member `{member}`"),
                // Errors of this crate have no line.
                None if line > 0 => {
                    write!(
                        f,
                        "the JSON does not have the expected form, at line {line} column {column}"
                    )
                }
                None => f.write_str("expected a JSON object"),
            },
            Category::Syntax | Category::Io => {
                write!(f, "invalid JSON at line {line} column {column}")
            }
        }
    }
}

/// The line and its cause; the fields under `{:#?}`.
impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("ParseError").field("cause", &self.cause()).finish();
        }
        write!(f, "{self}\n  caused by: {}", self.cause())
    }
}

impl Error for ParseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}

impl fmt::Display for UnreadableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, line, column } = self;
        write!(f, "{reason} at line {line} column {column}")
    }
}

impl Error for UnreadableValue {}
