//! Chunks and bodies of many shapes, each read by our models and by the floor: alone, or through whole clients.

use crate::traffic;
use atoma_types::{
    ChatCompletionResponse, ChatModel, CompletionModel, EmbeddingResponse, ResponseModel,
    StreamModel,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::de::DeserializeOwned;
use std::{fmt, hint::black_box};

mod floor;
mod texts;

/// The number of chunks in a stream.
const CHUNKS: usize = 500;

/// A shape with its readers.
pub struct Shape {
    /// The name, as in the results and in the requests.
    pub name: &'static str,
    /// The number of events in one run; a body is one.
    pub events: usize,
    /// The resource that a client calls for it.
    pub resource: Resource,
    /// The texts that a run reads.
    texts: fn() -> Vec<String>,
    floor: fn(&[u8]),
    /// Reads all texts; the argument says whether each chunk is taken, or only looked at.
    ours: fn(&[String], bool),
}

/// The resource that a client calls for a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A streamed chat completion.
    ChatStream,
    /// A streamed completion.
    CompletionStream,
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embeddings,
}

/// How a shape is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// By serde_json into plain owned structs.
    Floor,
    /// Each chunk is taken from the model.
    Owned,
    /// Each chunk stays in the model.
    Lent,
}

impl Reader {
    /// All readers with their names, the floor first.
    pub const NAMED: [(&str, Self); 3] =
        [("floor", Self::Floor), ("owned", Self::Owned), ("lent", Self::Lent)];
}

macro_rules! stream {
    ($name:literal, $resource:ident, $model:ty, $floor:ty) => {
        Shape {
            name: $name,
            events: CHUNKS,
            resource: Resource::$resource,
            texts: || texts::chunks($name, CHUNKS),
            floor: read_floor::<$floor>,
            ours: read_stream::<$model>,
        }
    };
}

macro_rules! body {
    ($name:literal, $resource:ident, $response:ty, $text:expr, $floor:expr) => {
        Shape {
            name: $name,
            events: 1,
            resource: Resource::$resource,
            texts: || vec![$text],
            floor: $floor,
            ours: read_body::<$response>,
        }
    };
}

/// All shapes, in the order of the results.
pub fn all() -> [Shape; 13] {
    type PartsChunk = floor::Chunk<floor::Choice<floor::PartsDelta>>;
    type TextChunk = floor::Chunk<floor::TextChoice>;
    type Body = floor::Chunk<floor::WholeChoice>;
    [
        stream!("content", ChatStream, ChatModel, floor::Chunk),
        stream!("unlike members", ChatStream, ChatModel, floor::Chunk),
        stream!("log probabilities", ChatStream, ChatModel, floor::Chunk),
        stream!("tool calls", ChatStream, ChatModel, floor::Chunk),
        stream!("reasoning", ChatStream, ChatModel, floor::Chunk),
        stream!("usage", ChatStream, ChatModel, floor::Chunk),
        stream!("four choices", ChatStream, ChatModel, floor::Chunk),
        stream!("content parts", ChatStream, ChatModel, PartsChunk),
        stream!("completions", CompletionStream, CompletionModel, TextChunk),
        body!(
            "body of 4 KiB",
            Chat,
            ChatCompletionResponse,
            texts::body(4 << 10),
            read_floor::<Body>
        ),
        body!(
            "body of 1 MiB",
            Chat,
            ChatCompletionResponse,
            texts::body(1 << 20),
            read_floor::<Body>
        ),
        body!(
            "1,000 embeddings",
            Embeddings,
            EmbeddingResponse,
            texts::embeddings(false),
            read_floor::<floor::Embeddings<Vec<f32>>>
        ),
        body!(
            "1,000 in base64",
            Embeddings,
            EmbeddingResponse,
            texts::embeddings(true),
            read_base64
        ),
    ]
}

impl Shape {
    /// The shape of that name.
    pub fn named(name: &str) -> Option<Self> {
        all().into_iter().find(|shape| shape.name == name)
    }

    /// Returns whether its events arrive one by one.
    pub fn is_stream(&self) -> bool {
        matches!(self.resource, Resource::ChatStream | Resource::CompletionStream)
    }

    /// The HTTP response that has all its events.
    pub fn response(&self) -> Vec<u8> {
        let texts = (self.texts)();
        if !self.is_stream() {
            return traffic::whole_response(&texts.concat());
        }
        let done = "[DONE]".to_owned();
        let events = texts.iter().chain([&done]).map(|data| format!("data: {data}\n\n"));
        traffic::streamed_response(&events.collect::<String>())
    }

    /// Reads the JSON of one event as the floor does.
    pub fn read_floor(&self, json: &[u8]) {
        (self.floor)(json);
    }

    /// Makes its texts, and returns a function that reads all of them once.
    pub fn reading(&self, reader: Reader) -> impl Fn() + use<> {
        let (texts, floor, ours) = ((self.texts)(), self.floor, self.ours);
        move || match reader {
            Reader::Floor => texts.iter().for_each(|text| floor(text.as_bytes())),
            Reader::Owned => ours(&texts, true),
            Reader::Lent => ours(&texts, false),
        }
    }
}

fn read_floor<T: DeserializeOwned>(json: &[u8]) {
    let value: T = serde_json::from_slice(black_box(json)).expect("valid JSON");
    black_box(&value);
}

fn read_base64(json: &[u8]) {
    let response: floor::Embeddings<String> =
        serde_json::from_slice(black_box(json)).expect("valid JSON");
    for embedding in &response.data {
        let bytes = BASE64_STANDARD.decode(&embedding.embedding).expect("valid base64");
        let numbers = bytes.chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]);
        black_box(numbers.map(f32::from_le_bytes).collect::<Vec<_>>());
    }
}

fn read_stream<M: StreamModel>(texts: &[String], takes: bool) {
    let mut model = M::default();
    model.expect_choices(4);
    for text in texts {
        model.read("", &mut black_box(text.as_str())).expect("valid JSON");
        if takes {
            black_box(&model.take_chunk());
        } else {
            black_box(model.chunk());
        }
    }
    black_box(&model);
}

fn read_body<T: ResponseModel>(texts: &[String], _: bool) {
    for text in texts {
        let mut response = T::default();
        response.read(black_box(text.as_bytes())).expect("valid JSON");
        black_box(&response);
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Mode;

    #[test]
    fn no_shape_has_the_name_of_a_mode() {
        for shape in all() {
            assert!(Mode::named(shape.name).is_none(), "{shape:?}: a request names either");
        }
    }
}
