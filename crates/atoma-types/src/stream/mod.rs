//! Reading streams: events into chunks, and chunks into a response.

pub(crate) mod accumulator;
pub(crate) mod chunk_reader;
mod memory_size;
mod template;
mod tool_calls;
