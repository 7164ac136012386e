mod partial_line;

use self::partial_line::PartialLine;
use crate::data_buffer::BLOCK;
use crate::event_builder::{EventBuilder, LentEvent};
use crate::line::{self, FieldName};
use crate::{DecodeError, Event, IncompleteEvent, Limits, OwnedEvent};

/// An incremental decoder of `text/event-stream`.
///
/// Give it the bytes of a stream as they come, in pieces of any size. However they are cut, the
/// events are the same, and an event is out as soon as its last byte is in. The interpretation is
/// the one of the [WHATWG HTML standard, section 9.2.6][standard], from the leading byte order mark
/// to malformed UTF-8; it knows no malformed stream, so the only errors are those of [`Limits`].
///
/// ```
/// use atoma_sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut texts = Vec::new();
/// for mut piece in [&b"data: Hel"[..], b"lo\n\n: still here\n", b"\ndata: world\n\n"] {
///     while let Some(event) = decoder.decode(&mut piece)? {
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
    builder: EventBuilder,
    partial_line: PartialLine,
    retry: Option<u64>,
}

impl Decoder {
    /// A decoder at the start of a stream, with the default [`Limits`]. It allocates nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder at the start of a stream, with limits of your own.
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether a field named `error` is read as `event: error` with its value as data.
    ///
    /// Some model servers write `error: {"message": …}` when they fail within a stream. The
    /// standard has unknown fields ignored, so this is off by default.
    #[must_use]
    pub fn accept_error_field(mut self, accept: bool) -> Self {
        self.accepts_error_field = accept;
        self
    }

    /// Takes bytes from the front of `input` up to the end of the next event, and lends that event.
    ///
    /// `Ok(None)` says that the input is used up: `input` is empty then, and the beginning of an
    /// event that was in it is kept for the next call. An event that is one `data` line wholly
    /// within the input, the usual case, is lent from there without a copy; any other is lent from
    /// the decoder.
    ///
    /// # Errors
    ///
    /// If a line or an event is longer than the [`Limits`] allow. That event is lost; calling again
    /// with the same input goes on at the one after it.
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

    /// As [`decode`](Self::decode), with an event that owns its text: one allocation an event,
    /// and none for one as short as `[DONE]`. An event that came in pieces of 4 KiB and more takes
    /// over the decoder's buffer, if it fills half of it, instead of being copied.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    #[inline(always)]
    pub fn decode_owned(&mut self, input: &mut &[u8]) -> Result<Option<OwnedEvent>, DecodeError> {
        // Always inlined, neither `?` nor `map`: the event would travel through memory twice.
        match self.decode_lent(input, true) {
            Ok(Some(lent)) if lent.can_be_taken => Ok(Some(self.builder.take_event())),
            Ok(Some(lent)) => Ok(Some(lent.event.to_owned())),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream, and tells whether an event was cut off: one that had begun with a `data`,
    /// `event` or `id` field, whole or not, and whose blank line is missing. The standard has it
    /// dropped; what there was of it is in [`IncompleteEvent`].
    ///
    /// The decoder is then at the start of a new stream, with the same settings.
    /// [`last_event_id`](Self::last_event_id) and [`retry`](Self::retry) stay, as they do when a
    /// browser connects again.
    pub fn finish(&mut self) -> Option<IncompleteEvent> {
        let cut = match self.position {
            Position::Name => [&b"data"[..], b"event", b"id"]
                .iter()
                .any(|name| name.starts_with(self.partial_line.name())),
            Position::Colon(field) | Position::Value(field) => field != FieldName::Retry,
            Position::Data => true,
            _ => false,
        };
        self.position = Position::default();
        self.partial_line.clear();
        self.builder.finish(cut)
    }

    /// The last event id: what an [`Event`] without an `id` field would carry now, and what a
    /// client sends as `Last-Event-ID` when it connects again. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        self.builder.id()
    }

    /// The reconnection time the stream asked for last, in milliseconds, if it did. A number past
    /// 64 bits reads as `u64::MAX`.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Position {
    /// At the start of the stream, or inside the byte order mark.
    #[default]
    StreamStart,
    LineStart,
    /// At the start of a line, after a CR: a LF would belong to it.
    AfterCr,
    /// In the value of a `data` field, behind the space.
    Data,
    /// In a comment, an unknown field, or a block that is passed over.
    Ignored,
    Name,
    /// Behind the colon, where one space is dropped.
    Colon(FieldName),
    /// In the value of a field other than `data`, behind the space.
    Value(FieldName),
}

enum EventFound<'i> {
    Nothing,
    /// The data of an event that is a single line of the input.
    Whole(&'i [u8]),
    /// An event that the block's buffers hold.
    Gathered,
}

/// The lines that lie wholly in the input.
impl Decoder {
    /// Inlined, so that the call which finds the input used up is none.
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
            EventFound::Whole(data) if owned && data.len() >= 2 * BLOCK => {
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

    /// After an error `input` stands inside the offending line.
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
            // A block's only line is usually long, the lines of a longer block are short.
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
                self.begin_line(line)?;
            }
            let rest = self.pass_line_end(&input[end..]);
            if let Some(value) = line.strip_prefix(b"data:") {
                let value = line::without_space(value);
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
            } else if line[0] != b':' && !self.builder.is_skipped() {
                let (name, value) = line::split(line);
                if let Some(field) = self.field_named(name)? {
                    self.apply(field, value)?;
                }
            }
            *input = rest;
        }
    }

    /// Takes the line end in front: CR LF, LF or CR.
    #[inline(always)]
    fn pass_line_end<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        match input {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => {
                self.position = Position::AfterCr;
                &[]
            }
            [_, rest @ ..] => rest,
            [] => &[],
        }
    }

    /// The field of that name. A `data` field has begun then, an `error` field has become one.
    fn field_named(&mut self, name: &[u8]) -> Result<Option<FieldName>, DecodeError> {
        match FieldName::named(name) {
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
