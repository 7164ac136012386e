//! The laws of the decoder, each a function of arbitrary bytes. The fuzz targets include this file by
//! path; `laws.rs` runs the same functions on stable Rust.

use atoma_sse::{DecodeError, Decoder, Encoder, Event, IncompleteEvent, Limits, OwnedEvent};

/// Any bytes decode, under any limits, into text that the format can represent. The input is used up,
/// and no text is longer than the limits.
pub fn decode_arbitrary(bytes: &[u8]) {
    let (limits, stream) = limits_in(bytes);
    let mut decoder = Decoder::with_limits(limits.both())
        .accept_error_field(limits.line % 2 == 1)
        .accept_bare_json(limits.line % 3 == 1)
        .accept_flawed_names(limits.line % 5 < 2);
    let mut input = stream;
    loop {
        let before = input.len();
        match decoder.decode(&mut input) {
            Ok(Some(event)) => {
                assert!(event.data().len() <= limits.event, "data within its limit");
                assert!(event.name().len() <= limits.line.max(Event::MESSAGE.len()));
                assert!(event.id().len() <= limits.line);
                assert!(!event.data().contains('\r'));
                assert!(!event.name().contains(['\r', '\n']));
                assert!(!event.id().contains(['\r', '\n', '\0']));
                assert!(input.len() < before, "an event takes at least its blank line");
            }
            Ok(None) => break,
            Err(error) if error.is_line_too_large() => assert_eq!(error.limit(), limits.line),
            Err(error) => assert_eq!(error.limit(), limits.event),
        }
    }
    assert!(input.is_empty());
    let incomplete = decoder.finish();
    // Malformed bytes become up to three bytes of text each.
    assert!(incomplete.is_none_or(|left| left.data().len() / 3 <= limits.event));
    assert!(decoder.finish().is_none(), "a new stream has nothing left over");
}

/// However the stream is split, the events are those of a plain reading of the standard.
pub fn splits(bytes: &[u8]) {
    let Some((&pace, stream)) = bytes.split_first() else { return };
    let wanted = reference(stream);
    let whole = outcome(Decoder::new(), [stream]);
    assert_eq!(whole.events, wanted.events);
    assert_eq!(whole.retry, wanted.retry);
    assert_eq!(whole.comments, wanted.comments);
    assert_eq!(whole.last_event_id, wanted.last_event_id);
    assert_eq!(whole, outcome(Decoder::new(), chunks(stream, pace)));
    assert_eq!(whole, outcome(Decoder::new(), stream.chunks(1)));

    let tolerant = || {
        let decoder = Decoder::new().accept_error_field(true).accept_bare_json(true);
        decoder.accept_flawed_names(true)
    };
    let whole = outcome(tolerant(), [stream]);
    assert_eq!(whole, outcome(tolerant(), chunks(stream, pace)));
    assert_eq!(whole, outcome(tolerant(), stream.chunks(1)));
}

