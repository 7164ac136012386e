mod resume;

use crate::{
    DecodeError, Event, IncompleteEvent, Limits, OwnedEvent,
    data_buffer::LONG_VALUE,
    event_builder::{EventBuilder, LentEvent},
    line::{self, FieldName},
    partial_line::{PartialLine, Position},
};

/// An incremental decoder of `text/event-stream`.
///
/// Takes the bytes of a stream as they arrive, in chunks of any size. The events do not depend on
/// where the chunks end, and each event comes out as soon as its last byte is in. Decoding follows
/// the [WHATWG HTML standard, section 9.2.6][standard], from the leading byte order mark to malformed
/// UTF-8. The standard has no malformed streams, so the only errors are exceeded [`Limits`].
///
/// ```
/// use atoma_sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut texts = Vec::new();
/// for mut chunk in [&b"data: Hel"[..], b"lo\n\n: still here\n", b"\ndata: world\n\n"] {
///     while let Some(event) = decoder.decode(&mut chunk)? {
///         texts.push(event.data().to_owned());
///     }
/// }
/// assert_eq!(texts, ["Hello", "world"]);
/// assert!(decoder.finish().is_none());
/// # Ok::<(), atoma_sse::DecodeError>(())
/// ```
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    position: Position,
    limits: Limits,
    accepts_error_field: bool,
    accepts_bare_json: bool,
    accepts_flawed_names: bool,
    builder: EventBuilder,
    partial_line: PartialLine,
    retry: Option<u64>,
    comments: u64,
}

impl Decoder {
    /// Creates a decoder at the start of a stream, with the default [`Limits`]. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a decoder at the start of a stream, with the given limits. Allocates nothing.
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Sets whether a field named `error` is read as `event: error` with its value as data.
    ///
    /// Some model servers write `error: {"message": …}` when they fail inside a stream. The standard
    /// ignores unknown fields, so the default is `false`.
    #[must_use]
    pub fn accept_error_field(mut self, accept: bool) -> Self {
        self.accepts_error_field = accept;
        self
    }

    /// Sets whether a line that begins with `{` or `[` is read as data.
    ///
    /// Some gateways lose the `data:` in front of JSON. To the standard such a line is an unknown
    /// field, which is ignored, and its content would be lost; the default is `false`. No field name
    /// begins with either character.
    #[must_use]
    pub fn accept_bare_json(mut self, accept: bool) -> Self {
        self.accepts_bare_json = accept;
        self
    }

    /// Sets whether a `data` field is read whose name has capitals, a space before the colon, or white
    /// space, NULs or a byte order mark in front of it.
    ///
    /// To the standard each of these is an unknown field, which is ignored, and its content would be
    /// lost. Gateways that join streams write a byte order mark in the middle, and hand-written
    /// servers the others. The default is `false`.
    #[must_use]
    pub fn accept_flawed_names(mut self, accept: bool) -> Self {
        self.accepts_flawed_names = accept;
        self
    }

