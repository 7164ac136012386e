//! Event streams that look like real traffic, and the ways in which a network splits them.

/// An event stream, and the events that a decoder must find in it.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The name of the shape, as in the results.
    pub name: &'static str,
    /// The stream itself.
    pub bytes: Vec<u8>,
    /// The end of each event: the index after its blank line.
    pub event_ends: Vec<usize>,
    /// The length of all events' data.
    pub data_length: usize,
}

/// A maker of streams of one shape.
pub type Shape = fn(usize) -> Corpus;

/// The five shapes. Each makes at least one event, and as many as fit in this many bytes.
pub const SHAPES: [Shape; 5] = [llm_small, keepalive, large, multiline, tiny];

/// Chat completion chunks of about 220 bytes.
pub fn llm_small(length: usize) -> Corpus {
    build("llm-small", length, |stream, number| {
        stream.data(&chunk(number));
        stream.text("\n");
    })
}

/// The same, with none to six comments before each.
pub fn keepalive(length: usize) -> Corpus {
    build("keepalive", length, |stream, number| {
        for _ in 0..(number * 5 + 3) % 7 {
            stream.text(": keep-alive\n\n");
        }
        stream.data(&chunk(number));
        stream.text("\n");
    })
}

/// Single data lines of 64 KiB.
pub fn large(length: usize) -> Corpus {
    build("large", length, |stream, number| {
        let mut data = String::new();
        while data.len() < 64 * 1024 {
            data.push_str(&chunk(number + data.len()));
        }
        data.truncate(64 * 1024);
        stream.data(&data);
        stream.text("\n");
    })
}

/// Events with a name, an id, a reconnection time and ten data lines, with CR LF line ends.
pub fn multiline(length: usize) -> Corpus {
    build("multiline", length, |stream, number| {
        stream.text(&format!("event: update\r\nid: {number}\r\nretry: 3000\r\n"));
        for line in 0..10 {
            let value = format!("line {line} of the event with the number {number}");
            stream.data_length += value.len() + usize::from(line > 0);
            stream.text(&format!("data: {value}\r\n"));
        }
        stream.text("\r\n");
    })
}

/// `data: x` and nothing else.
pub fn tiny(length: usize) -> Corpus {
    build("tiny", length, |stream, _| {
        stream.data("x");
        stream.text("\n");
    })
}

/// A way to split a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slicing {
    /// Pieces of this many bytes.
    Bytes(usize),
    /// One event a piece, the usual pattern of a live stream.
    Events,
}

impl Slicing {
    /// The slicings measured.
    pub const ALL: [Self; 5] =
        [Self::Bytes(16 * 1024), Self::Bytes(1400), Self::Bytes(64), Self::Bytes(1), Self::Events];

    /// The name, as in the results.
    pub fn name(self) -> String {
        match self {
            Self::Bytes(1024..) if self == Self::Bytes(16 * 1024) => "16 KiB".to_owned(),
            Self::Bytes(length) => format!("{length} B"),
            Self::Events => "event".to_owned(),
        }
    }

    /// Returns how long a stream with this slicing should be for a useful measurement.
    pub fn stream_length(self) -> usize {
        match self {
            Self::Bytes(1) => 64 * 1024,
            Self::Bytes(..=64) => 512 * 1024,
            _ => 2 * 1024 * 1024,
        }
    }

    /// The pieces of a stream.
    pub fn cut(self, corpus: &Corpus) -> Vec<&[u8]> {
        match self {
            Self::Bytes(length) => corpus.bytes.chunks(length).collect(),
            Self::Events => {
                let starts = [0].into_iter().chain(corpus.event_ends.iter().copied());
                let ranges = starts.zip(&corpus.event_ends);
                ranges.map(|(start, &end)| &corpus.bytes[start..end]).collect()
            }
        }
    }
}

impl Corpus {
    fn data(&mut self, value: &str) {
        self.data_length += value.len();
        self.text("data: ");
        self.text(value);
        self.text("\n");
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

fn build(name: &'static str, length: usize, event: impl Fn(&mut Corpus, usize)) -> Corpus {
    let mut corpus = Corpus { name, bytes: Vec::new(), event_ends: Vec::new(), data_length: 0 };
    for number in 0.. {
        let before = (corpus.bytes.len(), corpus.data_length);
        event(&mut corpus, number);
        if corpus.bytes.len() > length && number > 0 {
            corpus.bytes.truncate(before.0);
            corpus.data_length = before.1;
            break;
        }
        corpus.event_ends.push(corpus.bytes.len());
    }
    corpus
}

fn chunk(number: usize) -> String {
    let token = TOKENS[number % TOKENS.len()];
    format!(
        r#"{{"id":"chatcmpl-8f14e45fceea167a","object":"chat.completion.chunk","created":1764000000,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{{"index":0,"delta":{{"content":"{token}"}},"finish_reason":null}}]}}"#
    )
}

const TOKENS: [&str; 24] = [
    "The", " answer", " is", " not", " as", " simple", " as", " it", " looks", ",", " caf", "é",
    " and", " a", " long", " walk", " through", " the", " old", " town", ".", "\\n\\n", " 東",
    "So",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_cut_without_loss() {
        for shape in SHAPES {
            for slicing in Slicing::ALL {
                let corpus = shape(200 * 1024);
                assert_eq!(slicing.cut(&corpus).concat(), corpus.bytes, "{}", corpus.name);
                assert!(corpus.bytes.len() <= 200 * 1024, "{}", corpus.name);
            }
        }
    }

    #[test]
    fn a_chat_chunk_has_its_usual_size() {
        let corpus = llm_small(22_000);
        let size = corpus.bytes.len() / corpus.event_ends.len();
        assert!((210..230).contains(&size), "{size}");
    }
}
