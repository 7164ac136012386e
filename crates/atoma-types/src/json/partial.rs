//! A JSON value that is read while it arrives.
//!
//! The arguments of a tool call and typed output are complete only when the stream ends. This reader shows them before: it is a
//! state machine over characters ([`State`]) that writes into the value it has built so far.
//!
//! ```text
//! text so far                    value()
//! {"ci                           {}
//! {"city": "Par                  {"city": "Par"}
//! {"city": "Paris", "days": 1    {"city": "Paris"}              1 may become 12
//! {"city": "Paris", "days": 12}  {"city": "Paris", "days": 12}
//! ```
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How deep values may be nested, as in `serde_json`.
///
/// Each open container costs a step in every later write (`PartialJson::container`), so the limit also bounds the time.
const MOST_NESTED: usize = 128;

/// Reads one JSON value that arrives in pieces, and gives the part that is certain so far.
///
/// It never invents a value: a number, `true`, `false` or `null` appears when it is complete, a
/// string appears with its first character and grows, and a member appears with its value. Text
/// that is not JSON stops the reading; the value so far is kept.
///
/// Each byte is read once, so a value of any length costs linear time.
///
/// ```
/// use atoma_types::PartialJson;
/// use serde_json::json;
///
/// let mut reader = PartialJson::new();
/// reader.push(r#"{"city": "Par"#);
/// assert_eq!(reader.value(), Some(&json!({"city": "Par"})));
/// reader.push(r#"is", "degrees": 2"#);
/// assert_eq!(reader.value(), Some(&json!({"city": "Paris"})));
/// reader.push("1}");
/// assert_eq!(reader.value(), Some(&json!({"city": "Paris", "degrees": 21})));
/// assert!(reader.is_complete());
/// ```
#[derive(Clone, Debug, Default)]
pub struct PartialJson {
    /// The value so far; `None` before its first token.
    root: Option<Value>,
    /// The open containers from the root down to the place that is being read.
    open: Vec<Container>,
    /// The kind of character that may come next.
    state: State,
    /// The characters of a number or a literal, or the digits of a `\u` escape.
    token: String,
    /// The first half of a surrogate pair, waiting for the second.
    high_surrogate: Option<u16>,
}

#[derive(Clone, Debug)]
enum Container {
    List,
    /// With the name of the member that is being read.
    Object(String),
}

/// ```text
///            ┌──────────────── , ────────────────┐
///            ▼                                   │
/// Value ── scalar ──────────────────────────► AfterValue ─ } ] ─► AfterValue … Complete
///   │ ▲
///   {  └──────────────── : ──────────────┐
///   ▼                                    │
/// Name ── "…" ──► InName ──► AfterName ──┘
/// ```
///
/// `InString` and `InName` go through `Escape` and `Unicode` for each backslash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Value,
    /// A value or the end of an empty list.
    ValueOrEnd,
    /// A name; the end of an empty object as well if `true`.
    Name(bool),
    /// A colon.
    AfterName,
    /// Inside a string.
    Text(In, Escape),
    /// Inside a number, `true`, `false` or `null`. They have no closing character: the next one decides that they are complete.
    Scalar,
    /// A comma, or the end of the container.
    AfterValue,
    /// The root is complete; only white space may follow.
    Complete,
    /// The text is not JSON. Nothing leaves this state.
    Failed,
}

/// The kind of string that is being read: a name is not visible until its value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Name,
    Value,
}

/// The position inside an escape. A piece of text may end at any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Backslash,
    Unicode,
}