/// The output of an encoder decodes to the same events.
pub fn round_trip(bytes: &[u8]) {
    let Some((&pace, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let parts: Vec<&str> = text.split('|').collect();
    let mut encoder = Encoder::new();
    let mut stream = String::new();
    let mut wanted = Vec::new();
    for (number, parts) in parts.chunks(3).enumerate() {
        let [data, name, id] = [0, 1, 2].map(|part| parts.get(part).copied().unwrap_or_default());
        if number % 3 == 1 {
            encoder.comment(data, &mut stream);
        }
        let event = Event::new(data).with_name(name).with_id(id);
        let length = stream.len();
        match encoder.encode(&event, &mut stream) {
            Ok(()) => wanted.push(Ok(event.to_owned())),
            Err(_) => {
                assert_eq!(stream.len(), length, "a failed event leaves no trace");
            }
        }
    }
    let outcome = outcome(Decoder::new(), chunks(stream.as_bytes(), pace));
    assert_eq!(outcome.events, wanted);
    // A comment may follow the last event.
    assert_eq!(outcome.incomplete, None);
}

/// However the stream is split, the same events exceed the same limits, and the other events are
/// those of a decoder without limits.
pub fn limits(bytes: &[u8]) {
    let (limits, stream) = limits_in(bytes);
    let decoder = || Decoder::with_limits(limits.both());
    let whole = outcome(decoder(), [stream]);
    assert_eq!(whole, outcome(decoder(), chunks(stream, limits.line as u8)));
    assert_eq!(whole, outcome(decoder(), stream.chunks(1)));

    let unlimited = outcome(Decoder::new(), [stream]);
    let mut all = unlimited.events.iter().flatten();
    for event in whole.events.iter().flatten() {
        // The id of an event that was lost is lost with it.
        let same =
            |other: &&OwnedEvent| (other.name(), other.data()) == (event.name(), event.data());
        assert!(all.find(same).is_some(), "an event within the limits is intact");
    }
    if whole.events.iter().all(Result::is_ok) {
        assert_eq!(whole.events, unlimited.events);
    }
}

/// The outcome of decoding a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The events and the exceeded limits, in order.
    pub events: Vec<Result<OwnedEvent, DecodeError>>,
    /// The data of an event that the end left incomplete.
    pub incomplete: Option<String>,
    /// The last event id after the stream.
    pub last_event_id: String,
    /// The reconnection time after the stream.
    pub retry: Option<u64>,
    /// The number of comments in the stream.
    pub comments: u64,
}

/// Decodes a stream that arrives in these chunks.
pub fn outcome<'a>(mut decoder: Decoder, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut events = Vec::new();
    for mut input in chunks {
        while let Some(event) = decoder.decode_owned(&mut input).transpose() {
            events.push(event);
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }
    let incomplete = decoder.finish().map(IncompleteEvent::into_data);
    let last_event_id = decoder.last_event_id().to_owned();
    let (retry, comments) = (decoder.retry(), decoder.comments());
    Outcome { events, incomplete, last_event_id, retry, comments }
}

/// The standard word for word, regardless of speed: the stream is decoded as a whole, then split into
/// lines, then read line by line.
pub fn reference(stream: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    // A comment counts when it begins.
    let comments = lines.iter().filter(|line| line.starts_with(':')).count() as u64;
    // The text after the last line end is not a line.
    lines.pop();

    let (events, last_event_id) = (Vec::new(), String::new());
    let mut outcome = Outcome { events, incomplete: None, last_event_id, retry: None, comments };
    let (mut data, mut name, mut id) = (String::new(), String::new(), String::new());
    for line in lines {
        if line.is_empty() {
            outcome.last_event_id.clone_from(&id);
            if !data.is_empty() {
                data.pop();
                let event = Event::new(&data).with_name(&name).with_id(&id);
                outcome.events.push(Ok(event.to_owned()));
            }
            data.clear();
            name.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                outcome.retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    outcome
}

/// Splits the stream into chunks of varying length, an empty one first.
fn chunks(stream: &[u8], pace: u8) -> Vec<&[u8]> {
    let mut chunks = vec![&[][..]];
    let mut rest = stream;
    let mut length = usize::from(pace) % 7 + 1;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(length.min(rest.len()));
        chunks.push(chunk);
        rest = behind;
        length = (length * 5 + usize::from(pace)) % 23 + 1;
    }
    chunks
}

struct SmallLimits {
    line: usize,
    event: usize,
}

impl SmallLimits {
    fn both(&self) -> Limits {
        Limits::new().line(self.line).event(self.event)
    }
}

/// The first two bytes are small limits, the others the stream.
fn limits_in(bytes: &[u8]) -> (SmallLimits, &[u8]) {
    match bytes {
        [line, event, stream @ ..] => {
            (SmallLimits { line: usize::from(*line), event: usize::from(*event) }, stream)
        }
        _ => (SmallLimits { line: 64, event: 64 }, bytes),
    }
}