    /// Takes bytes from the front of `input` up to the end of the next event, and returns that event.
    ///
    /// `Ok(None)` means that `input` is used up; it is empty then, and the beginning of an event in
    /// it is kept for the next call. An event that is one `data` line inside the input, the usual
    /// case, is borrowed from the input without a copy. Any other event is borrowed from the decoder.
    ///
    /// # Errors
    ///
    /// Fails if a line or an event exceeds the [`Limits`]. That event is lost. Call again with the
    /// same `input` to continue with the event after it.
    #[inline]
    pub fn decode<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'a>>, DecodeError> {
        match self.decode_lent(input, false) {
            Ok(Some(lent)) => Ok(Some(lent.event)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes bytes as [`decode`](Self::decode) does, and returns an event that owns its text.
    ///
    /// Each event is one allocation of its exact size, or none if it is as short as `[DONE]`. An
    /// event that arrived in chunks of 1 KiB and more takes over the decoder's buffer instead of
    /// being copied, if it fills at least half of that.
    ///
    /// # Errors
    ///
    /// Fails as [`decode`](Self::decode) does.
    // Always inlined, without `?` or `map`: through them the event was moved through memory twice.
    #[inline(always)]
    pub fn decode_owned(&mut self, input: &mut &[u8]) -> Result<Option<OwnedEvent>, DecodeError> {
        match self.decode_lent(input, true) {
            Ok(Some(lent)) if lent.can_be_taken => Ok(Some(self.builder.take_event())),
            Ok(Some(lent)) => Ok(Some(lent.event.to_owned())),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream, and returns the event that its end left incomplete.
    ///
    /// An event is incomplete if a `data`, `event` or `id` field of it has begun and its blank line
    /// is missing. The standard drops it; the caller decides. Returns `None` if the stream ended
    /// between two events, in a comment, or in an event that exceeded a limit.
    ///
    /// The decoder is then at the start of a new stream, with the same settings.
    /// [`last_event_id`](Self::last_event_id) and [`retry`](Self::retry) keep their values, as in a
    /// browser that reconnects.
    pub fn finish(&mut self) -> Option<IncompleteEvent> {
        let in_field = match self.position {
            Position::Name => [&b"data"[..], b"event", b"id"]
                .iter()
                .any(|name| name.starts_with(self.partial_line.name())),
            Position::Colon(field) | Position::Value(field) => field != FieldName::Retry,
            // A `data` field has opened the block already.
            _ => false,
        };
        self.position = Position::default();
        self.partial_line.clear();
        self.builder.finish(in_field)
    }

    /// Returns the last event id: the id of an [`Event`] that has no `id` field, and the
    /// `Last-Event-ID` header of a client that reconnects. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        self.builder.id()
    }

    /// Returns the reconnection time that the stream set last, in milliseconds. `None` if it has set
    /// none. A number that does not fit into 64 bits is read as `u64::MAX`.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Returns how many comments have come so far: lines that begin with a colon, which servers send
    /// to keep a connection open. A comment counts when its first byte is in.
    ///
    /// Those inside an event that exceeded a limit do not count. [`finish`](Self::finish) keeps the
    /// number.
    pub fn comments(&self) -> u64 {
        self.comments
    }
}

enum EventFound<'i> {
    Nothing,
    /// The data of an event that is a single line of the input.
    Whole(&'i [u8]),
    /// An event in the builder's buffers.
    Gathered,
}

/// The lines that are complete in the input. Split lines are in `resume`.
///
/// ```text
///  decode, decode_owned
///    └─ decode_lent   inlined into the caller: empty input, single bytes
///         └─ decode_some   a call: clears the event that was lent before
///              └─ advance    line by line until an event, an error or the end of the input
///                   ├─ resume       the line that the last input split
///                   ├─ begin_line   the line that this input splits
///                   └─ apply        a whole line; a single `data` line of an event takes a shortcut
/// ```
impl Decoder {
    /// Inlined so that finding the input used up needs no function call.
    #[inline(always)]
    fn decode_lent<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        owned: bool,
    ) -> Result<Option<LentEvent<'a>>, DecodeError> {
        match **input {
            [] => Ok(None),
            [byte] if self.take_byte(byte) => {
                *input = &[];
                Ok(None)
            }
            _ => self.decode_some(input, owned),
        }
    }

    fn decode_some<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        owned: bool,
    ) -> Result<Option<LentEvent<'a>>, DecodeError> {
        // The event of the last call was borrowed from these buffers until now.
        self.builder.release();
        let found = match self.advance(input) {
            Ok(found) => found,
            Err(error) => {
                self.skip_event();
                return Err(error);
            }
        };
        match found {
            EventFound::Nothing => Ok(None),
            EventFound::Whole(data) if owned && data.len() >= LONG_VALUE => {
                self.builder.copy(data, self.limits.event).map(Some)
            }
            EventFound::Whole(data) => match self.builder.lend(data, self.limits.event) {
                Ok(event) => Ok(Some(event)),
                Err(error) => Err(error),
            },
            EventFound::Gathered => match self.builder.event(self.limits.event) {
                Ok(event) => Ok(Some(event)),
                Err(error) => Err(error),
            },
        }
    }

    /// Takes lines up to the end of an event. After an error `input` begins inside the line that
    /// exceeded a limit.
    #[inline(always)]
    fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Result<EventFound<'i>, DecodeError> {
        if self.position != Position::LineStart {
            self.resume(input)?;
        }
        loop {
            match input.first() {
                None => return Ok(EventFound::Nothing),
                Some(b'\n' | b'\r') => {
                    *input = self.pass_line_end(input);
                    if self.builder.end() {
                        return Ok(EventFound::Gathered);
                    }
                    continue;
                }
                Some(_) => {}
            }
            // The first line of a block is usually its only one and long, later lines are short:
            // search more or less of them here before calling the vectorized search.
            let end = if self.builder.is_empty() {
                line::find_end(input, 16)
            } else {
                line::find_end(input, 64)
            };
            let Some(end) = end else {
                self.begin_line(input)?;
                *input = &[];
                return Ok(EventFound::Nothing);
            };
            let line = &input[..end];
            if end > self.limits.line && !self.builder.is_skipped() {
                // Fails, with the error of a line that arrives split.
                self.begin_line(line)?;
            }
            let rest = self.pass_line_end(&input[end..]);
            if let Some(value) = line.strip_prefix(b"data:") {
                let value = line::without_space(value);
                // A blank line follows: the event is this value, and needs no buffer.
                if self.builder.is_empty()
                    && matches!(rest.first(), Some(b'\n' | b'\r'))
                    && value.len() <= self.limits.event
                {
                    *input = self.pass_line_end(rest);
                    return Ok(EventFound::Whole(value));
                }
                if !self.builder.is_skipped() {
                    self.builder.begin_data(self.limits.event)?;
                    self.builder.append_data(value, self.limits.event)?;
                }
            } else if !self.builder.is_skipped() {
                if line[0] == b':' {
                    self.comments += 1;
                } else if self.is_bare_json(line) {
                    self.builder.begin_data(self.limits.event)?;
                    self.builder.append_data(line, self.limits.event)?;
                } else {
                    self.take_field(line)?;
                }
            }
            *input = rest;
        }
    }

    /// Takes a whole line that is not the usual `data` line.
    fn take_field(&mut self, line: &[u8]) -> Result<(), DecodeError> {
        let line = self.without_junk(line);
        self.comments += u64::from(line.first() == Some(&b':'));
        let (name, value) = line::split(line);
        match self.begin_field(self.field_named(name))? {
            Some(field) => self.apply(field, value),
            None => Ok(()),
        }
    }

    /// Returns a line without the bytes that may be in front of a flawed name.
    fn without_junk<'i>(&self, line: &'i [u8]) -> &'i [u8] {
        let junk =
            line.iter().take_while(|byte| self.accepts_flawed_names && line::is_junk(**byte));
        &line[junk.count()..]
    }

    fn field_named(&self, name: &[u8]) -> Option<FieldName> {
        // Of a line that comes in parts, no more of a name is kept.
        let is_flawed_data = || {
            self.accepts_flawed_names
                && name.len() <= line::LONGEST_NAME
                && name.trim_ascii_end().eq_ignore_ascii_case(b"data")
        };
        FieldName::named(name).or_else(|| is_flawed_data().then_some(FieldName::Data))
    }

    /// Returns whether a line is data although it has no field name.
    fn is_bare_json(&self, line: &[u8]) -> bool {
        self.accepts_bare_json && matches!(line.first(), Some(b'{' | b'['))
    }

    /// Takes the line end at the front: CR LF, LF or CR.
    #[inline(always)]
    fn pass_line_end<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        match input {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                // The line has ended, whether a LF follows or not: the event must not wait for it.
                self.position = Position::AfterCr;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// Begins a field, and returns the one its value belongs to: an `error` field is ignored, or
    /// begins as `event: error` and continues as data.
    fn begin_field(&mut self, field: Option<FieldName>) -> Result<Option<FieldName>, DecodeError> {
        match field {
            Some(FieldName::Error) if !self.accepts_error_field => Ok(None),
            Some(FieldName::Error) => {
                self.builder.set_name(b"error", usize::MAX)?;
                self.builder.begin_data(self.limits.event)?;
                Ok(Some(FieldName::Data))
            }
            Some(FieldName::Data) => {
                self.builder.begin_data(self.limits.event)?;
                Ok(Some(FieldName::Data))
            }
            other => Ok(other),
        }
    }

    fn apply(&mut self, field: FieldName, value: &[u8]) -> Result<(), DecodeError> {
        match field {
            FieldName::Data | FieldName::Error => {
                self.builder.append_data(value, self.limits.event)
            }
            FieldName::Event => self.builder.set_name(value, self.limits.line),
            FieldName::Id => self.builder.set_id(value, self.limits.line),
            FieldName::Retry => {
                self.retry = line::milliseconds(value).or(self.retry);
                Ok(())
            }
        }
    }
}
