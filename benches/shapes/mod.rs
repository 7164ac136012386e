//! Chunks and bodies of many shapes, each read by our models and by the floor.

use atoma_types::{
    ChatCompletionResponse, ChatModel, CompletionModel, EmbeddingResponse, ResponseModel,
    StreamModel,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::de::DeserializeOwned;
use std::hint::black_box;

mod floor;
mod texts;

/// The number of chunks in a stream.
const CHUNKS: usize = 500;

/// A shape with its readers.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The number of events in one run; a body is one.
    pub(crate) events: usize,
    /// The texts that a run reads.
    texts: fn() -> Vec<String>,
    floor: fn(&str),
    /// Reads all texts; the argument says whether each chunk is taken, or only looked at.
    ours: fn(&[String], bool),
}

/// How a shape is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reader {
    Floor,
    /// Each chunk is taken from the model.
    Owned,
    /// Each chunk stays in the model.
    Lent,
}

macro_rules! stream {
    ($name:literal, $model:ty, $floor:ty) => {
        Shape {
            name: $name,
            events: CHUNKS,
            texts: || texts::chunks($name, CHUNKS),
            floor: read_floor::<$floor>,
            ours: read_stream::<$model>,
        }
    };
}

macro_rules! body {
    ($name:literal, $response:ty, $text:expr, $floor:expr) => {
        Shape {
            name: $name,
            events: 1,
            texts: || vec![$text],
            floor: $floor,
            ours: read_body::<$response>,
        }
    };
}

/// All shapes, in the order of the results.
pub(crate) fn all() -> [Shape; 13] {
    type PartsChunk = floor::Chunk<floor::Choice<floor::PartsDelta>>;
    type TextChunk = floor::Chunk<floor::TextChoice>;
    type Body = floor::Chunk<floor::WholeChoice>;
    [
        stream!("content", ChatModel, floor::Chunk),
        stream!("unlike", ChatModel, floor::Chunk),
        stream!("log probabilities", ChatModel, floor::Chunk),
        stream!("tool calls", ChatModel, floor::Chunk),
        stream!("reasoning", ChatModel, floor::Chunk),
        stream!("usage", ChatModel, floor::Chunk),
        stream!("four choices", ChatModel, floor::Chunk),
        stream!("content parts", ChatModel, PartsChunk),
        stream!("completions", CompletionModel, TextChunk),
        body!("body of 4 KiB", ChatCompletionResponse, texts::body(4 << 10), read_floor::<Body>),
        body!("body of 1 MiB", ChatCompletionResponse, texts::body(1 << 20), read_floor::<Body>),
        body!(
            "1,000 embeddings",
            EmbeddingResponse,
            texts::embeddings(false),
            read_floor::<floor::Embeddings<Vec<f32>>>
        ),
        body!("1,000 in base64", EmbeddingResponse, texts::embeddings(true), read_base64),
    ]
}

impl Shape {
    /// Reads all texts this many times.
    pub(crate) fn read(&self, reader: Reader, runs: usize) {
        let texts = (self.texts)();
        for _ in 0..runs {
            match reader {
                Reader::Floor => texts.iter().for_each(|text| (self.floor)(text)),
                Reader::Owned => (self.ours)(&texts, true),
                Reader::Lent => (self.ours)(&texts, false),
            }
        }
    }
}

fn read_floor<T: DeserializeOwned>(text: &str) {
    let value: T = serde_json::from_slice(black_box(text.as_bytes())).expect("valid JSON");
    black_box(&value);
}

fn read_base64(text: &str) {
    let response: floor::Embeddings<String> =
        serde_json::from_slice(black_box(text.as_bytes())).expect("valid JSON");
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
