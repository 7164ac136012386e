mod cut;

use self::cut::CutLine;
use crate::block::{Block, Lent};
use crate::line::{self, Field};
use crate::{DecodeError, Event, Limits, OwnedEvent, Unfinished};

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
    block: Block,
    cut: CutLine,
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
        match self.decode_lent(input) {
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
        match self.decode_lent(input) {
            Ok(Some(lent)) if lent.can_be_taken => Ok(Some(self.block.take_event())),
            Ok(Some(lent)) => Ok(Some(lent.event.to_owned())),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream, and tells whether an event was cut off: one that had begun with a `data`,
    /// `event` or `id` field, whole or not, and whose blank line is missing. The standard has it
    /// dropped; what there was of it is in [`Unfinished`].
    ///
    /// The decoder is then at the start of a new stream, with the same settings.
    /// [`last_event_id`](Self::last_event_id) and [`retry`](Self::retry) stay, as they do when a
    /// browser connects again.
    pub fn finish(&mut self) -> Option<Unfinished> {
        let cut = match self.position {
            Position::Name => {
                [&b"data"[..], b"event", b"id"].iter().any(|name| name.starts_with(self.cut.name()))
            }
            Position::Colon(field) | Position::Value(field) => field != Field::Retry,
            Position::Data => true,
            _ => false,
        };
        self.position = Position::default();
        self.cut.clear();
        self.block.finish(cut)
    }

    /// The last event id: what an [`Event`] without an `id` field would carry now, and what a
    /// client sends as `Last-Event-ID` when it connects again. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        self.block.id()
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
    Colon(Field),
    /// In the value of a field other than `data`, behind the space.
    Value(Field),
}

enum Found<'i> {
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
    ) -> Result<Option<Lent<'a>>, DecodeError> {
        match **input {
            [] => Ok(None),
            [byte] if self.take_byte(byte) => {
                *input = &[];
                Ok(None)
            }
            _ => self.decode_some(input),
        }
    }

    fn decode_some<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Lent<'a>>, DecodeError> {
        self.block.release();
        let found = match self.advance(input) {
            Ok(found) => found,
            Err(error) => {
                self.skip_event();
                return Err(error);
            }
        };
        match found {
            Found::Nothing => Ok(None),
            Found::Whole(data) => match self.block.lend(data, self.limits.event) {
                Ok(event) => Ok(Some(event)),
                Err(error) => Err(error),
            },
            Found::Gathered => match self.block.event(self.limits.event) {
                Ok(event) => Ok(Some(event)),
                Err(error) => Err(error),
            },
        }
    }

    /// After an error `input` stands inside the offending line.
    #[inline(always)]
    fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Result<Found<'i>, DecodeError> {
        if self.position != Position::LineStart {
            self.resume(input)?;
        }
        loop {
            match input.first() {
                None => return Ok(Found::Nothing),
                Some(b'\n' | b'\r') => {
                    *input = self.pass_line_end(input);
                    if self.block.end() {
                        return Ok(Found::Gathered);
                    }
                    continue;
                }
                Some(_) => {}
            }
            // A block's only line is usually long, the lines of a longer block are short.
            let end = if self.block.is_empty() {
                line::find_end(input, 16)
            } else {
                line::find_end(input, 64)
            };
            let Some(end) = end else {
                self.begin_line(input)?;
                *input = &[];
                return Ok(Found::Nothing);
            };
            let line = &input[..end];
            if end > self.limits.line && !self.block.is_skipped() {
                self.begin_line(line)?;
            }
            let rest = self.pass_line_end(&input[end..]);
            if let Some(value) = line.strip_prefix(b"data:") {
                let value = line::without_space(value);
                if self.block.is_empty()
                    && matches!(rest.first(), Some(b'\n' | b'\r'))
                    && value.len() <= self.limits.event
                {
                    *input = self.pass_line_end(rest);
                    return Ok(Found::Whole(value));
                }
                if !self.block.is_skipped() {
                    self.block.begin_data(self.limits.event)?;
                    self.block.append_data(value, self.limits.event)?;
                }
            } else if line[0] != b':' && !self.block.is_skipped() {
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
    fn field_named(&mut self, name: &[u8]) -> Result<Option<Field>, DecodeError> {
        match Field::named(name) {
            Some(Field::Error) if !self.accepts_error_field => Ok(None),
            Some(Field::Error) => {
                self.block.set_name(b"error", usize::MAX)?;
                self.block.begin_data(self.limits.event)?;
                Ok(Some(Field::Data))
            }
            Some(Field::Data) => {
                self.block.begin_data(self.limits.event)?;
                Ok(Some(Field::Data))
            }
            other => Ok(other),
        }
    }

    fn apply(&mut self, field: Field, value: &[u8]) -> Result<(), DecodeError> {
        match field {
            Field::Data | Field::Error => self.block.append_data(value, self.limits.event),
            Field::Event => self.block.set_name(value, self.limits.line),
            Field::Id => self.block.set_id(value, self.limits.line),
            Field::Retry => {
                self.retry = line::milliseconds(value).or(self.retry);
                Ok(())
            }
        }
    }
}
