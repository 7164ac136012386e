//! The vocabulary of chat completions.

pub(crate) mod accumulator;
pub(crate) mod chunk;
pub(crate) mod chunk_reader;
mod chunk_template;
pub(crate) mod content;
pub(crate) mod logprobs;
mod memory_size;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod response_format;
pub(crate) mod tool;
mod tool_calls;
pub(crate) mod usage;
pub(crate) mod validate;
