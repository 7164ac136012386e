//! The backend's JSON, in the order and with the members of vLLM.

mod chat;
mod completions;
mod embeddings;
mod images;
mod json;

pub(crate) use chat::{ChatChunks, document as chat};
pub(crate) use completions::{CompletionChunks, TextCompletion, prompts};
pub(crate) use embeddings::embeddings;
pub(crate) use images::images;
