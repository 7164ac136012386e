//! The ways of reading one chunk's JSON: ours, the floor, and the types of other crates.

use crate::{
    clients::{Error, FloorChunk},
    traffic::{content_chunk, signed_chunk, unlike_chunk},
};
use atoma_types::{ChatCompletionChunk, ChunkReader};
use std::hint::black_box;

/// A way of reading.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The name, as in the results.
    pub name: &'static str,
    /// Reads chunks, and adds up the lengths of their texts.
    pub run: fn(&[String]) -> Result<usize, Error>,
}

/// The name of the floor, the base of all ratios.
pub const FLOOR: &str = "floor: serde_json, plain owned structs";

/// All ways, in the order of the results.
pub const READINGS: &[Reading] = &[
    Reading { name: FLOOR, run: floor },
    Reading { name: "atoma-types ChunkReader", run: reader },
    Reading { name: "atoma-types ChunkReader, in place", run: in_place },
    Reading { name: "atoma-types ChatCompletionChunk", run: alone },
    Reading { name: "serde_json::Value", run: value },
    #[cfg(feature = "peers")]
    Reading { name: "async-openai types", run: async_openai },
];

/// The chunks to read: their name, and a thousand of them.
pub fn corpora() -> [(&'static str, Vec<String>); 3] {
    let thousand = |chunk: fn(usize) -> String| (0..1000).map(chunk).collect();
    [
        ("content", thousand(content_chunk)),
        ("signed", thousand(signed_chunk)),
        ("unlike", thousand(unlike_chunk)),
    ]
}

fn floor(chunks: &[String]) -> Result<usize, Error> {
    let mut length = 0;
    for chunk in chunks {
        let chunk: FloorChunk = black_box(serde_json::from_slice(chunk.as_bytes())?);
        let choice = chunk.choices.first();
        length += choice.and_then(|choice| choice.delta.content.as_ref()).map_or(0, String::len);
    }
    Ok(length)
}

fn reader(chunks: &[String]) -> Result<usize, Error> {
    let mut reader = ChunkReader::new();
    let mut length = 0;
    for chunk in chunks {
        length += black_box(reader.read(chunk.as_bytes())?).text().len();
    }
    Ok(length)
}

fn in_place(chunks: &[String]) -> Result<usize, Error> {
    let mut reader = ChunkReader::new();
    let mut length = 0;
    for chunk in chunks {
        reader.read_in_place(chunk)?;
        length += black_box(reader.chunk()).text().len();
    }
    Ok(length)
}

fn alone(chunks: &[String]) -> Result<usize, Error> {
    let mut length = 0;
    for chunk in chunks {
        length += black_box(ChatCompletionChunk::from_slice(chunk.as_bytes())?).text().len();
    }
    Ok(length)
}

fn value(chunks: &[String]) -> Result<usize, Error> {
    let mut length = 0;
    for chunk in chunks {
        let chunk: serde_json::Value = black_box(serde_json::from_slice(chunk.as_bytes())?);
        length += chunk["choices"][0]["delta"]["content"].as_str().map_or(0, str::len);
    }
    Ok(length)
}

#[cfg(feature = "peers")]
fn async_openai(chunks: &[String]) -> Result<usize, Error> {
    use async_openai::types::chat::CreateChatCompletionStreamResponse;
    let mut length = 0;
    for chunk in chunks {
        let chunk: CreateChatCompletionStreamResponse =
            black_box(serde_json::from_slice(chunk.as_bytes())?);
        let choice = chunk.choices.first();
        length += choice.and_then(|choice| choice.delta.content.as_ref()).map_or(0, String::len);
    }
    Ok(length)
}