impl PartialJson {
    /// Creates a reader that has read nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next piece of the text.
    pub fn push(&mut self, text: &str) {
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            // The bulk of a long string is copied in one go.
            if let State::Text(place, Escape::None) = self.state {
                let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
                if plain > 0 {
                    self.append(place, &rest[..plain]);
                    rest = &rest[plain..];
                    continue;
                }
            }
            // A character that ends a number is read again, for the state after the number.
            if self.read(next) {
                rest = &rest[next.len_utf8()..];
            }
            if self.state == State::Failed {
                return;
            }
        }
    }

    /// Returns the part of the value that is certain; `None` before its first token is.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.root.as_ref()
    }

    /// Reads the value so far into a type, whose members that may be missing are `Option`.
    ///
    /// A string that still grows is read where any text fits. Where only some do, as for an enum or a date, it is left out
    /// until it is complete.
    ///
    /// # Errors
    ///
    /// The value does not fit the type yet, for example because a member that is not optional has not arrived.
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let read = |root: &Option<Value>| T::deserialize(root.as_ref().unwrap_or(&Value::Null));
        if matches!(self.state, State::Text(In::Value, _)) {
            // `Star` may become `Starter`: a type that refuses one more character has to wait.
            let mut longer = self.clone();
            longer.append_raw(In::Value, "\0");
            if read(&longer.root).is_err() {
                longer.remove_current();
                return read(&longer.root);
            }
        }
        read(&self.root)
    }

    /// Returns whether the value is complete. A number at the root is complete only after [`finish`](Self::finish).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Returns whether the text is not JSON; nothing after the flaw is read.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.state == State::Failed
    }

    /// Ends the text, which completes a number or literal at the root.
    pub fn finish(&mut self) {
        if self.state == State::Scalar && self.open.is_empty() {
            self.end_scalar();
        }
    }

    /// Reads one character; `false` if it ends a number or literal and is to be read again.
    ///
    /// The order of the arms matters: white space is skipped everywhere but in strings and after scalars, so those come first.
    fn read(&mut self, next: char) -> bool {
        let is_blank = matches!(next, ' ' | '\t' | '\n' | '\r');
        match self.state {
            State::Text(place, escape) => self.read_text(place, escape, next),
            State::Scalar if next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.') => {
                self.token.push(next);
            }
            State::Scalar => {
                self.end_scalar();
                return false;
            }
            _ if is_blank => {}
            State::ValueOrEnd if next == ']' => self.close(),
            State::Value | State::ValueOrEnd => self.begin_value(next),
            State::Name(true) | State::AfterValue if next == '}' && self.is_in_object() => {
                self.close();
            }
            State::Name(_) if next == '"' => {
                self.name().map(String::clear);
                self.state = State::Text(In::Name, Escape::None);
            }
            State::AfterName if next == ':' => self.state = State::Value,
            State::AfterValue if next == ']' && !self.is_in_object() => self.close(),
            State::AfterValue if next == ',' => {
                self.state = if self.is_in_object() { State::Name(false) } else { State::Value };
            }
            // No other character is JSON here.
            _ => self.state = State::Failed,
        }
        true
    }

    /// Reads the first character of a value, which decides its kind.
    fn begin_value(&mut self, first: char) {
        match first {
            // An empty string appears with its quote, so that a reader sees the member before its first character.
            '"' => {
                self.place(Value::String(String::new()));
                self.state = State::Text(In::Value, Escape::None);
            }
            '{' | '[' if self.open.len() >= MOST_NESTED => self.state = State::Failed,
            '{' => {
                self.place(Value::Object(Map::new()));
                self.open.push(Container::Object(String::new()));
                self.state = State::Name(true);
            }
            '[' => {
                self.place(Value::Array(Vec::new()));
                self.open.push(Container::List);
                self.state = State::ValueOrEnd;
            }
            // Nothing appears yet: `1` may become `12`, and `t` is not `true`.
            '-' | '0'..='9' | 't' | 'f' | 'n' => {
                self.token.clear();
                self.token.push(first);
                self.state = State::Scalar;
            }
            _ => self.state = State::Failed,
        }
    }

    /// Reads one character of a string, as the position inside an escape requires.
    fn read_text(&mut self, place: In, escape: Escape, next: char) {
        match (escape, next) {
            (Escape::None, '"') => {
                self.give_up_surrogate(place);
                match place {
                    In::Name => self.state = State::AfterName,
                    In::Value => self.end_value(),
                }
            }
            (Escape::None, '\\') => self.state = State::Text(place, Escape::Backslash),
            (Escape::None, _) => self.append(place, next.encode_utf8(&mut [0; 4])),
            (Escape::Backslash, 'u') => {
                self.token.clear();
                self.state = State::Text(place, Escape::Unicode);
            }
            (Escape::Backslash, _) => {
                let character = match next {
                    'n' => "\n",
                    't' => "\t",
                    'r' => "\r",
                    'b' => "\u{8}",
                    'f' => "\u{c}",
                    '"' => "\"",
                    '\\' => "\\",
                    '/' => "/",
                    _ => return self.state = State::Failed,
                };
                self.state = State::Text(place, Escape::None);
                self.append(place, character);
            }
            // The digits are collected, since a piece may end between them.
            (Escape::Unicode, digit) if digit.is_ascii_hexdigit() => {
                self.token.push(digit);
                if self.token.len() == 4 {
                    self.state = State::Text(place, Escape::None);
                    let unit = u16::from_str_radix(&self.token, 16).unwrap_or_default();
                    self.append_unit(place, unit);
                }
            }
            (Escape::Unicode, _) => self.state = State::Failed,
        }
    }

    /// Appends a UTF-16 code unit: the first half of a pair waits for the second one.
    fn append_unit(&mut self, place: In, unit: u16) {
        if let Some(high) = self.high_surrogate.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                return self.append(place, character.encode_utf8(&mut [0; 4]));
            }
            // The held half has no other half; the new unit is read by itself.
            self.append(place, "\u{fffd}");
        }
        match char::decode_utf16([unit]).next() {
            Some(Ok(character)) => self.append(place, character.encode_utf8(&mut [0; 4])),
            _ if (0xD800..0xDC00).contains(&unit) => self.high_surrogate = Some(unit),
            _ => self.append(place, "\u{fffd}"),
        }
    }

    /// Appends text that is not half of a pair: a half that still waits has no other half.
    fn append(&mut self, place: In, text: &str) {
        self.give_up_surrogate(place);
        self.append_raw(place, text);
    }

    /// Writes U+FFFD for a half that waits.
    fn give_up_surrogate(&mut self, place: In) {
        if self.high_surrogate.take().is_some() {
            self.append_raw(place, "\u{fffd}");
        }
    }

    /// Appends text to the name or the string that is being read.
    fn append_raw(&mut self, place: In, text: &str) {
        match place {
            In::Name => {
                if let Some(name) = self.name() {
                    name.push_str(text);
                }
            }
            In::Value => {
                if let Some(Value::String(known)) = self.current() {
                    known.push_str(text);
                }
            }
        }
    }

    /// Reads the collected characters of a number or a literal. Anything else fails.
    fn end_scalar(&mut self) {
        let value = match self.token.as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            number => super::from_str(number).ok().filter(Value::is_number),
        };
        match value {
            Some(value) => {
                self.place(value);
                self.end_value();
            }
            None => self.state = State::Failed,
        }
    }

    /// Goes to the container around a value that is complete; around the root there is none.
    fn end_value(&mut self) {
        self.state = if self.open.is_empty() { State::Complete } else { State::AfterValue };
    }

    /// Ends the innermost container.
    fn close(&mut self) {
        self.open.pop();
        self.end_value();
    }
}

mod tree;

#[cfg(test)]
mod tests;
