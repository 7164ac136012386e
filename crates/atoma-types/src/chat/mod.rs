//! The vocabulary of chat completions.

pub(crate) mod accumulator;
pub(crate) mod chunk;
pub(crate) mod chunk_reader;
pub(crate) mod content;
pub(crate) mod logprobs;
pub(crate) mod message;
mod pattern;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod response_format;
mod size;
pub(crate) mod tool;
mod tool_calls;
pub(crate) mod usage;
pub(crate) mod validate;
